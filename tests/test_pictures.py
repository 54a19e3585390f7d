"""Frames as branches see them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.pictures import centre_crop, scale, scaled_size, views
from fitsense.types import ClipSpec


@given(st.integers(1, 4000), st.floats(1, 15.9), st.integers(8, 256), st.booleans())
def test_scaling_keeps_the_shape_and_hits_the_short_side(short: int, aspect: float, target: int, tall: bool) -> None:
    long = int(short * aspect)
    width, height = (short, long) if tall else (long, short)
    scaled = scaled_size(width, height, target)
    assert min(scaled) == target
    assert max(scaled) / min(scaled) == pytest.approx(long / short, abs=1 / target)


def test_a_picture_too_long_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="17 x 1 pixels: expected a long side of at most 16"):
        scaled_size(17, 1, 182)


def test_the_crop_is_the_middle() -> None:
    picture = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(centre_crop(picture, 4), picture[1:5, 2:6])


def test_scaling_down_averages() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 200
    picture = checks.astype(np.uint8)[..., None].repeat(3, axis=2)
    assert np.abs(scale(picture, 16, 16).astype(int) - 100).max() < 8
    assert scale(picture, 64, 64) is picture


def test_equal_specs_share_a_picture() -> None:
    spec, other = ClipSpec(4, 2.0, 8, 8), ClipSpec(9, 5.0, 8, 8)
    seen = views(np.zeros((20, 30, 3), np.uint8), {"a": spec, "b": other, "c": ClipSpec(4, 2.0, 8, 10)})
    assert seen["a"] is seen["b"]
    assert seen["c"].shape == (8, 8, 3)
