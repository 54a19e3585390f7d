"""Change of a body's shape and place: evidence that motion in the picture is a movement of the body. Pure.

A camera that shakes moves the body and everything around it. The joints then keep their places relative to the hips, or
change them in ways that do not turn back with the motion: the body does not take part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.pose.landmarks import VISIBILITY, X, Y
from fitsense.repetitions.joints import SMOOTHING_S, JointSignal, fill, has_body
from fitsense.repetitions.picture_change import nearest
from fitsense.repetitions.trajectory import rate_of, smooth
from fitsense.types import FloatArray


@attrs.frozen(eq=False)
class BodyChange:
    """Change of a body in spans of time, in lengths of its torso, (spans,) each.

    :param out: change of its shape from the ends of a span to its turning point: root of the mean square over the
        joints, as far as these are visible; the smaller of both.
    :param apart: the same between both ends.
    :param moved: distance of the hips in the picture between the ends and the turning point; the larger of both.
    """

    out: NDArray[np.float64]
    apart: NDArray[np.float64]
    moved: NDArray[np.float64]


class BodyRecord:
    """Shape and place of a body over time. Smoothed once; spans are then measured quickly.

    :param signal: joints of the samples.
    :param filled: samples without gaps, (times, joints, 6).
    :param found: whether there was a body, (times,).
    :param times: in seconds of media time, ascending.
    """

    def __init__(
        self, signal: JointSignal, filled: NDArray[np.float64], found: NDArray[np.bool_], times: Sequence[float]
    ) -> None:
        visible = np.clip(np.median(filled[..., VISIBILITY], axis=0), 0.0, 1.0)[:, None]
        shape = signal.in_picture(filled)
        hips = filled[:, signal.hips][..., [X, Y]].mean(axis=1)
        placed = np.concatenate([(shape * visible).reshape(len(filled), -1), hips / signal.torso(filled)], axis=1)
        self._times = np.array(times)
        self._placed = smooth(placed, SMOOTHING_S * rate_of(self._times))
        self._found = np.concatenate([[0], np.cumsum(found)])
        self._joints = len(signal.names)

    @classmethod
    def of(cls, signal: JointSignal, samples: Sequence[FloatArray], times: Sequence[float]) -> BodyRecord | None:
        """The record of samples; None if there is no body in at least two of them.

        :param samples: one for each time, as :meth:`fitsense.repetitions.joints.JointSignal.sample` gives them.
        :param times: in seconds of media time, ascending.
        """
        if len(times) < 2:
            return None
        stacked = np.stack(samples)
        filled = fill(stacked)
        return None if filled is None else cls(signal, filled, has_body(stacked), times)

    def found(self, spans: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the moments from the start to the end of each span in which there was a body, (spans,).

        :param spans: as of :meth:`change`.
        """
        since = np.searchsorted(self._times, spans[:, 0], side="left")
        until = np.searchsorted(self._times, spans[:, 2], side="right")
        return np.asarray((self._found[until] - self._found[since]) / np.maximum(until - since, 1))

    def change(self, spans: NDArray[np.float64]) -> BodyChange:
        """Measure the body's change in spans of time.

        :param spans: start, turning point and end, in seconds of media time, (spans, 3).
        """
        start, far, end = (self._placed[at] for at in nearest(self._times, spans).T)

        def shapes(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
            return np.asarray(np.linalg.norm((one - other)[:, :-2], axis=1) / np.sqrt(self._joints))

        def places(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
            return np.asarray(np.linalg.norm((one - other)[:, -2:], axis=1))

        return BodyChange(
            out=np.minimum(shapes(far, start), shapes(far, end)),
            apart=shapes(start, end),
            moved=np.maximum(places(far, start), places(far, end)),
        )
