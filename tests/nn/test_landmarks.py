"""Statistics of bodies are what they say, and do not care where a body stands or how large it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fitsense.nn.landmarks import LANDMARKS, NUM_FEATURES, augment, landmark_features, mirror


def bodies(seed: int, clips: int = 2, frames: int = 7) -> torch.Tensor:
    """Bodies at random that hang together: a person's landmarks about places that move a little."""
    random = np.random.default_rng(seed)
    points = len(LANDMARKS)
    places = random.normal(0, 0.4, (clips, 1, points, 3)) + random.normal(0, 0.05, (clips, frames, points, 3))
    image = 0.3 * places[..., :2] + random.normal(0, 0.1, (clips, 1, 1, 2))
    visible = random.uniform(0.2, 1.0, (clips, frames, points, 1))
    return torch.from_numpy(np.concatenate([image, places, visible], axis=-1).astype(np.float32))


@given(st.integers(0, 10**6), st.integers(2, 20))
def test_landmark_features_are_finite_and_of_the_stated_number(seed: int, frames: int) -> None:
    found = landmark_features(bodies(seed, frames=frames))
    assert found.shape == (2, NUM_FEATURES)
    assert found.isfinite().all()


@given(st.integers(0, 10**6), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.7, 1.5))
def test_landmark_features_ignore_position_and_size_in_the_picture(
    seed: int, right: float, down: float, size: float
) -> None:
    one = bodies(seed)
    other = one.clone()
    other[..., :2] = size * other[..., :2] + torch.tensor([right, down])
    other[..., 2:5] = other[..., 2:5] + torch.tensor([right, 0.0, down])
    torch.testing.assert_close(landmark_features(one), landmark_features(other), atol=2e-3, rtol=2e-3)


def test_landmark_features_of_nobody_are_zero_except_the_minimum_spread() -> None:
    nobody = landmark_features(torch.zeros(1, 5, len(LANDMARKS), 6))
    assert nobody.abs().max() <= 1e-3 + 1e-6


@given(st.integers(0, 10**6))
def test_landmark_features_of_half_of_the_frames_count_half(seed: int) -> None:
    half = bodies(seed, frames=8)
    half[:, 4:, :, 5] = 0.0
    described = NUM_FEATURES // 5
    # The last number that describes a frame says whether somebody was found; the first statistic is the mean.
    assert landmark_features(half)[:, described - 1].tolist() == pytest.approx([0.25, 0.25])


@given(st.integers(0, 10**6))
def test_mirror_swaps_sides_and_twice_is_the_identity(seed: int) -> None:
    one = bodies(seed)
    mirrored = mirror(one)
    torch.testing.assert_close(mirror(mirrored), one)
    left, right = LANDMARKS.index(15), LANDMARKS.index(16)
    torch.testing.assert_close(mirrored[:, :, left, 3:5], one[:, :, right, 3:5])
    torch.testing.assert_close(mirrored[:, :, left, 2], -one[:, :, right, 2])


@given(st.integers(0, 10**6))
def test_variation_turns_bodies_without_bending_them(seed: int) -> None:
    one = bodies(seed)
    torch.manual_seed(seed)
    turned = augment(one, yaw=1.0, tilt=0.2, noise=0.0, bias=0.0)
    for clip, (before, after) in enumerate(zip(one, turned, strict=True)):
        lengths = torch.cdist(before[..., 2:5], before[..., 2:5])
        same, swapped = (torch.cdist(bent[..., 2:5], bent[..., 2:5]) for bent in (after, mirror(after[None])[0]))
        closest = min((lengths - same).abs().max().item(), (lengths - swapped).abs().max().item())
        assert closest < 1e-3, clip
