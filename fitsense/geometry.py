"""Boxes in a picture: regions of interest and detections."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.types import UInt8Array

# Detectors' boxes may reach a little beyond the picture.
_SLACK = 0.5


def _share(instance: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not -_SLACK <= value <= 1 + _SLACK:
        raise InvalidInputError(f"Region.{attribute.name}: expected a share of the picture, 0..1, got {value!r}")


def _side() -> Any:
    return attrs.field(converter=float, validator=_share)


@attrs.frozen
class Region:
    """A box in shares of the picture's width and height, from its upper left corner.

    :param left: left edge; the part outside the picture is ignored.
    :param top: upper edge, likewise.
    :param right: right edge, likewise.
    :param bottom: lower edge, likewise.
    :raises InvalidInputError: an edge far outside the picture, or a box without any part of it.
    """

    left: float = _side()
    top: float = _side()
    right: float = _side()
    bottom: float = _side()

    def __attrs_post_init__(self) -> None:
        width = min(self.right, 1.0) - max(self.left, 0.0)
        height = min(self.bottom, 1.0) - max(self.top, 0.0)
        if not (width > 0 and height > 0):
            raise InvalidInputError(f"region: expected a box that shows some of the picture, got {self}")

    def crop(self, rgb: UInt8Array) -> UInt8Array:
        """Crop a picture to the region.

        A narrow or flat box is widened towards a square about its centre, within the picture: a backbone's input is
        square, and would otherwise lack the ends of the box.

        :param rgb: uint8 (height, width, 3).
        :returns: uint8 (rows, columns, 3), a contiguous copy.
        """
        return np.ascontiguousarray(rgb[self.pixels(*rgb.shape[:2])])

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns that :meth:`crop` keeps of a picture of this size."""
        left, right = max(0.0, self.left) * width, min(1.0, self.right) * width
        top, bottom = max(0.0, self.top) * height, min(1.0, self.bottom) * height
        side = max(right - left, bottom - top)
        (left, right), (top, bottom) = _widened(left, right, side, width), _widened(top, bottom, side, height)
        return _pixels(top, bottom, height), _pixels(left, right, width)


def _widened(start: float, end: float, length: float, limit: int) -> tuple[float, float]:
    """Widen an interval about its centre to `length`, or as much of it as fits between 0 and `limit`."""
    length = max(end - start, min(length, limit))
    start = min(max(0.0, (start + end - length) / 2), limit - length)
    return start, start + length


def _pixels(start: float, end: float, limit: int) -> slice:
    first = min(int(start), limit - 1)
    return slice(first, max(first + 1, min(limit, round(end))))


@attrs.frozen
class Detection:
    """A person found by a detector.

    :param region: box around the whole body.
    :param score: the detector's confidence, 0..1.
    """

    region: Region
    score: float = attrs.field(converter=float)

    @score.validator
    def _check(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not 0 <= value <= 1:
            raise InvalidInputError(f"Detection.score: expected a number in 0..1, got {value!r}")
