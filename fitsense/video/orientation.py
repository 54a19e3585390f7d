"""How a decoded picture is turned and mirrored to be upright, as its display matrix says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs
import av
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type

from fitsense.types import UInt8Array


@attrs.frozen
class Orientation:
    """One of the eight ways to put a rectangle: a transposition first, then mirroring of either axis.

    :param transposed: whether rows become columns.
    :param mirrored: whether left and right change places, after the transposition.
    :param flipped: whether top and bottom change places, after the transposition.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The orientation that a frame's display matrix asks for; where it has none, the picture is upright."""
        # PyAV's types call it a single piece of data.
        matrix = cast(Mapping[Type, Buffer], frame.side_data).get(Type.DISPLAYMATRIX)
        if matrix is None:
            return _UPRIGHT
        return cls.of_matrix(np.frombuffer(bytes(matrix), dtype=np.int32))

    @classmethod
    def of_matrix(cls, matrix: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Orientation:
        """The orientation nearest to a display matrix.

        :param matrix: int32 (9,), row by row, as in an ISO base media file's track header: a pixel at (x, y) is shown
            at (a x + c y, b x + d y), where a and b are its first two numbers, c and d the fourth and the fifth.
        """
        a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transposed=True, mirrored=c < 0, flipped=b < 0)
        return cls(mirrored=a < 0, flipped=d < 0)

    def shown(self, picture: UInt8Array) -> UInt8Array:
        """A picture, uint8 (height, width, 3), as it is to be seen; its sides change places where it is transposed."""
        if self == _UPRIGHT:
            return picture
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1])


_UPRIGHT = Orientation()
