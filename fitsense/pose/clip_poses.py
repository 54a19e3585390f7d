"""Poses as the clip of a branch shows them."""

from __future__ import annotations

import numpy as np

from fitsense.pose.landmarks import LandmarkSet, Pose, X, Y
from fitsense.types import ClipSpec, FloatArray


def pose_array(pose: Pose | None, landmark_set: LandmarkSet) -> FloatArray:
    """Landmarks of a pose, float32 (landmarks, 6); all NaN without a person."""
    return np.full((len(landmark_set), 6), np.nan, np.float32) if pose is None else pose.landmarks


def in_clip(landmarks: FloatArray, picture: tuple[int, int], spec: ClipSpec) -> FloatArray:
    """Landmarks with x and y as shares of the side of a clip's square picture.

    :param landmarks: float32 (..., 6), x and y as shares of the picture's width and height.
    :param picture: width and height of the picture in pixels.
    :param spec: how the picture is fitted into the square.
    """
    x_scale, y_scale = _scales(picture, spec)
    result = landmarks.copy()
    result[..., X] = 0.5 + (landmarks[..., X] - 0.5) * x_scale
    result[..., Y] = 0.5 + (landmarks[..., Y] - 0.5) * y_scale
    return result


def in_picture(landmarks: FloatArray, picture: tuple[int, int], spec: ClipSpec) -> FloatArray:
    """The inverse of :func:`in_clip`, with the same parameters."""
    x_scale, y_scale = _scales(picture, spec)
    result = landmarks.copy()
    result[..., X] = 0.5 + (landmarks[..., X] - 0.5) / x_scale
    result[..., Y] = 0.5 + (landmarks[..., Y] - 0.5) / y_scale
    return result


def _scales(picture: tuple[int, int], spec: ClipSpec) -> tuple[np.float32, np.float32]:
    """Width and height of a picture, as shares of the side of a clip's square."""
    width, height = picture
    # The square's side, in pixels of the picture: a padded picture is only ever scaled down to fit.
    side = min(width, height) * spec.size / spec.short_side
    if spec.fit == "pad":
        side = max(side, width, height)
    return np.float32(width / side), np.float32(height / side)
