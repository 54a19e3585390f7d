"""Motion thumbnails, and the path of a movement through the few directions in which they change most."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.imaging.downsample import downsample
from fitsense.types import FloatArray, UInt8Array

SIDE = 24
"""Height and width of a thumbnail in pixels; pictures are stretched to it."""

# Samples along each side of a thumbnail's pixel: their mean represents the area, at a cost that does not depend on
# the picture's size.
_SAMPLES = 4
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SMOOTHING_S = 2 / 15
"""Reach of the smoothing of pictures over time, in seconds to either side; at 15 a second, neighbours take part."""

# Seconds over which two pictures are compared to find motion.
_STEP_S = 0.4
# Percentile of the change between pictures above which more change adds no weight, unless the person is mostly still.
_USUAL = 75
# A scene cut changes the picture by at least _LEAP standard deviations of its brightness, and by _LEAP_TIMES as much as
# any other step within _LEAP_ALONE_S seconds.
_LEAP = 0.25
_LEAP_TIMES = 2.5
_LEAP_ALONE_S = 0.5
# A caption that appears changes this share of the pixels at once, each by so many standard deviations of the picture's
# brightness, and them all so many times as much as any other step within so many seconds.
_PART_SHARE = (0.02, 0.5)
_PART_LEAP, _PART_LEAP_TIMES, _PART_LEAP_ALONE_S = 0.5, 3.0, 0.2
# A pixel counts as far beyond its usual values, between this percentile and its opposite, as these differ.
_USUAL_VALUE = 5
_EPSILON = 1e-9
# Standard deviation in grey levels below which a picture shows nothing but rounding errors.
_MIN_CONTRAST = 1e-3

Path = NDArray[np.float64]


def motion_thumbnail(rgb: UInt8Array) -> FloatArray:
    """Reduce a frame to the thumbnail that the repetition counter keeps.

    :param rgb: uint8 (height, width, 3).
    :returns: grey levels, float32 (SIDE, SIDE).
    """
    return np.asarray(downsample(rgb, SIDE, _SAMPLES) @ (_LUMA / _SAMPLES**2), dtype=np.float32)


def path(thumbnails: NDArray[Any], rate_hz: float, dimensions: int = 8) -> Path:
    """Compute the movement's path through the few directions in which the picture changes most.

    Brightness, contrast and small motion of the camera are removed. Where the scene or a part of the picture is cut, as
    by a caption that appears, the path continues from where it was. What passes once, and covers a pixel for a short
    time, counts little there. The directions are the principal components of the change within a fraction of a second,
    so that drift counts little. A moment with much more change than usual counts no more than others, so that a single
    step aside does not dominate the movement.

    :param thumbnails: (pictures, height, width), evenly spaced in time.
    :param rate_hz: pictures a second.
    :returns: float64 (pictures, dimensions), in standard deviations of the picture's brightness.
    """
    count = len(thumbnails)
    pixels = normalised(_without_captions(thumbnails, rate_hz))
    flat = _within_usual(_spliced(pixels.reshape(count, -1), rate_hz))
    mean = flat.mean(axis=0)
    camera = _camera_motion(mean.reshape(pixels.shape[1:]))
    flat = flat - mean
    flat -= (flat @ camera) @ camera.T
    followed = principal_path(smooth(flat, SMOOTHING_S * rate_hz), rate_hz, dimensions)
    return np.asarray(followed / np.sqrt(flat.shape[1]))


def normalised(thumbnails: NDArray[Any]) -> FloatArray:
    """Thumbnails, (pictures, height, width), with mean brightness 0 and standard deviation 1 each; 0 for blank ones."""
    pixels = np.asarray(thumbnails, dtype=np.float32)
    pixels = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    pixels /= np.maximum(pixels.std(axis=(1, 2), keepdims=True), _MIN_CONTRAST)
    return np.asarray(pixels)


def principal_path(values: NDArray[np.floating[Any]], rate_hz: float, dimensions: int = 8) -> Path:
    """The path of `values` through the few directions in which they change most within a fraction of a second.

    A moment in which much more changes than usual counts no more than others.

    :param values: float (moments, features), evenly spaced in time and smooth.
    :param rate_hz: moments a second.
    :returns: float64 (moments, at most `dimensions`).
    """
    count = len(values)
    step = max(1, min(round(_STEP_S * rate_hz), count - 1))
    change = values[step:] - values[:-step]
    size = np.linalg.norm(change, axis=1)
    limit = max(float(np.percentile(size, _USUAL)), typical(size) / 2)
    change *= np.minimum(1.0, limit / np.maximum(size, _EPSILON))[:, None]
    # Half of the changes suffice for the directions: a smaller matrix costs less.
    change = change[:: 2 if len(change) > 4 * dimensions else 1]
    eigenvalues, vectors = np.linalg.eigh(change @ change.T)
    found = min(dimensions, len(eigenvalues))
    eigenvalues, vectors = eigenvalues[::-1][:found], vectors[:, ::-1][:, :found]
    directions = change.T @ vectors / np.sqrt(np.maximum(eigenvalues, _EPSILON))
    return np.asarray(values @ directions, dtype=np.float64)


def smooth(values: NDArray[np.floating[Any]], reach: float) -> NDArray[np.floating[Any]]:
    """Average `values` along the first axis by a raised cosine; the ends are repeated.

    :param reach: half of the cosine's width, in values; not rounded, so that the same seconds smooth values of any rate
        alike.
    """
    # A rate that is inexact by a rounding error must not add values of no weight.
    side = math.ceil(reach - _EPSILON) - 1
    if side < 1:
        return values
    weights = 1.0 + np.cos(np.pi * np.arange(-side, side + 1) / reach)
    weights = (weights / weights.sum()).astype(values.dtype)
    ends = [np.repeat(values[at : at + 1 or None], side, axis=0) for at in (0, -1)]
    padded = np.concatenate([ends[0], values, ends[1]])
    total, weighted = np.zeros_like(values), np.empty_like(values)
    for offset, weight in enumerate(weights):
        total += np.multiply(padded[offset : offset + len(values)], weight, out=weighted)
    return total


def interpolate(moments: NDArray[np.float64], times: NDArray[np.float64], images: FloatArray) -> FloatArray:
    """Interpolate `images`, (times, height, width) and taken at `times`, linearly at the `moments`."""
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    part = (moments - times[after - 1]) / (times[after] - times[after - 1])
    weights = np.clip(part, 0.0, 1.0).astype(np.float32)[:, None, None]
    mixed = images[after - 1]
    mixed *= 1 - weights
    others = images[after]
    others *= weights
    mixed += others
    return mixed


def rate_of(moments: NDArray[np.float64]) -> float:
    """Number of evenly spaced moments a second."""
    return (len(moments) - 1) / float(moments[-1] - moments[0])


def steps_in(seconds: float, rate_hz: float) -> int:
    """Number of steps in a span of time, at least 1."""
    return max(1, round(seconds * rate_hz))


def largest_around(steps: NDArray[np.float64], near: int, width: int = 1) -> NDArray[np.float64]:
    """Largest of the `near` steps before and after each `width` adjacent ones, (steps - width + 1,).

    Infinite if there are no others.
    """
    count = len(steps) - width + 1
    if len(steps) <= width:
        return np.full(count, np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(steps, near), near)
    before, after = windows[:count].max(axis=1), windows[near + width :][:count].max(axis=1)
    return np.asarray(np.maximum(before, after))


def typical(steps: NDArray[Any]) -> float:
    """Typical step length: steps of at most this length make up half of the total."""
    ordered = np.sort(steps)
    total = np.cumsum(ordered, dtype=np.float64)
    return float(ordered[np.searchsorted(total, total[-1] / 2)])


def _spliced(flat: FloatArray, rate_hz: float) -> FloatArray:
    """Remove the change at scene cuts from pictures, (pictures, pixels)."""
    steps = (np.linalg.norm(np.diff(flat, axis=0), axis=1) / np.sqrt(flat.shape[1])).astype(np.float64)
    around = largest_around(steps, steps_in(_LEAP_ALONE_S, rate_hz))
    for at in np.flatnonzero((steps > _LEAP) & (steps > _LEAP_TIMES * around)).tolist():
        flat = np.concatenate([flat[: at + 1], flat[at + 1 :] - (flat[at + 1] - flat[at])])
    return flat


def _without_captions(thumbnails: NDArray[Any], rate_hz: float) -> NDArray[Any]:
    """Remove sudden changes of a part of the pixels from these, (pictures, height, width)."""
    steps = np.diff(normalised(thumbnails), axis=0)
    leaps = np.abs(steps) >= _PART_LEAP
    change = np.square(steps, out=steps).sum(axis=(1, 2), where=leaps).astype(np.float64)
    share, (least, most) = leaps.mean(axis=(1, 2)), _PART_SHARE
    alone = change > _PART_LEAP_TIMES * largest_around(change, steps_in(_PART_LEAP_ALONE_S, rate_hz))
    for at in np.flatnonzero((least <= share) & (share < most) & alone).tolist():
        leap = np.where(leaps[at], thumbnails[at + 1] - thumbnails[at], 0)
        thumbnails = np.concatenate([thumbnails[: at + 1], thumbnails[at + 1 :] - leap])
    return thumbnails


def _within_usual(flat: FloatArray) -> FloatArray:
    """Limit each pixel of the pictures, (pictures, pixels), to little beyond its usual values."""
    # Every second picture suffices.
    ordered = np.sort(np.ascontiguousarray(flat[::2].T), axis=1)
    rank = round(_USUAL_VALUE / 100 * (ordered.shape[1] - 1))
    low, high = ordered[:, rank], ordered[:, -1 - rank]
    return np.clip(flat, low - (high - low), high + (high - low))


def _camera_motion(mean: FloatArray) -> FloatArray:
    """Change of a picture by shifts, zoom and roll of the camera: orthonormal columns, (pixels, 4)."""
    down, right = np.gradient(mean.astype(np.float64))
    rows = np.linspace(-1.0, 1.0, mean.shape[0])[:, None]
    columns = np.linspace(-1.0, 1.0, mean.shape[1])
    changes = [down, right, down * rows + right * columns, down * columns - right * rows]
    basis, triangle = np.linalg.qr(np.stack([change.ravel() for change in changes], axis=1))
    return np.asarray(basis * (np.abs(np.diag(triangle)) > _EPSILON), dtype=np.float32)
