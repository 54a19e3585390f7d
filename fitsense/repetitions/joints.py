"""The path that a body's own joints take: what repetitions are counted from where there is a body. Pure.

Places are relative to the hips and to the body's size, so that a moving camera, passers-by, captions and a picture in
the picture do not enter. Places in the picture are exact and lack depth; places in metres have it and are noisy: the
path is made of both. What is hidden counts as little as it is visible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.pose.landmarks import VISIBILITY, WORLD, LandmarkSet, Pose, X, Y
from fitsense.pose.likeness import aspect
from fitsense.repetitions.leaps import without_leaps
from fitsense.repetitions.trajectory import Path, principal_path, rate_of, smooth
from fitsense.types import FloatArray

_SIDED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ("nose", *(f"{side}_{name}" for name in _SIDED for side in ("left", "right")))
"""Landmarks that a movement is seen in, as far as an estimator finds them."""

SMOOTHING_S = 0.2
"""Reach of the smoothing of landmarks over time, in seconds to either side; at 10 a second, neighbours take part."""

# Weight of places in metres, in lengths of the torso, beside places in the picture.
_WORLD_WEIGHT = 0.5
# Lengths of a torso that a standing body's extent is.
_TORSOS = 3.0
_MIN_TORSO_M = 0.1
_EPSILON = 1e-6

_Floats = NDArray[np.float64]


class JointSignal:
    """Samples of poses, and the path through them.

    :param landmark_set: of the poses.
    """

    def __init__(self, landmark_set: LandmarkSet) -> None:
        self.names = tuple(name for name in JOINTS if name in landmark_set.landmarks)
        self._rows = landmark_set.indices(self.names)
        order = {name: row for row, name in enumerate(self.names)}
        self.mirrored = [order[_partner(name)] for name in self.names]
        self.hips = (order["left_hip"], order["right_hip"])
        self.shoulders = (order["left_shoulder"], order["right_shoulder"])

    def sample(self, pose: Pose | None, size: tuple[int, int]) -> FloatArray:
        """The little that a counter of repetitions keeps of a pose.

        :param pose: the pose; None without a person.
        :param size: the picture's width and height.
        :returns: float32 (joints, 6): landmarks whose x and y are in longer sides of the picture; NaN without a pose.
        """
        if pose is None:
            return np.full((len(self.names), 6), np.nan, np.float32)
        kept = pose.landmarks[self._rows].copy()
        kept[:, [X, Y]] *= np.array(aspect(*size), np.float32)
        return kept

    def path(self, samples: NDArray[Any], moments: _Floats, picture: Callable[[], _Floats]) -> Path:
        """The movement's path, float64 (moments, dimensions), in lengths of the torso.

        :param samples: (moments, joints, 6), as :meth:`sample` gives them.
        :param moments: evenly spaced times in seconds of media time.
        :param picture: returns the times at which the picture leaps.
        :returns: without dimensions where there is no body in at least two moments.
        """
        filled = fill(samples)
        if filled is None:
            return np.zeros((len(samples), 0))
        visible = np.clip(np.median(filled[..., VISIBILITY], axis=0), 0.0, 1.0)[:, None]
        parts = [self.in_picture(filled) * visible]
        if not np.isnan(filled[..., WORLD]).any():
            parts.append(_WORLD_WEIGHT * self.in_metres(filled) * visible)
        values = np.concatenate([part.reshape(len(filled), -1) for part in parts], axis=1) / math.sqrt(len(self.names))
        values = without_leaps(values, moments, picture)
        rate_hz = rate_of(moments)
        return principal_path(smooth(values - values.mean(axis=0), SMOOTHING_S * rate_hz), rate_hz)

    def in_picture(self, filled: _Floats) -> _Floats:
        """Places in the picture from the middle of the hips, in lengths of the torso: (moments, joints, 2)."""
        points = filled[..., [X, Y]]
        return np.asarray((points - points[:, self.hips].mean(axis=1, keepdims=True)) / self.torso(filled))

    def torso(self, filled: _Floats) -> float:
        """Length of the torso in the picture, in longer sides of it, by the body's usual extent."""
        points = filled[..., [X, Y]]
        extent = np.linalg.norm(points.max(axis=1) - points.min(axis=1), axis=1)
        return max(_EPSILON, float(np.median(extent)) / _TORSOS)

    def in_metres(self, filled: _Floats) -> _Floats:
        """Places in space from the middle of the hips, in lengths of the torso: (moments, joints, 3)."""
        places = filled[..., WORLD]
        hips = places[:, self.hips].mean(axis=1, keepdims=True)
        torso = np.linalg.norm(places[:, self.shoulders].mean(axis=1) - hips[:, 0], axis=1)
        return np.asarray((places - hips) / max(_MIN_TORSO_M, float(np.median(torso))))


def has_body(samples: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of the samples, (moments, joints, 6), with a body."""
    return np.asarray(~np.isnan(samples[:, 0, X]))


def fill(samples: NDArray[Any]) -> _Floats | None:
    """Samples in which a moment without a body lies between its neighbours; None with fewer than two bodies.

    :param samples: (moments, joints, 6), NaN without a person.
    """
    found = np.flatnonzero(has_body(samples))
    if len(found) < 2:
        return None
    moments = np.arange(len(samples))
    after = np.clip(np.searchsorted(found, moments), 1, len(found) - 1)
    since, until = found[after - 1], found[after]
    part = np.clip((moments - since) / (until - since), 0.0, 1.0)[:, None, None]
    return np.asarray(samples[since] * (1 - part) + samples[until] * part, dtype=np.float64)


def _partner(name: str) -> str:
    side, _, joint = name.partition("_")
    return {"left": f"right_{joint}", "right": f"left_{joint}"}.get(side, name)
