"""Display matrices, whole and strange."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense.video.orientation import Orientation

ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 0, 0, 0), Orientation()),
        ((ONE // 2, 0, 0, -ONE * 3), Orientation(flipped=True)),
        ((60000, 20000, -20000, 60000), Orientation()),
        ((-(1 << 31), 0, 0, -(1 << 31)), Orientation(mirrored=True, flipped=True)),
        ((20000, 60000, -60000, 20000), Orientation(transposed=True, mirrored=True)),
    ],
)
def test_orientation_of_scaling_or_tilting_matrix_is_nearest_one(
    matrix: tuple[int, int, int, int], expected: Orientation
) -> None:
    a, b, c, d = matrix
    assert Orientation.of_matrix(np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], dtype=np.int32)) == expected
