"""Statistics of a window's flow: place, direction, speed, frequency, and correlation of movements."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]

DIRECTIONS = 8
"""Number of directions, clockwise in the picture from the right."""

FREQUENCIES_HZ = (0.25, 0.4, 0.6, 0.9, 1.3, 1.9, 2.8)
"""Frequencies of repeated movements."""

# Cells along each side of the moving region: for directions, and for correlations.
_CELLS, _PARTS = 4, 3
# Half size of the moving region in standard deviations; and its minimum size, in sides of the picture.
_REACH, _MIN_SIZE = 2.0, 0.1
# Speed below which nothing moves, in sides of the picture per second.
_STILL = 0.01
# Factors that bring all kinds of statistics to one scale, so that one penalty suits all.
_DIRECTION_GAIN, _GAIN = 10.0, 4.0


def count() -> int:
    """Number of statistics."""
    signals = 2 * _PARTS**2
    return 5 + 3 * _CELLS**2 * DIRECTIONS + signals * (signals + 1) // 2 + 2 * len(FREQUENCIES_HZ)


def statistics(flow: FloatArray, rate_hz: float) -> FloatArray:
    """Statistics of a window's flow, float32 (count(),).

    :param flow: float32 (pairs, height, width, 2): right and down, in sides of the picture per second.
    :param rate_hz: frame pairs per second.
    """
    # The median motion is that of the camera.
    flow = flow - np.median(flow, axis=(1, 2), keepdims=True)
    speed = np.asarray(np.hypot(flow[..., 0], flow[..., 1]).mean(axis=0))
    box = moving_box(speed)
    down, right = (np.gradient(flow, axis=axis) for axis in (1, 2))
    parts = pooled(flow, box, _PARTS).reshape(len(flow), -1)
    kinds = [
        whole(speed, box),
        _DIRECTION_GAIN * directions(flow, box),
        *(_DIRECTION_GAIN * directions(np.stack([right[..., at], down[..., at]], axis=-1), box) for at in (0, 1)),
        _GAIN * together(parts),
        _GAIN * rhythm(parts, rate_hz),
    ]
    return np.concatenate(kinds).astype(np.float32)


def moving_box(speed: Floats) -> Floats:
    """Left, top, width and height of the moving region, in sides of the picture; it may exceed the picture.

    :param speed: (height, width), amount of motion.
    """
    weights = speed**2 + 1e-12
    ends = []
    for axis in (0, 1):
        share = weights.sum(axis=axis) / weights.sum()
        places = (np.arange(len(share)) + 0.5) / len(share)
        middle = share @ places
        reach = max(_REACH * np.sqrt(share @ (places - middle) ** 2), _MIN_SIZE / 2)
        ends.append((middle - reach, 2 * reach))
    (left, width), (top, height) = ends
    return np.array([left, top, width, height])


def pooled(field: Floats, box: Floats, cells: int) -> Floats:
    """Means of a field, (pairs, height, width, n), over the cells of a box; 0 outside the picture.

    :returns: (pairs, cells, cells, n).
    """
    height, width = field.shape[1:3]
    across, down = _shares(width, box[0], box[2], cells), _shares(height, box[1], box[3], cells)
    return np.asarray(np.einsum("gy,tyxn,hx->tghn", down, field, across, optimize=True))


def whole(speed: Floats, box: Floats) -> Floats:
    """Amount and place of the motion: (5,)."""
    left, top, width, height = box
    return np.array(
        [np.log(speed.mean() + _STILL), left + width / 2 - 0.5, top + height / 2 - 0.5, np.log(width), np.log(height)]
    )


def directions(vectors: Floats, box: Floats) -> Floats:
    """Square roots of the shares of motion by cell and direction, (cells * DIRECTIONS,).

    Of flow, these are histograms of its directions; of the slopes of flow across and down the picture, motion
    boundary histograms (Dalal et al. 2006): edges of what moves, which no motion of the camera changes.

    :param vectors: (pairs, height, width, 2).
    """
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    towards = np.maximum(vectors @ np.stack([np.cos(angles), np.sin(angles)]).astype(vectors.dtype), 0)
    shares = pooled(towards.mean(axis=0, keepdims=True), box, _CELLS).ravel()
    return np.asarray(np.sqrt(shares / (shares.sum() + _STILL)))


def together(parts: Floats) -> Floats:
    """Correlations of movements: signed square roots of the products of all pairs of signals over time.

    :param parts: (pairs, signals).
    """
    products = parts.T @ parts
    products = products / (np.trace(products) + _STILL**2)
    upper = products[np.triu_indices(len(products))]
    return np.asarray(np.sign(upper) * np.sqrt(np.abs(upper)))


def rhythm(parts: Floats, rate_hz: float) -> Floats:
    """Shares of each frequency in horizontal and in vertical motion: (2 * len(FREQUENCIES_HZ),).

    :param parts: (pairs, signals), horizontal and vertical alternating.
    """
    times = np.arange(len(parts)) / rate_hz
    waves = np.exp(-2j * np.pi * np.outer(FREQUENCIES_HZ, times))
    power = (np.abs(waves @ parts) ** 2).reshape(len(FREQUENCIES_HZ), -1, 2).sum(axis=1)
    return np.asarray(np.sqrt(power.T.ravel() / (power.sum() + _STILL**2)))


def _shares(pixels: int, start: float, length: float, cells: int) -> Floats:
    """Share of each pixel in each cell, for a row of pixels of length 1: (cells, pixels)."""
    edges = start + length * np.arange(cells + 1) / cells
    left = np.arange(pixels) / pixels
    overlap = np.minimum(edges[1:, None], left + 1 / pixels) - np.maximum(edges[:-1, None], left)
    return np.asarray(np.maximum(overlap, 0) * cells / length)
