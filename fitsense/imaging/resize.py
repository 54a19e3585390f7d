"""Resizes frames for branches: scaled, then cropped or padded to a square."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region
from fitsense.types import ClipSpec, Fit, UInt8Array

# Largest ratio of a picture's sides: cameras stay below, a corrupt header may not.
_MAX_ASPECT = 16
# A picture is kept for later if it takes at most this many times the memory of its resized images.
_MAX_KEPT = 3

# Side of the square around a person, relative to the longer side of the box, which has a margin already.
_PERSON_MARGIN = 1.15
# Smallest and largest side of that square, relative to the picture's shorter and longer side.
_PERSON_SIDES = (0.4, 1.5)

# Short side, size and fit of a resized picture.
_ResizeKey = tuple[int, int, Fit]


def scaled_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height in pixels of a picture after scaling its short side to `short_side`.

    :raises InvalidInputError: a picture so long that it would exhaust memory when scaled.
    """
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise InvalidInputError(
            f"picture of {width} x {height} pixels: expected a long side of at most {_MAX_ASPECT} short ones"
        )
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def centre_crop(rgb: UInt8Array, size: int) -> UInt8Array:
    """Crop the centre (size, size, 3) of a uint8 (height, width, 3)."""
    top, left = (rgb.shape[0] - size) // 2, (rgb.shape[1] - size) // 2
    return np.ascontiguousarray(rgb[top : top + size, left : left + size])


def pad(rgb: UInt8Array, size: int) -> UInt8Array:
    """Pad a uint8 (height, width, 3), at most `size` high and wide, with black to (size, size, 3)."""
    square = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - rgb.shape[0]) // 2, (size - rgb.shape[1]) // 2
    square[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return square


def scale(rgb: UInt8Array, width: int, height: int) -> UInt8Array:
    """Scale `rgb`, uint8 (h, w, 3), to (height, width, 3) by area."""
    if rgb.shape[:2] == (height, width):
        return rgb
    from av import VideoFrame
    from av.video.reformatter import Interpolation, VideoReformatter

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    # Small pictures scale faster in one thread than in several.
    scaled = VideoReformatter().reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    return np.asarray(scaled.to_ndarray(), dtype=np.uint8)


def branch_images(
    rgb: UInt8Array, specs: Mapping[str, ClipSpec], later: Collection[str] = (), person: Region | None = None
) -> Mapping[str, UInt8Array]:
    """Resize a picture for each branch, uint8 (size, size, 3) by branch name; branches with equal specs share one.

    :param later: branches whose images are made on first access, if the picture is small enough to be kept.
    :param person: box of the tracked person, for branches that see a square around it; None for nobody.
    """
    return _BranchImages(rgb, specs, later, person)


class _BranchImages(Mapping[str, UInt8Array]):
    """Result of :func:`branch_images`."""

    def __init__(
        self, rgb: UInt8Array, specs: Mapping[str, ClipSpec], later: Collection[str], person: Region | None
    ) -> None:
        self._person = person
        self._keys: dict[str, _ResizeKey] = {
            name: (spec.short_side, spec.size, spec.fit) for name, spec in specs.items()
        }
        self._made: dict[_ResizeKey, UInt8Array] = {}
        waiting = {key: specs[name] for name, key in self._keys.items()}
        if rgb.nbytes > _MAX_KEPT * sum(3 * spec.size**2 for spec in waiting.values()):
            later = ()
        for name, key in self._keys.items():
            if name not in later and key in waiting:
                self._made[key] = _square(rgb, waiting.pop(key), person)
        self._waiting = waiting
        # The caller may reuse the picture's memory.
        self._rgb = rgb.copy() if waiting else None

    def __getitem__(self, name: str) -> UInt8Array:
        key = self._keys[name]
        if key not in self._made:
            assert self._rgb is not None
            self._made[key] = _square(self._rgb, self._waiting[key], self._person)
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def fitted_size(width: int, height: int, spec: ClipSpec) -> tuple[int, int]:
    """Width and height in pixels of a picture after scaling, before it is cropped or padded."""
    width, height = scaled_size(width, height, spec.short_side)
    if spec.fit != "pad":
        return width, height
    excess = max(1.0, max(width, height) / spec.size)
    return max(1, round(width / excess)), max(1, round(height / excess))


def person_square(rgb: UInt8Array, box: Region, room: float = 1.0) -> UInt8Array:
    """Crop the square around a person, with a margin; black beyond the picture.

    :param rgb: uint8 (height, width, 3).
    :param box: box of the person, in shares of the picture.
    :param room: side of the square, relative to the one that sessions see.
    """
    height, width, _ = rgb.shape
    needed = _PERSON_MARGIN * max((box.right - box.left) * width, (box.bottom - box.top) * height)
    smallest, largest = (share * length for share, length in zip(_PERSON_SIDES, sorted((height, width)), strict=True))
    side = max(1, round(room * min(max(needed, smallest), largest)))
    left = round((box.left + box.right) / 2 * width - side / 2)
    top = round((box.top + box.bottom) / 2 * height - side / 2)
    square = np.zeros((side, side, 3), np.uint8)
    shown = rgb[max(0, top) : top + side, max(0, left) : left + side]
    into = square[max(0, -top) :, max(0, -left) :]
    into[: shown.shape[0], : shown.shape[1]] = shown
    return square


def _square(rgb: UInt8Array, spec: ClipSpec, person: Region | None) -> UInt8Array:
    if spec.fit == "person" and person is not None:
        return scale(person_square(rgb, person), spec.size, spec.size)
    scaled = scale(rgb, *fitted_size(rgb.shape[1], rgb.shape[0], spec))
    return pad(scaled, spec.size) if spec.fit == "pad" else centre_crop(scaled, spec.size)
