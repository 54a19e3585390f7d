"""Counts repetitions from a body's joints: the path, the sides and the details of each repetition. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense._internal.locks import single_threaded_blas
from fitsense.pose.landmarks import LandmarkSet, Pose
from fitsense.repetitions.body_change import BodyRecord
from fitsense.repetitions.cycles import Cycle, Proposal
from fitsense.repetitions.joints import JointSignal
from fitsense.repetitions.motion_range import joint_angles, joint_ranges, phases
from fitsense.repetitions.movement import Details
from fitsense.repetitions.sides import BodyMirror, Side
from fitsense.repetitions.signal import SignalView
from fitsense.repetitions.trajectory import rate_of
from fitsense.types import FloatArray


class BodySignal:
    """Counts from the poses of one person.

    :param landmark_set: of the poses.
    """

    def __init__(self, landmark_set: LandmarkSet) -> None:
        self._joints = JointSignal(landmark_set)

    def sample(self, pose: Pose | None, size: tuple[int, int]) -> FloatArray:
        """See :meth:`fitsense.repetitions.joints.JointSignal.sample`."""
        return self._joints.sample(pose, size)

    def record(self, samples: Sequence[FloatArray], times: Sequence[float]) -> BodyRecord | None:
        """See :meth:`fitsense.repetitions.body_change.BodyRecord.of`."""
        return BodyRecord.of(self._joints, samples, times)

    def view(
        self,
        samples: FloatArray,
        moments: NDArray[np.float64],
        picture: Callable[[], NDArray[np.float64]] = lambda: np.zeros(0),
    ) -> SignalView:
        """See :meth:`fitsense.repetitions.signal.Signal.view`, of samples of poses, (moments, joints, 6).

        :param picture: returns the times at which the picture leaps: see :mod:`fitsense.repetitions.leaps`.
        """
        path = self._joints.path(samples, moments, picture)
        rate_hz = rate_of(moments)

        # Most passes report nothing and need neither.
        @functools.cache
        def mirror() -> BodyMirror:
            with single_threaded_blas():
                return BodyMirror(self._joints, samples, rate_hz)

        @functools.cache
        def angles() -> dict[tuple[str, Side], NDArray[np.float64]]:
            return joint_angles(self._joints, samples, rate_hz)

        def split(proposal: Proposal, known: bool) -> Sequence[tuple[Cycle, Side]]:
            return [(half.cycle, half.side) for half in mirror().halves(proposal, known=known)]

        def describe(cycle: Cycle, proposal: Proposal, until: int, side: Side | None) -> Details:
            side = side or mirror().side(cycle, proposal.cycles)
            return Details(
                side,
                joint_ranges(self._joints, samples, angles(), cycle.start, cycle.end, side),
                phases(path, cycle.start, cycle.far, cycle.end, until, rate_hz),
            )

        return SignalView(path, split, describe)
