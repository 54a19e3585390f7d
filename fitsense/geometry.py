"""Where in the picture a session looks."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.types import UInt8Array

# Boxes of detectors reach a little beyond the picture.
_SLACK = 0.5


def _finite(instance: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not -_SLACK <= value <= 1 + _SLACK:
        raise InvalidInputError(f"Region.{attribute.name}: expected a share of the picture, 0..1, got {value!r}")


def _side() -> Any:
    return attrs.field(converter=float, validator=_finite)


@attrs.frozen
class Region:
    """A box in shares of the picture's width and height, from its upper left corner.

    :param left: where it begins; what lies outside the picture is cut off.
    :param top: likewise.
    :param right: where it ends.
    :param bottom: likewise.
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
        """The part of a picture, uint8 (height, width, 3), that shows the region.

        A narrow or flat box is widened towards a square about its middle, as far as the picture goes: backbones see
        squares, which would otherwise lack what is at its ends.
        """
        height, width = rgb.shape[:2]
        left, right = max(0.0, self.left) * width, min(1.0, self.right) * width
        top, bottom = max(0.0, self.top) * height, min(1.0, self.bottom) * height
        side = max(right - left, bottom - top)
        (left, right), (top, bottom) = _widened(left, right, side, width), _widened(top, bottom, side, height)
        rows, columns = _pixels(top, bottom, height), _pixels(left, right, width)
        return np.ascontiguousarray(rgb[rows, columns])


def _widened(start: float, end: float, length: float, most: int) -> tuple[float, float]:
    """At least `length`, or as much of it as fits between 0 and `most`, about the middle of `start` and `end`."""
    length = max(end - start, min(length, most))
    start = min(max(0.0, (start + end - length) / 2), most - length)
    return start, start + length


def _pixels(start: float, end: float, most: int) -> slice:
    first = min(int(start), most - 1)
    return slice(first, max(first + 1, min(most, round(end))))


@attrs.frozen
class Detection:
    """Somebody in a picture.

    :param region: the box that holds the whole body.
    :param score: how sure it is that it is a person, 0..1.
    """

    region: Region
    score: float = attrs.field(converter=float)

    @score.validator
    def _check(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not 0 <= value <= 1:
            raise InvalidInputError(f"Detection.score: expected a number in 0..1, got {value!r}")
