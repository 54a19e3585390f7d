"""A frame as branches see it: short side scaled, centre cropped."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.types import ClipSpec, UInt8Array

# No camera is longer; a header that lies may be.
_MOST_ASPECT = 16


def scaled_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height, in pixels, of a picture whose short side is scaled to `short_side`.

    :raises InvalidInputError: a picture so long that, scaled, it would fill the memory.
    """
    if max(width, height) > _MOST_ASPECT * min(width, height):
        raise InvalidInputError(
            f"picture of {width} x {height} pixels: expected a long side of at most {_MOST_ASPECT} short ones"
        )
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def centre_crop(rgb: UInt8Array, size: int) -> UInt8Array:
    """The middle (size, size, 3) of a uint8 (height, width, 3)."""
    top, left = (rgb.shape[0] - size) // 2, (rgb.shape[1] - size) // 2
    return np.ascontiguousarray(rgb[top : top + size, left : left + size])


def scale(rgb: UInt8Array, width: int, height: int) -> UInt8Array:
    """`rgb`, uint8 (h, w, 3), scaled to (height, width, 3) by area."""
    if rgb.shape[:2] == (height, width):
        return rgb
    from av import VideoFrame
    from av.video.reformatter import Interpolation

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    scaled = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
    return np.asarray(scaled.to_ndarray(), dtype=np.uint8)


def views(rgb: UInt8Array, specs: Mapping[str, ClipSpec]) -> dict[str, UInt8Array]:
    """The picture as each branch sees it, uint8 (size, size, 3) by branch name; equal ones are shared."""
    made: dict[tuple[int, int], UInt8Array] = {}
    for spec in specs.values():
        key = (spec.short_side, spec.size)
        if key not in made:
            width, height = scaled_size(rgb.shape[1], rgb.shape[0], spec.short_side)
            made[key] = centre_crop(scale(rgb, width, height), spec.size)
    return {name: made[spec.short_side, spec.size] for name, spec in specs.items()}
