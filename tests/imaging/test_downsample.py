"""Downsampled pictures are sums of their samples at any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.imaging.downsample import downsample


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 20), st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_downsample_pixel_sums_the_samples_of_its_area(
    height: int, width: int, side: int, samples: int, seed: int
) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    parts = side * samples
    rows = [int((at + 0.5) / parts * height) for at in range(parts)]
    columns = [int((at + 0.5) / parts * width) for at in range(parts)]
    blocks = rgb[rows][:, columns].astype(int).reshape(side, samples, side, samples, 3)
    np.testing.assert_array_equal(downsample(rgb, side, samples), blocks.sum(axis=(1, 3)))


@pytest.mark.parametrize("level", [0, 255])
def test_downsample_brightest_picture_does_not_overflow(level: int) -> None:
    rgb = np.full((40, 30, 3), level, dtype=np.uint8)
    assert (downsample(rgb, 8, 16) == level * 256).all()
