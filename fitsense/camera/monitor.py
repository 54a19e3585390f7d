"""What is wrong with what the camera sees: pure, and cheap enough for every session.

Two kinds of notices. A *state* holds for a time: the picture is black, covered, frozen or still, or nobody is there.
It is told once it has held for so many seconds, and once more when it is over; it is over when it has been away for
``clear_s``, so that it does not flicker. Where several hold, the plainest is told: a black picture is also blank and
still. A *change* is told once, as over: the video was cut, or the camera moved.
"""

from __future__ import annotations

import math
from typing import Literal

import attrs

from fitsense._internal.validators import number
from fitsense.camera.view_features import ViewFeatures, extract_features, moved, repeated
from fitsense.camera.viewpoint import CutDetector, ViewpointMonitor
from fitsense.types import UInt8Array

Code = Literal[
    "picture_black", "camera_blocked", "picture_frozen", "no_person", "no_motion", "camera_cut", "camera_moved"
]

# Pictures closer than this are not looked at: ten a second are plenty. A camera of 30 a second is not quite regular.
_STEP_S = 0.09
_TOLERANCE_S = 1e-6

_MEANINGS: dict[Code, str] = {
    "picture_black": "the picture is black",
    "camera_blocked": "the picture shows next to nothing, as if the lens were covered",
    "picture_frozen": "the same picture comes again and again",
    "no_person": "nobody seems to be there",
    "no_motion": "nothing moves",
    "camera_cut": "the video was cut to another scene",
    "camera_moved": "the camera was moved",
}


@attrs.frozen
class CameraConfig:
    """For how long something must hold before it is told, in seconds of media time.

    :param picture_black_s: a black picture.
    :param camera_blocked_s: a picture without detail.
    :param picture_frozen_s: the same picture again and again. Strong compression may repeat a still scene for some
        seconds, too.
    :param no_person_s: nobody is there, as :meth:`CameraMonitor.predicted` says.
    :param no_motion_s: nothing moves in a live picture.
    :param camera_moved_s: another view than before; a bump that is over sooner is not told.
    :param clear_s: how long a state must be away before it is over.
    :param idle: probability of no exercise from which nobody may be there.
    """

    picture_black_s: float = attrs.field(default=2.0, validator=number(0.0))
    camera_blocked_s: float = attrs.field(default=2.0, validator=number(0.0))
    picture_frozen_s: float = attrs.field(default=5.0, validator=number(0.0))
    no_person_s: float = attrs.field(default=10.0, validator=number(0.0))
    no_motion_s: float = attrs.field(default=20.0, validator=number(0.0))
    camera_moved_s: float = attrs.field(default=2.0, validator=number(0.0))
    clear_s: float = attrs.field(default=1.0, validator=number(0.0))
    idle: float = attrs.field(default=0.6, validator=number(0.0, 1.0))


@attrs.frozen
class CameraWarning:
    """Something is wrong with the picture, or no longer.

    :param code: what.
    :param message: the same in words.
    :param start_s: since when. For ``camera_cut`` the last picture before it.
    :param end_s: until when, so far. For ``camera_cut`` the first picture after it.
    :param over: whether `end_s` is final. A state is told twice, a change once.
    """

    code: Code
    message: str
    start_s: float
    end_s: float
    over: bool


@attrs.define
class _State:
    """Holds or does not; tells so once it has held for `hold_s`, and once it has been away for `clear_s`."""

    _code: Code
    _hold_s: float
    _clear_s: float
    _start_s: float | None = None
    _end_s: float = 0.0
    reported: bool = False

    def update(self, since_s: float | None, time_s: float) -> list[CameraWarning]:
        """Take since when it holds; None while it does not."""
        if since_s is None:
            return self.end() if not self.reported or time_s - self._end_s >= self._clear_s - _TOLERANCE_S else []
        if self._start_s is None:
            self._start_s = since_s
        self._end_s = time_s
        if self.reported or time_s - self._start_s < self._hold_s - _TOLERANCE_S:
            return []
        self.reported = True
        message = f"{_MEANINGS[self._code]}, for {time_s - self._start_s:.1f} s now"
        return [CameraWarning(self._code, message, self._start_s, time_s, over=False)]

    def end(self) -> list[CameraWarning]:
        """It is away."""
        start_s, told = self._start_s, self.reported
        self._start_s, self.reported = None, False
        if start_s is None or not told:
            return []
        message = f"over after {self._end_s - start_s:.1f} s: {_MEANINGS[self._code]}"
        return [CameraWarning(self._code, message, start_s, self._end_s, over=True)]


@attrs.define
class _Since:
    """Since when something is so; None while it is not."""

    start_s: float | None = None

    def update(self, is_so: bool, time_s: float) -> float | None:
        self.start_s = (time_s if self.start_s is None else self.start_s) if is_so else None
        return self.start_s


@attrs.define(eq=False)
class CameraMonitorState:
    """All that :class:`CameraMonitor` remembers.

    :param states: what holds or may come to hold, by code.
    :param last_s: when the last picture was looked at.
    :param repeated: the picture that comes again, and since when.
    :param still: the picture in which nothing moves, and since when.
    :param black: since when the picture is black; the next ones likewise.
    """

    states: dict[Code, _State]
    viewpoint: ViewpointMonitor
    cuts: CutDetector = attrs.field(factory=CutDetector)
    last_s: float = -math.inf
    repeated: tuple[float, ViewFeatures] | None = None
    still: tuple[float, ViewFeatures] | None = None
    black: _Since = attrs.field(factory=_Since)
    blank: _Since = attrs.field(factory=_Since)
    idle: _Since = attrs.field(factory=_Since)
    absent: _Since = attrs.field(factory=_Since)


class CameraMonitor:
    """Watches thumbnails of one stream, in the order of time.

    Give it the whole picture: a region that follows somebody looks like a moving camera.
    """

    def __init__(self, config: CameraConfig | None = None) -> None:
        self._config = config or CameraConfig()
        self.state = self._begun()

    def _begun(self) -> CameraMonitorState:
        config = self._config
        holds: dict[Code, float] = {
            "picture_black": config.picture_black_s,
            "camera_blocked": config.camera_blocked_s,
            "picture_frozen": config.picture_frozen_s,
            "no_person": config.no_person_s,
            "no_motion": config.no_motion_s,
        }
        states = {code: _State(code, hold_s, config.clear_s) for code, hold_s in holds.items()}
        return CameraMonitorState(states, ViewpointMonitor(config.camera_moved_s))

    def due(self, time_s: float) -> bool:
        """Whether a picture of that time is looked at: ten a second are."""
        return time_s - self.state.last_s >= _STEP_S

    def push(self, thumbnail: UInt8Array, time_s: float) -> list[CameraWarning]:
        """Take a picture; give what is to be told. One that is not :meth:`due` is passed over.

        :param thumbnail: uint8 (64, 64, 3), of the whole picture.
        :param time_s: its time in seconds of media time, after those before.
        :raises InvalidInputError: another shape or dtype.
        """
        if not self.due(time_s):
            return []
        self.state.last_s = time_s
        sight = extract_features(thumbnail)
        dark = sight.black or sight.blank
        frozen_s = self._frozen_since(sight, time_s, dark)
        still_s = self._still_since(sight, time_s, dark)
        nobody_s = None if dark else self._nobody_since(still_s)
        since_s: dict[Code, float | None] = {
            "picture_black": self.state.black.update(sight.black, time_s),
            "camera_blocked": self.state.blank.update(sight.blank and not sight.black, time_s),
            "picture_frozen": frozen_s,
            "no_person": nobody_s,
            "no_motion": still_s if nobody_s is None else None,
        }
        found = [notice for code, state in self.state.states.items() for notice in state.update(since_s[code], time_s)]
        return found + self._update_viewpoint(sight, time_s, dark)

    def predicted(self, from_s: float, *, idle: float, present: float | None = None) -> None:
        """Take what is known of people in a window. Without it, nobody is ever missed.

        Nobody is there where whoever looks for people finds none, or where nothing moves and nobody exercises.

        :param from_s: start of the stretch that the window speaks for, in seconds of media time.
        :param idle: probability of no exercise, in 0..1.
        :param present: the share of the window's pictures in which somebody was found, such as by a body's landmarks;
            None where nobody looks. Finders see people in furniture: one found proves nothing.
        """
        self.state.idle.update(idle >= self._config.idle, from_s)
        self.state.absent.update(present == 0.0, from_s)

    def end_run(self) -> list[CameraWarning]:
        """Nothing is known about what follows: end every state that was told, and start anew."""
        found = [notice for state in self.state.states.values() for notice in state.end()]
        self.state = self._begun()
        return found

    def _frozen_since(self, sight: ViewFeatures, time_s: float, dark: bool) -> float | None:
        if dark:
            self.state.repeated = None
        elif self.state.repeated is not None and repeated(self.state.repeated[1], sight):
            return self.state.repeated[0]
        else:
            self.state.repeated = (time_s, sight)
        return None

    def _still_since(self, sight: ViewFeatures, time_s: float, dark: bool) -> float | None:
        """A frozen picture is still, too, but says nothing of the room."""
        if dark or self.state.states["picture_frozen"].reported:
            self.state.still = None
        elif self.state.still is not None and not moved(self.state.still[1], sight):
            return self.state.still[0]
        else:
            self.state.still = (time_s, sight)
        return None

    def _nobody_since(self, still_s: float | None) -> float | None:
        if self.state.absent.start_s is not None:
            return self.state.absent.start_s
        if still_s is None or self.state.idle.start_s is None:
            return None
        return max(still_s, self.state.idle.start_s)

    def _update_viewpoint(self, sight: ViewFeatures, time_s: float, dark: bool) -> list[CameraWarning]:
        """Cuts and moves. A dark picture says nothing of the view: it is compared as soon as there is light again."""
        if dark:
            self.state.viewpoint.pause(time_s)
            return []
        cut, lost = self.state.cuts.push(sight, time_s), self.state.viewpoint.push(sight, time_s)
        if cut is not None:
            self.state.viewpoint.restart(sight, time_s)
            return [CameraWarning("camera_cut", _MEANINGS["camera_cut"], *cut, over=True)]
        return [] if lost is None else [CameraWarning("camera_moved", _MEANINGS["camera_moved"], *lost, over=True)]
