"""What a window's flow says of a movement: where, which way, how fast, how often, and what moves with what."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]

DIRECTIONS = 8
"""How many directions are told apart, from rightwards on, clockwise in the picture."""

FREQUENCIES_HZ = (0.25, 0.4, 0.6, 0.9, 1.3, 1.9, 2.8)
"""How often a movement may come back."""

# Cells along each side of what moves: for directions, and for what moves with what.
_CELLS, _PARTS = 4, 3
# How far what moves reaches from its middle, in standard deviations; and its least size, in sides of the picture.
_REACH, _LEAST = 2.0, 0.1
# Sides of the picture a second below which nothing moves.
_STILL = 0.01
# Kinds of statistics are as large as each other when they are multiplied so: one penalty fits all.
_DIRECTION_GAIN, _GAIN = 10.0, 4.0


def count() -> int:
    """How many statistics there are."""
    signals = 2 * _PARTS**2
    return 5 + 3 * _CELLS**2 * DIRECTIONS + signals * (signals + 1) // 2 + 2 * len(FREQUENCIES_HZ)


def statistics(flow: FloatArray, rate_hz: float) -> FloatArray:
    """Statistics of a window's flow, float32 (count(),).

    :param flow: float32 (pairs, height, width, 2): right and down, in sides of the picture a second.
    :param rate_hz: pairs a second.
    """
    # What most of the picture does is the camera's motion.
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
    """Left, top, width and height of what moves, in sides of the picture; it may reach beyond that.

    :param speed: (height, width), how much each place moves.
    """
    weights = speed**2 + 1e-12
    ends = []
    for axis in (0, 1):
        share = weights.sum(axis=axis) / weights.sum()
        places = (np.arange(len(share)) + 0.5) / len(share)
        middle = share @ places
        reach = max(_REACH * np.sqrt(share @ (places - middle) ** 2), _LEAST / 2)
        ends.append((middle - reach, 2 * reach))
    (left, width), (top, height) = ends
    return np.array([left, top, width, height])


def pooled(field: Floats, box: Floats, cells: int) -> Floats:
    """Means of a field, (pairs, height, width, n), in the cells of a box; 0 beyond the picture.

    :returns: (pairs, cells, cells, n).
    """
    height, width = field.shape[1:3]
    across, down = _shares(width, box[0], box[2], cells), _shares(height, box[1], box[3], cells)
    return np.asarray(np.einsum("gy,tyxn,hx->tghn", down, field, across, optimize=True))


def whole(speed: Floats, box: Floats) -> Floats:
    """How much moves at all, and where: (5,)."""
    left, top, width, height = box
    return np.array(
        [np.log(speed.mean() + _STILL), left + width / 2 - 0.5, top + height / 2 - 0.5, np.log(width), np.log(height)]
    )


def directions(vectors: Floats, box: Floats) -> Floats:
    """How much points where: shares by cell and direction, square roots, (cells * DIRECTIONS,).

    Of flow, these are histograms of its directions; of the slopes of flow across and down the picture, motion
    boundary histograms (Dalal et al. 2006): edges of what moves, which no motion of the camera changes.

    :param vectors: (pairs, height, width, 2).
    """
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    towards = np.maximum(vectors @ np.stack([np.cos(angles), np.sin(angles)]).astype(vectors.dtype), 0)
    shares = pooled(towards.mean(axis=0, keepdims=True), box, _CELLS).ravel()
    return np.asarray(np.sqrt(shares / (shares.sum() + _STILL)))


def together(parts: Floats) -> Floats:
    """What moves with what, and what against: products of all pairs of signals over time, signed square roots.

    :param parts: (pairs, signals).
    """
    products = parts.T @ parts
    products = products / (np.trace(products) + _STILL**2)
    upper = products[np.triu_indices(len(products))]
    return np.asarray(np.sign(upper) * np.sqrt(np.abs(upper)))


def rhythm(parts: Floats, rate_hz: float) -> Floats:
    """Shares of each frequency in what moves across and in what moves down: (2 * len(FREQUENCIES_HZ),).

    :param parts: (pairs, signals), across and down in turn.
    """
    times = np.arange(len(parts)) / rate_hz
    waves = np.exp(-2j * np.pi * np.outer(FREQUENCIES_HZ, times))
    power = (np.abs(waves @ parts) ** 2).reshape(len(FREQUENCIES_HZ), -1, 2).sum(axis=1)
    return np.asarray(np.sqrt(power.T.ravel() / (power.sum() + _STILL**2)))


def _shares(pixels: int, start: float, length: float, cells: int) -> Floats:
    """How much of each cell, cut out of a row of pixels that is 1 long, each pixel is: (cells, pixels)."""
    edges = start + length * np.arange(cells + 1) / cells
    left = np.arange(pixels) / pixels
    overlap = np.minimum(edges[1:, None], left + 1 / pixels) - np.maximum(edges[:-1, None], left)
    return np.asarray(np.maximum(overlap, 0) * cells / length)
