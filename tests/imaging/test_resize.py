"""Frames resized for branches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.imaging.resize import branch_images, centre_crop, fitted_size, pad, scale, scaled_size
from fitsense.types import ClipSpec


@given(st.integers(1, 4000), st.floats(1, 15.9), st.integers(8, 256), st.booleans())
def test_scaled_size_keeps_aspect_and_short_side(short: int, aspect: float, target: int, tall: bool) -> None:
    long = int(short * aspect)
    width, height = (short, long) if tall else (long, short)
    scaled = scaled_size(width, height, target)
    assert min(scaled) == target
    assert max(scaled) / min(scaled) == pytest.approx(long / short, abs=1 / target)


def test_scaled_size_too_long_picture_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="17 x 1 pixels: expected a long side of at most 16"):
        scaled_size(17, 1, 182)


def test_centre_crop_gives_the_middle() -> None:
    picture = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(centre_crop(picture, 4), picture[1:5, 2:6])


def test_scale_down_averages() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 200
    picture = checks.astype(np.uint8)[..., None].repeat(3, axis=2)
    assert np.abs(scale(picture, 16, 16).astype(int) - 100).max() < 8
    assert scale(picture, 64, 64) is picture


def test_branch_images_equal_specs_share_an_image() -> None:
    spec, other = ClipSpec(4, 2.0, 8, 8), ClipSpec(9, 5.0, 8, 8)
    seen = branch_images(np.zeros((20, 30, 3), np.uint8), {"a": spec, "b": other, "c": ClipSpec(4, 2.0, 8, 10)})
    assert seen["a"] is seen["b"]
    assert seen["c"].shape == (8, 8, 3)


@given(st.integers(20, 120), st.integers(20, 120), st.sets(st.sampled_from("abcd")))
def test_branch_images_deferred_are_the_same(height: int, width: int, later: set[str]) -> None:
    specs = {
        "a": ClipSpec(4, 2.0, 16, 16),
        "b": ClipSpec(9, 5.0, 16, 16),
        "c": ClipSpec(4, 2.0, 12, 20),
        "d": ClipSpec(4, 2.0, 24, 16, fit="pad"),
    }
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    now, waiting = branch_images(picture.copy(), specs), branch_images(picture, specs, later)
    # The caller may reuse the picture's memory.
    picture[:] = 0
    assert list(waiting) == list(specs)
    for name, view in now.items():
        np.testing.assert_array_equal(waiting[name], view)
        assert waiting[name] is waiting[name]


sides = st.integers(1, 60)


@given(sides, sides, st.integers(0, 20))
def test_pad_keeps_the_picture_on_black(height: int, width: int, more: int) -> None:
    size = max(height, width) + more
    picture = np.random.default_rng(size).integers(1, 256, (height, width, 3), dtype=np.uint8)
    square = pad(picture, size)
    assert (square.shape, square.dtype.name) == ((size, size, 3), "uint8")
    seen = np.any(square, axis=-1)
    assert seen.sum() == height * width
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    np.testing.assert_array_equal(square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], picture)
    # Centred up to half a pixel.
    assert abs(rows[0] - (size - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (size - 1 - columns[-1])) <= 1


@given(st.integers(20, 90), st.integers(20, 90), st.integers(10, 40), st.integers(0, 30))
def test_branch_images_pad_shows_the_whole_picture(height: int, width: int, short_side: int, more: int) -> None:
    spec = ClipSpec(1, 1.0, short_side + more, short_side, fit="pad")
    wide, high = fitted_size(width, height, spec)
    assert max(wide, high) <= spec.size
    assert min(wide, high) <= short_side
    # Maximal: either side is at its limit.
    assert max(wide, high) == spec.size or min(wide, high) == short_side
    assert wide / high == pytest.approx(width / height, rel=1.5 / min(wide, high))
    seen = branch_images(np.full((height, width, 3), 200, np.uint8), {"": spec})[""]
    assert seen.shape == (spec.size, spec.size, 3)
    assert (seen > 0).any(axis=-1).sum() == wide * high
    assert abs(int(seen.max()) - 200) <= 2


def test_branch_images_crop_and_pad_are_distinct() -> None:
    cropped, padded = ClipSpec(1, 1.0, 8, 8), ClipSpec(1, 1.0, 8, 8, fit="pad")
    seen = branch_images(np.full((20, 40, 3), 200, np.uint8), {"a": cropped, "b": padded, "c": padded})
    assert seen["b"] is seen["c"]
    assert (seen["a"] > 0).all()
    assert (seen["b"] > 0).any(axis=-1).sum() == 8 * 4
