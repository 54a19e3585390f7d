"""Landmarks of a body in one picture, and the set of landmarks that an estimator finds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region
from fitsense.types import FloatArray

X, Y, WORLD, VISIBILITY = 0, 1, slice(2, 5), 5
"""Columns of landmarks."""

REQUIRED = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""Landmarks that every set has: tracking and counting measure in lengths of the torso."""

_COLUMNS = 6
_EPSILON = 1e-6


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _pairs(value: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(pair) for pair in value)


@attrs.frozen
class LandmarkSet:
    """The landmarks that an estimator finds in a body.

    Consumers find landmarks by name. Use COCO's names where a landmark is one of COCO's: ``nose``, and ``left_`` and
    ``right_`` before ``eye``, ``ear``, ``shoulder``, ``elbow``, ``wrist``, ``hip``, ``knee``, ``ankle``. Feet are
    ``left_heel``, ``left_foot_index`` and likewise on the right. Left and right are the person's own.

    :param name: of the set, such as ``coco17``.
    :param landmarks: names in the order of the rows that estimators give.
    :param mirror_pairs: pairs of names that change places in a mirror, (left, right).
    :param edges: pairs of names that a drawing of the skeleton connects.
    """

    name: str
    landmarks: tuple[str, ...] = attrs.field(converter=_names)
    mirror_pairs: tuple[tuple[str, ...], ...] = attrs.field(converter=_pairs)
    edges: tuple[tuple[str, ...], ...] = attrs.field(converter=_pairs)

    def __attrs_post_init__(self) -> None:
        if len(set(self.landmarks)) != len(self.landmarks):
            raise InvalidInputError(f"LandmarkSet.landmarks: expected each name once, got {self.landmarks}")
        if missing := [name for name in REQUIRED if name not in self.landmarks]:
            raise InvalidInputError(f"LandmarkSet.landmarks: expected {', '.join(REQUIRED)}; missing {missing}")
        for field, pairs in (("mirror_pairs", self.mirror_pairs), ("edges", self.edges)):
            for pair in pairs:
                if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(self.landmarks):
                    raise InvalidInputError(
                        f"LandmarkSet.{field}: expected pairs of two different landmarks of the set, got {pair}"
                    )
        paired = [name for pair in self.mirror_pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise InvalidInputError("LandmarkSet.mirror_pairs: expected each landmark in at most one pair")
        if unpaired := [name for name in REQUIRED if name not in paired]:
            raise InvalidInputError(
                f"LandmarkSet.mirror_pairs: expected pairs of shoulders and hips; missing {unpaired}"
            )

    def __len__(self) -> int:
        return len(self.landmarks)

    def index(self, name: str) -> int:
        """The row of a landmark.

        :raises InvalidInputError: the set has no landmark of this name.
        """
        if name not in self.landmarks:
            raise InvalidInputError(f"landmark: expected one of {', '.join(self.landmarks)}, got {name!r}")
        return self.landmarks.index(name)

    def indices(self, names: Iterable[str]) -> list[int]:
        """Rows of those names that the set has; others are left out."""
        return [self.landmarks.index(name) for name in names if name in self.landmarks]

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Row of the mirror image of each row; the row itself without a partner."""
        order = list(range(len(self)))
        for left, right in self.mirror_pairs:
            one, other = self.landmarks.index(left), self.landmarks.index(right)
            order[one], order[other] = other, one
        return tuple(order)


def _finite(instance: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not math.isfinite(value):
        raise InvalidInputError(f"BodyRegion.{attribute.name}: expected a finite number, got {value!r}")


def _positive(instance: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidInputError(f"BodyRegion.{attribute.name}: expected a number above 0, got {value!r}")


def _share(instance: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected a number in 0..1, got {value!r}")


@attrs.frozen
class BodyRegion:
    """The square around a body, which may reach beyond the picture.

    :param x: centre, as a share of the picture's width.
    :param y: centre, as a share of the picture's height.
    :param side: length of its edges, as a share of the picture's longer side.
    :param angle_rad: how far the body is turned clockwise from upright; 0 where the head is up. Estimators that do not
        turn pictures give and ignore 0.
    """

    x: float = attrs.field(converter=float, validator=_finite)
    y: float = attrs.field(converter=float, validator=_finite)
    side: float = attrs.field(converter=float, validator=_positive)
    angle_rad: float = attrs.field(default=0.0, converter=float, validator=_finite)


@attrs.frozen
class BodyDetection:
    """A body that an estimator's detector found.

    :param region: the square around it.
    :param score: confidence, 0..1.
    """

    region: BodyRegion
    score: float = attrs.field(converter=float, validator=_share)


def as_landmarks(value: Any) -> FloatArray:
    """`value` as read-only landmarks, float32 (landmarks, 6).

    :raises InvalidInputError: the shape, a place or a visibility is wrong.
    """
    array = np.array(value, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != _COLUMNS:
        raise InvalidInputError(f"landmarks: expected shape (landmarks, {_COLUMNS}), got {array.shape}")
    if not np.isfinite(array[:, [X, Y, VISIBILITY]]).all():
        raise InvalidInputError("landmarks: expected finite x, y and visibility, got NaN or infinity")
    seen = array[:, VISIBILITY]
    if seen.size and not (seen.min() >= 0 and seen.max() <= 1):
        raise InvalidInputError(f"landmarks: expected visibility in 0..1, got {seen.min():g} to {seen.max():g}")
    if np.isinf(array[:, WORLD]).any():
        raise InvalidInputError("landmarks: expected finite places in metres, or NaN, got infinity")
    array.flags.writeable = False
    return array


@attrs.frozen(eq=False)
class Pose:
    """The landmarks of one person in one picture.

    :param landmarks: float32 (landmarks, 6): x and y as shares of the picture's width and height, which may lie
        outside 0..1; x, y and z in metres from the middle of the hips, x to the right of the picture, y down, z away
        from the camera, NaN where the estimator gives none; visibility, 0..1.
    :param score: confidence that this is a person, 0..1.
    :param region: where to look for the person in the next picture; None where the estimator cannot say.
    """

    landmarks: FloatArray = attrs.field(converter=as_landmarks)
    score: float = attrs.field(converter=float, validator=_share)
    region: BodyRegion | None = None


def body_box(landmarks: FloatArray, visible: float = 0.5, margin: float = 0.05) -> Region | None:
    """The part of the picture that holds a body.

    :param landmarks: as in :class:`Pose`.
    :param visible: landmarks below this visibility are left out, unless fewer than three are above it.
    :param margin: what is added on each side, as a share of the box's longer side.
    :returns: None where nothing of the body lies in the picture.
    """
    points = landmarks[landmarks[:, VISIBILITY] >= visible][:, [X, Y]]
    if len(points) < 3:
        points = landmarks[:, [X, Y]]
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    add = margin * max(right - left, bottom - top)
    left, right = max(0.0, left - add), min(1.0, right + add)
    top, bottom = max(0.0, top - add), min(1.0, bottom + add)
    return Region(left, top, right, bottom) if left + _EPSILON < right and top + _EPSILON < bottom else None


def mirrored_poses(landmarks: NDArray[np.floating[Any]], order: Sequence[int]) -> NDArray[np.floating[Any]]:
    """Poses as a mirror shows them.

    :param landmarks: (..., landmarks, 6).
    :param order: :attr:`LandmarkSet.mirrored`.
    """
    result = landmarks[..., list(order), :].copy()
    result[..., X] = 1.0 - result[..., X]
    result[..., WORLD.start] *= -1.0
    return result
