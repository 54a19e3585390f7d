"""Change of a body's shape and place: evidence that motion in the picture is a movement of the body. Pure.

A camera that shakes moves the body and everything around it. The joints then keep their places relative to the hips, or
change them in ways that do not turn back with the motion: the body does not take part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.pose.landmarks import VISIBILITY, X, Y
from fitsense.repetitions.joints import JointSignal, fill
from fitsense.repetitions.picture_change import nearest
from fitsense.repetitions.trajectory import smooth
from fitsense.types import FloatArray

_SMOOTHING_S = 0.2


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


def body_change(
    signal: JointSignal, samples: Sequence[FloatArray], times: Sequence[float], spans: NDArray[np.float64]
) -> BodyChange | None:
    """Measure the change of a body in spans of time; None if the body is not known in all of them.

    :param samples: one for each time, as :meth:`fitsense.repetitions.joints.JointSignal.sample` gives them.
    :param times: in seconds of media time, ascending.
    :param spans: start, turning point and end, in seconds of media time, (spans, 3).
    """
    if len(times) < 2:
        return None
    stacked = np.stack(samples)
    filled = fill(stacked)
    if filled is None:
        return None
    visible = np.clip(np.median(filled[..., VISIBILITY], axis=0), 0.0, 1.0)[:, None]
    shape = signal.in_picture(filled)
    hips = filled[:, signal.hips][..., [X, Y]].mean(axis=1)
    width = round(_SMOOTHING_S * (len(times) - 1) / (times[-1] - times[0]))
    placed = np.concatenate([(shape * visible).reshape(len(filled), -1), hips / signal.torso(filled)], axis=1)
    start, far, end = (smooth(placed, width)[at] for at in nearest(np.array(times), spans).T)
    joints = len(signal.names)

    def shapes(one: FloatArray, other: FloatArray) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm((one - other)[:, :-2], axis=1) / np.sqrt(joints))

    def places(one: FloatArray, other: FloatArray) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm((one - other)[:, -2:], axis=1))

    return BodyChange(
        out=np.minimum(shapes(far, start), shapes(far, end)),
        apart=shapes(start, end),
        moved=np.maximum(places(far, start), places(far, end)),
    )
