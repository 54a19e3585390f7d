"""The square of a picture that a network looks at: where it lies, and how points get out of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fitsense import BodyRegion

FloatArray = npt.NDArray[np.float32]

# How much larger than its person a region is; the networks were trained so.
_MARGIN = 1.25
# In pixels, and in long sides of the picture.
_MIN_SIDE, _MAX_SIDES = 8.0, 8.0


@attrs.frozen
class Region:
    """A square, turned or not, that may reach beyond the picture. Lengths are in pixels; y points down.

    A pixel's place is that of its upper left corner, in the picture as in what the networks see: their landmarks are
    off by up to a pixel where one takes the middle in its stead.

    :param x: of its centre, from the picture's left edge.
    :param y: likewise, from the upper edge.
    :param up_x: from the centre to the middle of the square's upper edge.
    :param up_y: likewise.
    """

    x: float
    y: float
    up_x: float
    up_y: float

    @classmethod
    def around_picture(cls, width: int, height: int) -> Region:
        """The smallest upright square with the whole picture in its middle."""
        return cls(width / 2, height / 2, 0.0, -max(width, height) / 2)

    @classmethod
    def around_person(cls, points: FloatArray) -> Region:
        """The square around a person, rotated so that the head is up.

        :param points: float32 (2, 2), the middle of the hips, and a point on the circle around the whole body in
            the direction of the head; x and y in pixels.
        """
        (x, y), (tip_x, tip_y) = points.tolist()
        return cls(x, y, _MARGIN * (tip_x - x), _MARGIN * (tip_y - y))

    @classmethod
    def from_body(cls, body: BodyRegion, width: int, height: int) -> Region:
        """The square that fitsense's own region means in a picture of that size."""
        half = body.side * max(width, height) / 2
        up_x, up_y = half * math.sin(body.angle_rad), -half * math.cos(body.angle_rad)
        return cls(body.x * width, body.y * height, up_x, up_y)

    def to_body(self, width: int, height: int) -> BodyRegion:
        """The same square as fitsense's own region of a picture of that size; it has to be usable there."""
        from fitsense import BodyRegion

        angle_rad = math.atan2(self.up_x, -self.up_y)
        return BodyRegion(self.x / width, self.y / height, self.side / max(width, height), angle_rad)

    @property
    def side(self) -> float:
        """Length of its edges."""
        return 2 * float(np.hypot(self.up_x, self.up_y))

    @property
    def rotation(self) -> FloatArray:
        """float32 (2, 2): turns a column vector of the square into one of the picture."""
        half = self.side / 2
        return np.array([[-self.up_y, -self.up_x], [self.up_x, -self.up_y]], np.float32) / np.float32(half)

    def usable(self, width: int, height: int) -> bool:
        """True if it makes sense to look at it, in a picture of that size: networks may err by any amount."""
        return _MIN_SIDE <= self.side <= _MAX_SIDES * max(width, height) and math.isfinite(self.x + self.y)

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Points (..., 2) given in 0..1 of the square, in pixels of the picture."""
        centre = np.array([self.x, self.y], np.float32)
        return centre + (points - np.float32(0.5)) @ (self.rotation.T * np.float32(self.side))

    def sampling(self, width: int, height: int) -> FloatArray:
        """float32 (3, 2): turns a row (u, v, 1), with u and v in 0..1 of the square, into x and y in -1..1 of the
        picture, as grid sampling wants them."""
        corners = self.to_picture(np.array([[0, 0], [1, 0], [0, 1]], np.float32))
        scaled = (2 * corners + 1) / np.array([width, height], np.float32) - 1
        return np.stack([scaled[1] - scaled[0], scaled[2] - scaled[0], scaled[0]])
