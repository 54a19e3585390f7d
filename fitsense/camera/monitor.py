"""Camera monitor: warns of pictures that cannot be analysed. No I/O, no clock; cheap enough for every session.

There are two kinds of warnings. A *state* holds for a time: the picture is black, covered, frozen or still, or shows no
person. A warning is given once the state has held for its configured time, and another one when it is over; it is over
after ``clear_s`` without it, so that it does not flicker. If several states hold, the most specific is reported: a
black picture is also blank and still. A *change* is reported once, as over: a scene cut, or a camera that moved.
"""

from __future__ import annotations

import math
from typing import Literal

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import number
from fitsense.camera.lasting import CameraWarning as CameraWarning
from fitsense.camera.lasting import LastingState, Since
from fitsense.camera.view_features import ViewFeatures, extract_features, moved, repeated
from fitsense.camera.viewpoint import CutDetector, ViewpointMonitor
from fitsense.types import UInt8Array

Code = Literal[
    "picture_black", "camera_blocked", "picture_frozen", "no_person", "no_motion", "camera_cut", "camera_moved"
]

# Shortest interval between analysed pictures, in seconds: ten a second suffice. Cameras' intervals vary a little.
_STEP_S = 0.09

_MEANINGS: dict[Code, str] = {
    "picture_black": "the picture is black",
    "camera_blocked": "no detail in the picture; the lens may be covered",
    "picture_frozen": "the same picture repeats",
    "no_person": "no person detected",
    "no_motion": "nothing moves",
    "camera_cut": "the video was cut to another scene",
    "camera_moved": "the camera was moved",
}


@checks_arguments
@attrs.frozen
class CameraConfig:
    """Time for which each state must hold before its warning, in seconds of media time.

    :param picture_black_s: black picture.
    :param camera_blocked_s: picture without detail.
    :param picture_frozen_s: identical pictures. Strong compression may repeat a still scene for some seconds, too.
    :param no_person_s: no person, according to :meth:`CameraMonitor.predicted`.
    :param no_motion_s: no motion in a live picture.
    :param camera_moved_s: another view than before; a shorter bump is not reported.
    :param clear_s: time without a state after which it is over.
    :param idle: probability of no exercise at which there may be no person.
    :raises InvalidInputError: a value outside its range.
    """

    picture_black_s: float = attrs.field(default=2.0, validator=number(0.0))
    camera_blocked_s: float = attrs.field(default=2.0, validator=number(0.0))
    picture_frozen_s: float = attrs.field(default=5.0, validator=number(0.0))
    no_person_s: float = attrs.field(default=10.0, validator=number(0.0))
    no_motion_s: float = attrs.field(default=20.0, validator=number(0.0))
    camera_moved_s: float = attrs.field(default=2.0, validator=number(0.0))
    clear_s: float = attrs.field(default=1.0, validator=number(0.0))
    idle: float = attrs.field(default=0.6, validator=number(0.0, 1.0))


@attrs.define(eq=False)
class CameraMonitorState:
    """State of a :class:`CameraMonitor`. Times are in seconds of media time.

    :param states: all states, by code.
    :param viewpoint: detector of camera movement.
    :param cuts: detector of scene cuts.
    :param last_s: time of the last picture analysed.
    :param repeated: the picture that repeats, and since when.
    :param still: the picture without motion since, and since when.
    :param black: since when the picture is black.
    :param blank: since when the picture has no detail.
    :param idle: since when no exercise is likely.
    :param absent: since when no person is found.
    :param looked: whether anything looks for the person.
    """

    states: dict[Code, LastingState]
    viewpoint: ViewpointMonitor
    cuts: CutDetector = attrs.field(factory=CutDetector)
    last_s: float = -math.inf
    repeated: tuple[float, ViewFeatures] | None = None
    still: tuple[float, ViewFeatures] | None = None
    black: Since = attrs.field(factory=Since)
    blank: Since = attrs.field(factory=Since)
    idle: Since = attrs.field(factory=Since)
    absent: Since = attrs.field(factory=Since)
    looked: bool = False


class CameraMonitor:
    """Monitors thumbnails of one source, in the order of time.

    The thumbnails must show the whole picture: a region that follows a person looks like a moving camera.
    """

    def __init__(self, config: CameraConfig | None = None) -> None:
        self._config = config or CameraConfig()
        self.state = self._initial_state()

    def _initial_state(self) -> CameraMonitorState:
        config = self._config
        holds: dict[Code, float] = {
            "picture_black": config.picture_black_s,
            "camera_blocked": config.camera_blocked_s,
            "picture_frozen": config.picture_frozen_s,
            "no_person": config.no_person_s,
            "no_motion": config.no_motion_s,
        }
        states = {code: LastingState(code, _MEANINGS[code], hold_s, config.clear_s) for code, hold_s in holds.items()}
        return CameraMonitorState(states, ViewpointMonitor(config.camera_moved_s))

    def due(self, time_s: float) -> bool:
        """True if a picture of that time would be analysed: ten a second are."""
        return time_s - self.state.last_s >= _STEP_S

    def push(self, thumbnail: UInt8Array, time_s: float) -> list[CameraWarning]:
        """Take a picture and return warnings. A picture that is not :meth:`due` is skipped.

        :param thumbnail: uint8 (64, 64, 3), of the whole picture.
        :param time_s: time in seconds of media time, later than the previous picture's.
        :raises InvalidInputError: another shape or dtype.
        """
        if not self.due(time_s):
            return []
        self.state.last_s = time_s
        features = extract_features(thumbnail)
        dark = features.black or features.blank
        frozen_s = self._frozen_since(features, time_s, dark)
        still_s = self._still_since(features, time_s, dark)
        absent_s = None if dark else self._absent_since(still_s)
        since_s: dict[Code, float | None] = {
            "picture_black": self.state.black.update(features.black, time_s),
            "camera_blocked": self.state.blank.update(features.blank and not features.black, time_s),
            "picture_frozen": frozen_s,
            "no_person": absent_s,
            "no_motion": still_s if absent_s is None else None,
        }
        warnings = [one for code, state in self.state.states.items() for one in state.update(since_s[code], time_s)]
        return warnings + self._update_viewpoint(features, time_s, dark)

    def predicted(self, from_s: float, *, idle: float, present: float | None = None) -> None:
        """Take a window's prediction, or a detector's result. Without any, ``no_person`` is never reported.

        There is no person if a detector finds none, or if nothing moves and no exercise is likely.

        :param from_s: start of the interval that the window decides about, in seconds of media time.
        :param idle: probability of no exercise, in 0..1.
        :param present: share of the window's pictures in which a detector found a person, 0..1; None without a
            detector. Detectors find people in furniture, so that a share above 0 proves nothing.
        """
        self.state.idle.update(idle >= self._config.idle, from_s)
        if present is not None:
            self.report_person(from_s, found=present > 0.0)

    def report_person(self, time_s: float, *, found: bool) -> None:
        """Record whether a person was found in a picture; afterwards, only this decides about missing people.

        :param time_s: time of the picture, in seconds of media time.
        """
        self.state.looked = True
        self.state.absent.update(not found, time_s)

    def end_run(self) -> list[CameraWarning]:
        """End the run: end every reported state, and reset the monitor."""
        warnings = [warning for state in self.state.states.values() for warning in state.end()]
        self.state = self._initial_state()
        return warnings

    def _frozen_since(self, features: ViewFeatures, time_s: float, dark: bool) -> float | None:
        if dark:
            self.state.repeated = None
        elif self.state.repeated is not None and repeated(self.state.repeated[1], features):
            return self.state.repeated[0]
        else:
            self.state.repeated = (time_s, features)
        return None

    def _still_since(self, features: ViewFeatures, time_s: float, dark: bool) -> float | None:
        """Time since which nothing moves; a frozen picture does not count."""
        if dark or self.state.states["picture_frozen"].reported:
            self.state.still = None
        elif self.state.still is not None and not moved(self.state.still[1], features):
            return self.state.still[0]
        else:
            self.state.still = (time_s, features)
        return None

    def _absent_since(self, still_s: float | None) -> float | None:
        if self.state.absent.start_s is not None:
            return self.state.absent.start_s
        if self.state.looked or still_s is None or self.state.idle.start_s is None:
            return None
        return max(still_s, self.state.idle.start_s)

    def _update_viewpoint(self, features: ViewFeatures, time_s: float, dark: bool) -> list[CameraWarning]:
        """Detect scene cuts and camera movement. Dark pictures are skipped."""
        if dark:
            self.state.viewpoint.pause(time_s)
            return []
        cut, lost = self.state.cuts.push(features, time_s), self.state.viewpoint.push(features, time_s)
        if cut is not None:
            self.state.viewpoint.restart(features, time_s)
            return [CameraWarning("camera_cut", _MEANINGS["camera_cut"], *cut, over=True)]
        return [] if lost is None else [CameraWarning("camera_moved", _MEANINGS["camera_moved"], *lost, over=True)]
