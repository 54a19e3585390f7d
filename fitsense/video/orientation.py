"""Rotation and mirroring of decoded pictures, by their display matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs
import av
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import SideDataContainer, Type

from fitsense.types import UInt8Array


@attrs.frozen
class Orientation:
    """One of the eight orientations of a rectangle: a transposition, then mirroring of either axis.

    :param transposed: whether rows become columns.
    :param mirrored: whether left and right are swapped, after the transposition.
    :param flipped: whether top and bottom are swapped, after the transposition.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """Orientation by a frame's display matrix; upright without one."""
        # Not frame.side_data: the frame keeps that, and it refers to the frame; such a cycle holds the picture until
        # Python's cyclic garbage collector runs.
        side_data = SideDataContainer(frame)  # type: ignore[call-arg]  # The stubs lack its constructor.
        matrix = cast(Mapping[Type, Buffer], side_data).get(Type.DISPLAYMATRIX)
        if matrix is None:
            return _UPRIGHT
        return cls.of_matrix(np.frombuffer(bytes(matrix), dtype=np.int32))

    @classmethod
    def of_matrix(cls, matrix: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Orientation:
        """Orientation nearest to a display matrix.

        :param matrix: int32 (9,), in row-major order, as in the track header of ISO base media files: the pixel at
            (x, y) is displayed at (a x + c y, b x + d y), where a and b are its first two numbers, c and d the fourth
            and the fifth.
        """
        a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transposed=True, mirrored=c < 0, flipped=b < 0)
        return cls(mirrored=a < 0, flipped=d < 0)

    def apply(self, picture: UInt8Array) -> UInt8Array:
        """The upright picture, from uint8 (height, width, 3); a transposition swaps height and width."""
        if self == _UPRIGHT:
            return picture
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1])


_UPRIGHT = Orientation()
