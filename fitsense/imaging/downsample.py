"""Reduces pictures to few pixels, from few samples, at low cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fitsense.types import UInt8Array


def downsample(rgb: UInt8Array, side: int, samples: int) -> NDArray[np.uint16]:
    """Reduce a whole picture to a square; each pixel is the sum of samples that are evenly spread over its area.

    :param rgb: uint8 (height, width, 3).
    :param side: side of the square in pixels.
    :param samples: rows and columns of samples for each pixel; at most 16.
    :returns: uint16 (side, side, 3).
    """
    middles = (np.arange(side * samples) + 0.5) / (side * samples)
    rows, columns = ((middles * length).astype(np.intp) for length in rgb.shape[:2])
    # Sums of slices are many times as fast as one sum over short axes.
    tall = rgb[rows[::samples]].astype(np.uint16)
    for at in range(1, samples):
        tall += rgb[rows[at::samples]]
    summed = tall.take(columns[::samples], axis=1)
    for at in range(1, samples):
        summed += tall.take(columns[at::samples], axis=1)
    return np.asarray(summed, dtype=np.uint16)
