"""Views of clips."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense.data.clip_views import clip_views
from fitsense.errors import InvalidInputError
from fitsense.types import ClipSpec, Frame

SPEC = ClipSpec(frames=4, rate_hz=2.0, size=8, short_side=8)


def frames(count: int, rate_hz: float = 10.0) -> list[Frame]:
    """Pictures whose brightness is their number, brighter on their left."""
    left_right = np.array([[[[1]] * 4 + [[0]] * 4]], np.uint8).reshape(1, 8, 1)
    return [Frame(np.full((8, 8, 3), i, np.uint8) + 100 * left_right, i / rate_hz) for i in range(count)]


def test_clip_views_spread_over_clip() -> None:
    clips = clip_views(frames(60), {"a": SPEC}, views=3, mirror=False)["a"]
    assert clips.shape == (3, 4, 8, 8, 3)
    assert clips[:, :, 0, 7, 0].tolist() == [[2, 7, 12, 17], [22, 27, 32, 37], [42, 47, 52, 57]]


def test_clip_views_mirror_images_come_last() -> None:
    clips = clip_views(frames(60), {"a": SPEC}, views=2, mirror=True)["a"]
    assert len(clips) == 4
    np.testing.assert_array_equal(clips[2:], clips[:2, :, :, ::-1])
    assert (clips[:2] != clips[2:]).any()


def test_clip_views_short_clip_repeats_last_picture() -> None:
    short = clip_views(frames(5), {"a": SPEC}, views=2, mirror=False)["a"]
    assert short[0, :, 0, 7, 0].tolist() == [2, 4, 4, 4]
    np.testing.assert_array_equal(short[0], short[1])
    middle = clip_views(frames(60), {"a": SPEC}, views=1, mirror=False)["a"]
    assert middle[0, :, 0, 7, 0].tolist() == [22, 27, 32, 37]


def test_clip_views_without_frames_or_views_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one, got none"):
        clip_views([], {"a": SPEC}, views=1, mirror=False)
    with pytest.raises(InvalidInputError, match="at least 1, got 0"):
        clip_views(frames(5), {"a": SPEC}, views=0, mirror=False)
