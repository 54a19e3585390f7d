"""Change of the picture within a body's box and around it: evidence of what moves. Pure.

Landmarks of a body that stands still jitter by tenths of the torso's length, now and then in a way that returns. The
picture of such a body hardly changes, whereas any exercise moves parts of the body across the picture. What changes
around the body is the camera's movement or somebody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.trajectory import SMOOTHING_S, normalised, rate_of, smooth
from fitsense.types import FloatArray

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a body's box, in shares of the thumbnail."""

# Seconds by which a span may reach beyond the thumbnails.
_MARGIN_S = 0.2
_MIN_SIDE = 1e-3
# Least part of the picture around the box in which a change can be seen.
_MIN_AROUND = 0.1


class PictureChange:
    """Measures how much the picture within a body's box changes from one moment to another.

    :param thumbnails: at least two, float32 (height, width) each, at most as far apart as the landmarks.
    :param times: of the thumbnails, in seconds of media time, ascending.
    :param boxes: boxes of the body.
    :param box_times: of the boxes, in seconds of media time, ascending.
    """

    def __init__(
        self, thumbnails: Sequence[FloatArray], times: Sequence[float], boxes: Sequence[Box], box_times: Sequence[float]
    ) -> None:
        self._times = np.array(times)
        pixels = normalised(np.stack(thumbnails))
        # A host that finds landmarks itself may push blank pictures.
        self._blank = bool((np.abs(pixels).max(axis=(1, 2)) == 0).any())
        flat = smooth(pixels.reshape(len(times), -1), SMOOTHING_S * rate_of(self._times))
        self._pictures: NDArray[Any] = flat.reshape(pixels.shape)
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self._box_times = np.array(box_times)

    def within(self, spans: NDArray[np.float64]) -> NDArray[np.float64]:
        """Largest change between the turning point of each span and its ends.

        :param spans: start, turning point and end, in seconds of media time, (spans, 3).
        :returns: root of the mean square over the pixels of the box, in standard deviations of the picture's
            brightness, (spans,); infinite for a span without thumbnails or without a box, or if a thumbnail is blank.
        """
        if self._blank or not len(self._boxes):
            return np.full(len(spans), np.inf)
        inside, area = self._inside(self._boxes[nearest(self._box_times, spans)])
        change = np.sqrt(self._largest(spans, inside) / np.maximum(area, 1.0))
        known = (spans[:, 0] >= self._times[0] - _MARGIN_S) & (spans[:, 2] <= self._times[-1] + _MARGIN_S)
        return np.where(known, change, np.inf)

    def around(self, spans: NDArray[np.float64]) -> NDArray[np.float64]:
        """Largest change outside the box, like :meth:`within`; 0 if the box leaves too little of the picture."""
        if self._blank or not len(self._boxes):
            return np.zeros(len(spans))
        outside = ~self._inside(self._boxes[nearest(self._box_times, spans)])[0]
        area = outside.sum(axis=(1, 2))
        change = np.sqrt(self._largest(spans, outside) / np.maximum(area, 1))
        return np.where(area >= _MIN_AROUND * outside[0].size, change, 0.0)

    def _largest(self, spans: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Larger sum of the squared changes between the turning point and either end, (spans,)."""
        start, far, end = (self._pictures[at] for at in nearest(self._times, spans).T)
        return np.maximum(self._sum((far - start) ** 2, where), self._sum((far - end) ** 2, where))

    def _inside(self, boxes: FloatArray) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Pixels within any of a span's boxes, and their number in one of them on average.

        :param boxes: (spans, boxes, 4).
        """
        height, width = self._pictures.shape[1:]
        left, top, right, bottom = np.clip(boxes, 0.0, 1.0).transpose(2, 0, 1)
        rows = _covered(top.min(axis=1), bottom.max(axis=1), height)
        columns = _covered(left.min(axis=1), right.max(axis=1), width)
        sides = np.maximum(right - left, _MIN_SIDE) * np.maximum(bottom - top, _MIN_SIDE)
        return rows[:, :, None] & columns[:, None, :], sides.mean(axis=1) * height * width

    @staticmethod
    def _sum(squares: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray((squares * inside).sum(axis=(1, 2)), np.float64)


def _covered(first: NDArray[Any], last: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Mask of the pixels, `count` in a row, that lie at least partly between two edges, (edges, count)."""
    pixels = np.arange(count)
    return (pixels[None] + 1 > first[:, None] * count) & (pixels[None] < last[:, None] * count)


def nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the nearest of the ascending times, (times,), of the shape of `wanted`."""
    after = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)
