"""Place, size and build of a body, which distinguish people from picture to picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np

from fitsense.pose.landmarks import VISIBILITY, WORLD, LandmarkSet, Pose, X, Y
from fitsense.types import FloatArray

_SIDES = ("left", "right")
# Of both sides; a bone is as long on the left as on the right.
_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"))
_WIDTHS = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
BONES = len(_BONES) + len(_WIDTHS)
"""Number of lengths in :func:`proportions`."""
# Smallest visibility of landmarks for a body's proportions.
_VISIBLE = 0.5
# Margin of the square around the landmarks of a body without a region.
_MARGIN = 1.25
_SMALLEST = 1e-3
# Bodies whose torsos are this near to each other, in sizes, are one if this percentage of their landmarks is as near:
# a partly hidden person may get the upper body of another.
_SAME_PLACE, _SAME_PERCENT, _SAME_LANDMARKS = 0.25, 40, 0.06
# Bodies of about the same size whose torsos are this near are one, wherever their limbs are: a body that is cut off may
# be found in two ways.
_SAME_TORSO, _SAME_DOUBLINGS = 0.08, 1.0


@attrs.frozen
class Place:
    """Place of a body in the picture. Lengths are in longer sides of the picture, so that x and y have one unit.

    :param x: middle of the torso.
    :param y: likewise.
    :param size: side of the square around the body.
    """

    x: float
    y: float
    size: float

    def distance(self, other: Place) -> float:
        """Distance of two places, in sizes of the larger one."""
        return math.hypot(self.x - other.x, self.y - other.y) / max(self.size, other.size)

    def doublings(self, other: Place) -> float:
        """Absolute binary logarithm of the ratio of two sizes."""
        return abs(math.log2(self.size / other.size))


def aspect(width: int, height: int) -> tuple[float, float]:
    """A picture's width and height in longer sides."""
    longer = max(width, height)
    return width / longer, height / longer


def place_of(pose: Pose, landmark_set: LandmarkSet, scale: tuple[float, float]) -> Place:
    """The place of a pose.

    :param scale: :func:`aspect` of the picture.
    """
    points = pose.landmarks[:, [X, Y]] * np.array(scale, np.float32)
    torso = points[landmark_set.indices(("left_shoulder", "right_shoulder", "left_hip", "right_hip"))]
    x, y = torso.mean(axis=0).tolist()
    if pose.region is not None:
        return Place(x, y, max(_SMALLEST, pose.region.side))
    extent = float((points.max(axis=0) - points.min(axis=0)).max())
    return Place(x, y, max(_SMALLEST, _MARGIN * extent))


def same_body(one: Pose, other: Pose, landmark_set: LandmarkSet, scale: tuple[float, float]) -> bool:
    """True if two poses of one picture are of one person."""
    here, there = place_of(one, landmark_set, scale), place_of(other, landmark_set, scale)
    if here.distance(there) > _SAME_PLACE:
        return False
    if here.distance(there) <= _SAME_TORSO and here.doublings(there) < _SAME_DOUBLINGS:
        return True
    apart = (one.landmarks[:, [X, Y]] - other.landmarks[:, [X, Y]]) * np.array(scale, np.float32)
    return float(np.percentile(np.hypot(*apart.T), _SAME_PERCENT)) / max(here.size, there.size) <= _SAME_LANDMARKS


def proportions(pose: Pose, landmark_set: LandmarkSet) -> FloatArray | None:
    """Lengths of the bones that are visible, float32 (bones,): logarithms of metres, NaN for the others.

    :returns: None where the estimator gives no places in metres.
    """
    world, seen = pose.landmarks[:, WORLD], pose.landmarks[:, VISIBILITY]
    if np.isnan(world).any():
        return None
    lengths = [
        _mean([_length(world, seen, landmark_set, f"{side}_{start}", f"{side}_{end}") for side in _SIDES])
        for start, end in _BONES
    ]
    lengths += [_length(world, seen, landmark_set, start, end) for start, end in _WIDTHS]
    return np.array(lengths, np.float32)


def unlike(one: FloatArray | None, other: FloatArray | None) -> float:
    """Difference of build: mean difference of the bones visible in both bodies; 0 without any."""
    if one is None or other is None:
        return 0.0
    apart = np.abs(one - other)
    shared = apart[~np.isnan(apart)]
    return float(shared.mean()) if len(shared) else 0.0


def _length(world: FloatArray, seen: FloatArray, landmark_set: LandmarkSet, start: str, end: str) -> float:
    rows = landmark_set.indices((start, end))
    if len(rows) < 2 or seen[rows].min() < _VISIBLE:
        return math.nan
    return math.log(max(_SMALLEST, float(np.linalg.norm(world[rows[0]] - world[rows[1]]))))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
