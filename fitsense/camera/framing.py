"""Framing monitor: warns if the picture does not show the person well. No I/O, no clock.

The warnings are states, as of :mod:`fitsense.camera.monitor`: each is given once it has lasted, and again when it is
over.
"""

from __future__ import annotations

import attrs
import numpy as np

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import number
from fitsense.camera.lasting import CameraWarning, LastingState, Since
from fitsense.pose.landmarks import LandmarkSet, Pose, X, Y
from fitsense.types import FloatArray

# What is outside the picture if its last landmark is.
LIMBS = {
    "head": ("nose",),
    "left_arm": ("left_wrist",),
    "right_arm": ("right_wrist",),
    "left_leg": ("left_ankle",),
    "right_leg": ("right_ankle",),
}
# Shares of the picture by which a landmark has to be beyond its edge.
_BEYOND = 0.03
# A torso's lengths by which the hips have to be above the shoulders, and the ankles above the hips, upside down.
_ABOVE = 0.3
_EPSILON = 1e-6

CODES = ("person_cut_off", "person_small", "person_upside_down", "several_people")


@checks_arguments
@attrs.frozen
class FramingConfig:
    """Configuration of a :class:`FramingMonitor`.

    :param hold_s: seconds of media time for which a state must hold before its warning.
    :param clear_s: seconds without a state after which it is over.
    :param min_height: length of the person below which they are small, as a share of the picture's height.
    :raises InvalidInputError: a value outside its range.
    """

    hold_s: float = attrs.field(default=2.0, validator=number(0.0))
    clear_s: float = attrs.field(default=1.0, validator=number(0.0))
    min_height: float = attrs.field(default=0.2, validator=number(0.0, 1.0))


@attrs.define
class FramingMonitorState:
    """State of a :class:`FramingMonitor`.

    :param states: all states, by code.
    :param since: since when each holds, by code.
    """

    states: dict[str, LastingState]
    since: dict[str, Since]


class FramingMonitor:
    """Monitors the poses of one person, in the order of time.

    :param landmark_set: of the poses.
    :param people: number of people that are expected.
    """

    def __init__(self, landmark_set: LandmarkSet, people: int, config: FramingConfig | None = None) -> None:
        self._landmark_set = landmark_set
        self._people = people
        self._config = config or FramingConfig()
        self.state = self._initial_state()

    def _initial_state(self) -> FramingMonitorState:
        config = self._config
        meanings = (
            "",
            f"the person is small in the picture, below {config.min_height:.0%} of its height",
            "the picture shows the person upside down",
            f"more people are in the picture than the expected {self._people}",
        )
        states = {
            code: LastingState(code, meaning, config.hold_s, config.clear_s)
            for code, meaning in zip(CODES, meanings, strict=True)
        }
        return FramingMonitorState(states, {code: Since() for code in CODES})

    def push(
        self, pose: Pose | None, size: tuple[int, int], time_s: float, people: int | None = None
    ) -> list[CameraWarning]:
        """Process the pose of a picture; return warnings.

        :param pose: pose of the person; None without one.
        :param size: the picture's width and height.
        :param time_s: seconds of media time, later than the previous picture's.
        :param people: number of people in the picture; None if they were not counted.
        """
        holds = dict.fromkeys(CODES, False)
        if pose is not None:
            limbs = self._limbs_outside(pose.landmarks)
            if limbs:
                self.state.states["person_cut_off"].describe(_cut_off(limbs), limbs)
            holds["person_cut_off"] = bool(limbs)
            points = pose.landmarks[:, [X, Y]] * np.array(size, np.float32)
            length = float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
            holds["person_small"] = length < self._config.min_height * size[1]
            holds["person_upside_down"] = self._is_upside_down(points)
        several = self.state.since["several_people"].start_s is not None if people is None else people > self._people
        holds["several_people"] = several
        warnings: list[CameraWarning] = []
        for code, state in self.state.states.items():
            warnings += state.update(self.state.since[code].update(holds[code], time_s), time_s)
        return warnings

    def end_run(self) -> list[CameraWarning]:
        """End the run: end every reported state, and reset the monitor."""
        warnings = [warning for state in self.state.states.values() for warning in state.end()]
        self.state = self._initial_state()
        return warnings

    def _limbs_outside(self, landmarks: FloatArray) -> tuple[str, ...]:
        def outside(names: tuple[str, ...]) -> bool:
            rows = self._landmark_set.indices(names)
            places = landmarks[rows][:, [X, Y]]
            return bool(len(rows)) and bool(((places < -_BEYOND) | (places > 1 + _BEYOND)).any(axis=1).all())

        return tuple(limb for limb, names in LIMBS.items() if outside(names))

    def _is_upside_down(self, points: FloatArray) -> bool:
        rows = [self._landmark_set.indices((f"left_{part}", f"right_{part}")) for part in ("shoulder", "hip", "ankle")]
        if not rows[2]:
            return False
        shoulders, hips, ankles = (points[row].mean(axis=0) for row in rows)
        torso = float(np.linalg.norm(shoulders - hips)) + _EPSILON
        return bool(shoulders[1] - hips[1] > _ABOVE * torso and hips[1] - ankles[1] > _ABOVE * torso)


def _cut_off(limbs: tuple[str, ...]) -> str:
    names = [limb.replace("_", " ") for limb in limbs]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"the person's {listed} {'is' if len(names) == 1 else 'are'} outside the picture"
