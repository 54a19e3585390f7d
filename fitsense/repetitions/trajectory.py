"""What a movement looks like from afar: pictures small enough to keep, and the path that they take through time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.imaging.downsample import downsample
from fitsense.types import FloatArray, UInt8Array

SIDE = 24
"""A thumbnail's height and width, in pixels; pictures are stretched to it."""


# Samples along each side of a thumbnail's pixel: their mean stands for the area, at a cost that no picture raises.
_SAMPLES = 4
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Seconds that the path is smoothed over, and over which two pictures are compared to find what moves.
_SMOOTHING_S = 0.2
_STEP_S = 0.4
# More change than in so many percent of the moments counts no more, unless somebody is mostly still.
_USUAL = 75
# A picture that differs from the one before by so much, in standard deviations of its brightness, and so many times as
# much as any two within so many seconds of it, is from another shot.
_LEAP = 0.25
_LEAP_TIMES = 2.5
_LEAP_ALONE_S = 0.5
_EPSILON = 1e-9

Path = NDArray[np.float64]


def motion_thumbnail(rgb: UInt8Array) -> FloatArray:
    """The little that a counter of repetitions keeps of a frame.

    :param rgb: uint8 (height, width, 3).
    :returns: grey levels, float32 (SIDE, SIDE).
    """
    return np.asarray(downsample(rgb, SIDE, _SAMPLES) @ (_LUMA / _SAMPLES**2), dtype=np.float32)


def path(thumbnails: NDArray[Any], rate_hz: float, dimensions: int = 8) -> Path:
    """The movement's path through the few directions in which the picture changes most.

    Brightness and contrast are taken out, and so is what a small motion of the camera would change. Where the video is
    cut, the path goes on from where it was. The directions are the principal components of what changes within a
    fraction of a second: drift counts little. A moment in which much more changes than usual counts no more than
    others, so that somebody who steps aside once does not pass for the movement.

    :param thumbnails: (pictures, height, width), evenly spaced in time.
    :param rate_hz: pictures a second.
    :returns: float64 (pictures, dimensions), in standard deviations of the picture's brightness.
    """
    count = len(thumbnails)
    pixels = np.asarray(thumbnails, dtype=np.float32)
    pixels = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    pixels /= np.maximum(pixels.std(axis=(1, 2), keepdims=True), _EPSILON)
    flat = _spliced(pixels.reshape(count, -1), rate_hz)
    mean = flat.mean(axis=0)
    camera = _camera_motion(mean.reshape(pixels.shape[1:]))
    flat = flat - mean
    flat -= (flat @ camera) @ camera.T
    followed = principal_path(smooth(flat, round(_SMOOTHING_S * rate_hz)), rate_hz, dimensions)
    return np.asarray(followed / np.sqrt(flat.shape[1]))


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
    most = max(float(np.percentile(size, _USUAL)), typical(size) / 2)
    change *= np.minimum(1.0, most / np.maximum(size, _EPSILON))[:, None]
    # Every other change says the same: the smaller the matrix, the cheaper.
    change = change[:: 2 if len(change) > 4 * dimensions else 1]
    eigenvalues, vectors = np.linalg.eigh(change @ change.T)
    found = min(dimensions, len(eigenvalues))
    eigenvalues, vectors = eigenvalues[::-1][:found], vectors[:, ::-1][:, :found]
    directions = change.T @ vectors / np.sqrt(np.maximum(eigenvalues, _EPSILON))
    return np.asarray(values @ directions, dtype=np.float64)


def smooth(values: NDArray[np.floating[Any]], width: int) -> NDArray[np.floating[Any]]:
    """`values` averaged along the first axis by a raised cosine, `width` values wide; the ends are held."""
    if width < 2:
        return values
    width += 1 - width % 2
    weights = np.hanning(width + 2)[1:-1]
    weights = (weights / weights.sum()).astype(values.dtype)
    ends = [np.repeat(values[at : at + 1 or None], width // 2, axis=0) for at in (0, -1)]
    padded = np.concatenate([ends[0], values, ends[1]])
    total, weighted = np.zeros_like(values), np.empty_like(values)
    for offset, weight in enumerate(weights):
        total += np.multiply(padded[offset : offset + len(values)], weight, out=weighted)
    return total


def typical(steps: NDArray[Any]) -> float:
    """Half of all the way is gone in steps of at most this length: what is typical of the movement, if there is any."""
    ordered = np.sort(steps)
    gone = np.cumsum(ordered, dtype=np.float64)
    return float(ordered[np.searchsorted(gone, gone[-1] / 2)])


def _spliced(flat: FloatArray, rate_hz: float) -> FloatArray:
    """Pictures, (pictures, pixels), without what changes in a cut from one to the next."""
    steps = (np.linalg.norm(np.diff(flat, axis=0), axis=1) / np.sqrt(flat.shape[1])).tolist()
    near = max(1, round(_LEAP_ALONE_S * rate_hz))
    for at in [at for at, step in enumerate(steps) if step > _LEAP]:
        others = steps[max(0, at - near) : at] + steps[at + 1 : at + 1 + near]
        if others and steps[at] > _LEAP_TIMES * max(others):
            flat = np.concatenate([flat[: at + 1], flat[at + 1 :] - (flat[at + 1] - flat[at])])
    return flat


def _camera_motion(mean: FloatArray) -> FloatArray:
    """What shifts, zoom and roll of the camera change in a picture: orthonormal columns, (pixels, 4)."""
    down, right = np.gradient(mean.astype(np.float64))
    rows = np.linspace(-1.0, 1.0, mean.shape[0])[:, None]
    columns = np.linspace(-1.0, 1.0, mean.shape[1])
    changes = [down, right, down * rows + right * columns, down * columns - right * rows]
    basis, triangle = np.linalg.qr(np.stack([change.ravel() for change in changes], axis=1))
    return np.asarray(basis * (np.abs(np.diag(triangle)) > _EPSILON), dtype=np.float32)
