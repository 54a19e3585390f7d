"""Motion made from a pair of pictures."""

from __future__ import annotations

import numpy as np

from fitsense.train.photo_motion import swing
from fitsense.types import ClipSpec


def test_swing_moves_between_both_pictures_and_back() -> None:
    spec = ClipSpec(64, 12.0, 8, 8)
    pair = np.stack([np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)])
    for seed in range(20):
        window = swing(pair, spec, np.random.default_rng(seed))
        assert window.shape == (64, 3, 2)
        assert window.dtype == np.float32
        share = window[:, 0, 0]
        np.testing.assert_array_equal(window, np.broadcast_to(share[:, None, None], window.shape))
        assert -0.06 <= share.min() < 0.25
        assert 0.75 < share.max() <= 1.06
        assert np.abs(np.diff(share)).max() < 0.6
