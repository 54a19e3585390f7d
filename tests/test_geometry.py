"""Boxes in a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region
from fitsense.types import UInt8Array

shares = st.floats(0, 1)
sides = st.integers(8, 60)


def picture(width: int, height: int) -> UInt8Array:
    """A picture whose pixels encode their positions."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows * 0], axis=-1).astype(np.uint8)


def test_crop_whole_picture_is_unchanged() -> None:
    rgb = picture(30, 20)
    assert np.array_equal(Region(0, 0, 1, 1).crop(rgb), rgb)
    assert np.array_equal(Region(-0.5, -0.1, 1.5, 1.1).crop(rgb), rgb), "detectors' boxes reach beyond the picture"


def test_crop_narrow_box_is_widened_to_a_square() -> None:
    rgb = picture(60, 40)
    seen = Region(0.4, 0.0, 0.6, 0.5).crop(rgb)
    assert seen.shape == (20, 20, 3)
    assert (seen[0, 0, 0], seen[0, 0, 1]) == (0, 20)
    at_the_edge = Region(0.9, 0.0, 1.0, 0.5).crop(rgb)
    assert (at_the_edge.shape, at_the_edge[0, 0, 1]) == ((20, 20, 3), 40)
    flat = Region(0.0, 0.5, 1.0, 0.6).crop(rgb)
    assert flat.shape == (40, 60, 3), "there is no more picture than that"


@given(shares, shares, shares, shares, sides, sides)
def test_crop_any_region_lies_in_the_picture(
    left: float, top: float, right: float, bottom: float, width: int, height: int
) -> None:
    left, right = sorted((left, right))
    top, bottom = sorted((top, bottom))
    if not (left < right and top < bottom):
        return
    seen = Region(left, top, right, bottom).crop(picture(width, height))
    rows, columns = seen[:, 0, 0], seen[0, :, 1]
    assert len(rows) >= 1 <= len(columns)
    # Half a pixel may be missing at an edge.
    assert rows[0] <= max(0, top * height)
    assert columns[0] <= max(0, left * width)
    assert rows[-1] + 1.5 >= bottom * height
    assert columns[-1] + 1.5 >= right * width


@pytest.mark.parametrize(
    "box", [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (0, float("nan"), 1, 1), (1.1, 0, 1.4, 1), (0, 0, 7, 1)]
)
def test_region_outside_the_picture_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInputError, match=r"[Rr]egion"):
        Region(*box)
