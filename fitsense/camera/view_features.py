"""Features of a thumbnail and distances between two, invariant to brightness and contrast.

A thumbnail consists of 8 x 8 tiles. A tile's *pattern* is its luma without its mean and slope, scaled to a length of
nearly 1; a tile without texture has a pattern near 0. Patterns do not change with the light and hardly with noise.
People change the patterns of their tiles only; a camera that turns changes all of them.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.imaging.downsample import downsample
from fitsense.types import FloatArray, UInt8Array

SIDE = 64
"""Width and height of a thumbnail, in pixels."""
TILES = 8
"""Tiles in a row, and in a column."""

BoolArray = NDArray[np.bool_]

# Samples along each side of a thumbnail's pixel.
_SAMPLES = 3
_TILE = SIDE // TILES
# Levels of luma, of 255: noise of a tile without texture, black, and an edge.
_NOISE = 3.0
_DARK = 24.0
_EDGE = 3.0
# Share of pixels that may be bright in a black picture, for example a clock or a logo.
_LIT = 0.02
# Largest share of pixels on an edge in a picture without detail, such as of a covered lens.
_DETAIL = 0.015
# Least squared length of a pattern with texture, and of the difference between two patterns that differ.
_TEXTURE = 0.5
_DIFFERS = 0.35
# Least number of pixels that change, and levels that they change by, in a motion: a distant hand, but not noise.
_MOVED_PIXELS = 4
_MOVED_LEVELS = 8.0
# Largest share of values, and levels, by which a repeated picture differs: re-encoding does, a live picture differs
# by more.
_REPEATED_SHARE = 0.002
_REPEATED_LEVELS = 2


def _without_slope() -> FloatArray:
    """float32 (pixels, pixels): projection that removes a tile's mean and its slope in both directions."""
    steps = np.arange(_TILE) - (_TILE - 1) / 2
    down, right = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    slopes = np.stack([np.ones_like(down), down, right])
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    return np.asarray(np.eye(_TILE**2) - slopes.T @ slopes, dtype=np.float32)


_WITHOUT_SLOPE = _without_slope()


def camera_thumbnail(rgb: UInt8Array) -> UInt8Array:
    """Reduce a whole picture, uint8 (height, width, 3), to uint8 (64, 64, 3).

    Each pixel is the mean of a few samples, evenly spread over its area. The mean keeps enough noise to distinguish a
    live picture from a frozen one.
    """
    return np.asarray(downsample(rgb, SIDE, _SAMPLES) // _SAMPLES**2, dtype=np.uint8)


@attrs.frozen(eq=False)
class ViewFeatures:
    """Features of a thumbnail.

    :param thumbnail: uint8 (64, 64, 3).
    :param luma: float32 (64, 64), in 0..255.
    :param edges: float32 (62, 62): difference of each inner pixel from its neighbours.
    :param patterns: float32 (tiles, pixels) = (64, 64), row by row.
    :param black: whether the picture is black, except for a few pixels.
    :param blank: whether the picture has no detail, as behind a hand.
    """

    thumbnail: UInt8Array
    luma: FloatArray
    edges: FloatArray
    patterns: FloatArray
    black: bool
    blank: bool

    @property
    def textured(self) -> BoolArray:
        """bool (tiles,): which tiles have texture."""
        return textured(self.patterns)


def extract_features(picture: UInt8Array) -> ViewFeatures:
    """Extract the features of a thumbnail, uint8 (64, 64, 3).

    :raises InvalidInputError: another shape or dtype.
    """
    if picture.shape != (SIDE, SIDE, 3) or picture.dtype != np.uint8:
        raise InvalidInputError(
            f"thumbnail: expected uint8 of shape ({SIDE}, {SIDE}, 3), got {picture.dtype} of shape {picture.shape}"
        )
    # Exact, and several times as fast as a product with three numbers, for which BLAS would start threads.
    red, green, blue = np.moveaxis(picture.astype(np.uint16), -1, 0)
    luma = (2 * red + 5 * green + blue) * np.float32(0.125)
    tiles = luma.reshape(TILES, _TILE, TILES, _TILE).swapaxes(1, 2).reshape(TILES * TILES, -1)
    tiles = tiles @ _WITHOUT_SLOPE
    power = np.einsum("tp,tp->t", tiles, tiles)
    patterns = tiles / np.sqrt(power + _NOISE**2 * tiles.shape[1])[:, None]
    middle = luma[1:-1, 1:-1]
    edges = middle - (luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]) * np.float32(0.25)
    black = np.count_nonzero(luma > _DARK) <= _LIT * luma.size
    blank = np.count_nonzero(np.abs(edges) > _EDGE) <= _DETAIL * edges.size
    return ViewFeatures(picture.copy(), luma, edges, patterns, bool(black), bool(blank))


def textured(patterns: FloatArray) -> BoolArray:
    """bool (tiles,): which patterns have texture."""
    return np.asarray(np.einsum("tp,tp->t", patterns, patterns) >= _TEXTURE)


def differ(one: FloatArray, other: FloatArray) -> BoolArray:
    """bool (tiles,): which patterns of two pictures differ."""
    difference = one - other
    return np.asarray(np.einsum("tp,tp->t", difference, difference) >= _DIFFERS)


def changed_share(one: ViewFeatures, other: ViewFeatures) -> float:
    """Share of tiles that differ among those with texture in either picture, 0..1."""
    shown = one.textured | other.textured
    changed = int(np.count_nonzero(differ(one.patterns, other.patterns) & shown))
    # A share of fewer tiles is meaningless.
    return changed / max(int(np.count_nonzero(shown)), TILES)


def overlap(one: ViewFeatures, other: ViewFeatures) -> float:
    """Highest correlation of two pictures' edges over all shifts, at most 1.

    Shifts are circular: the part that leaves the picture on one side counts as noise on the other.
    """
    one_edges, other_edges = np.fft.rfft2(one.edges), np.fft.rfft2(other.edges)
    products = np.fft.irfft2(one_edges * other_edges.conj(), one.edges.shape)
    power = float(np.vdot(one.edges, one.edges)) * float(np.vdot(other.edges, other.edges))
    return float(products.max()) / max(math.sqrt(power), 1.0)


def moved(before: ViewFeatures, now: ViewFeatures) -> bool:
    """True if anything moved, beyond noise and a change of light over the whole picture."""
    old, new = before.luma - before.luma.mean(), now.luma - now.luma.mean()
    gain = float(np.vdot(old, new)) / max(float(np.vdot(old, old)), 1.0)
    return bool(np.count_nonzero(np.abs(new - gain * old) > _MOVED_LEVELS) >= _MOVED_PIXELS)


def repeated(before: ViewFeatures, now: ViewFeatures) -> bool:
    """True if the same picture was repeated."""
    other = before.thumbnail != now.thumbnail
    count = np.count_nonzero(other)
    if count == 0 or count > _REPEATED_SHARE * other.size:
        return bool(count == 0)
    difference = before.thumbnail[other].astype(np.int16) - now.thumbnail[other]
    return bool(np.abs(difference).max() <= _REPEATED_LEVELS)
