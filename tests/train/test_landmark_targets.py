"""Landmarks of whole pictures, as they lie in the window that was cut out of these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.data.frames import Recording
from fitsense.imaging.resize import fitted_size
from fitsense.nn.landmarks import LANDMARKS, mirror
from fitsense.train.clip_augmentation import Augmentation, Crop, augment
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.types import ClipSpec
from tests.helpers.tiny_models import make_sample

SEER = ClipSpec(4, 2.0, 96, 64, fit="pad")
"""How the guide sees pictures."""


def guide(image: np.ndarray, times: np.ndarray) -> LandmarkTargets:
    """Knows for each time where all landmarks are, (frames, 2) in 0..1 of its padded square."""
    landmarks = np.zeros((len(times), 33, 6), np.float32)
    landmarks[..., :2] = image[:, None]
    landmarks[..., 2:5] = np.arange(33)[:, None] / 33
    landmarks[..., 5] = 1
    item = make_sample("squat", "s")
    return LandmarkTargets(SEER, {item.key: Recording(item, times, landmarks)})


def in_its_square(x: float, y: float, width: int, height: int) -> np.ndarray:
    """A place in a picture, in pixels, as the guide has it."""
    wide, high = fitted_size(width, height, SEER)
    return np.array([[0.5 + (x / width - 0.5) * wide / SEER.size, 0.5 + (y / height - 0.5) * high / SEER.size]])


@given(st.integers(0, 2**31), st.integers(48, 90), st.integers(48, 90), st.floats(0.4, 0.6), st.floats(0.4, 0.6))
def test_landmarks_of_a_crop_are_in_its_coordinates(
    seed: int, width: int, height: int, across: float, down: float
) -> None:
    """A white spot, found again in what was cut out."""
    x, y = int(across * width), int(down * height)
    picture = np.zeros((1, height, width, 3), np.uint8)
    picture[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    moving = Augmentation(zoom=0.7, shift=0.4, light=0, colour=0)
    clip, cut = augment(picture, ClipSpec(1, 1.0, 40, 40), moving, np.random.default_rng(seed))
    bright = clip[0, ..., 0].astype(float)
    rows, columns = np.indices(bright.shape) + 0.5
    seen = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum() / 40 - 0.5
    time = np.zeros(1)
    found = guide(in_its_square(x + 0.5, y + 0.5, width, height), time).landmarks("squat s", time, cut)
    assert (found.shape, found.dtype.name) == ((1, len(LANDMARKS), 6), "float32")
    # Half a pixel of the guide's, whose pictures are of whole pixels.
    np.testing.assert_allclose(found[0, :, :2], np.broadcast_to(seen, (len(LANDMARKS), 2)), atol=0.03)


def test_landmarks_of_a_mirrored_crop_swap_sides() -> None:
    import torch

    time = np.zeros(1)
    knows = guide(in_its_square(20, 30, 60, 50), time)
    plain = knows.landmarks("squat s", time, Crop(60, 50, 5, 0, 50, mirrored=False))
    mirrored = knows.landmarks("squat s", time, Crop(60, 50, 5, 0, 50, mirrored=True))
    assert plain[0, 0, 0] == pytest.approx((20 - 5) / 50 - 0.5, abs=0.01)
    assert mirrored[0, 0, 0] == pytest.approx(-plain[0, 0, 0])
    np.testing.assert_array_equal(mirrored, mirror(torch.from_numpy(plain)[None])[0].numpy())


@given(st.lists(st.floats(-1, 12), min_size=1, max_size=8))
def test_landmarks_between_samples_are_those_of_the_nearest_time(asked: list[float]) -> None:
    """The guide may have looked less often than the pupil does."""
    times = np.arange(0, 11, 2.0)
    knows = guide(np.stack([times / 10, times / 10], axis=1), times)
    found = knows.landmarks("squat s", np.array(asked), Crop(96, 64, 0, 0, 96, mirrored=False))
    when = (found[:, 0, 0] + 0.5) * 10
    for time, at in zip(asked, when, strict=True):
        assert abs(time - at) == pytest.approx(np.abs(times - time).min(), abs=1e-4)
    assert ((found[:, 0, 5]) == 1).all()
