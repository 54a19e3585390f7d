"""Leaps of a body that the picture takes with it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense.repetitions.leaps import leap_times, without_leaps

RATE_HZ = 10.0
MOMENTS = np.arange(120) / RATE_HZ
# Three joints that move by one torso length in 3 s.
MOVEMENT = np.stack([np.sin(2 * np.pi * MOMENTS / 3 + turn) / 2 for turn in (0.0, 0.5, 2.0)], axis=1)
BLINKS = (MOMENTS % 2 < 1).astype(float)
BLINK_TIMES = MOMENTS[1:][np.diff(BLINKS) != 0]


def no_leaps() -> NDArray[np.float64]:
    return np.zeros(0)


def test_without_leaps_movement_is_unchanged() -> None:
    np.testing.assert_array_equal(without_leaps(MOVEMENT, MOMENTS, lambda: MOMENTS), MOVEMENT)


@pytest.mark.parametrize("steps", [1, 2])
def test_without_leaps_removes_those_that_the_picture_takes_with_it(steps: int) -> None:
    """Also where landmarks take two steps."""
    blinks = np.convolve(BLINKS, np.full(steps, 1 / steps))[: len(BLINKS)]
    leaping = MOVEMENT + 0.9 * blinks[:, None]
    left = without_leaps(leaping, MOMENTS, lambda: BLINK_TIMES)
    wander = (left - MOVEMENT)[3:] - (left - MOVEMENT)[3:].mean(axis=0)
    # What is left is the way that the body itself went meanwhile.
    assert np.abs(wander).max() < 0.35
    assert np.abs(np.diff(wander, axis=0)).max() < 0.25


def test_without_leaps_keeps_those_of_the_body_alone() -> None:
    leaping = MOVEMENT + 0.9 * BLINKS[:, None]
    np.testing.assert_array_equal(without_leaps(leaping, MOMENTS, no_leaps), leaping)
    elsewhere = BLINK_TIMES + 0.5
    np.testing.assert_array_equal(without_leaps(leaping, MOMENTS, lambda: elsewhere), leaping)


def test_leap_times_are_those_at_which_a_caption_appears_or_vanishes() -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for at, blink in enumerate(BLINKS):
        picture = 100 + rng.normal(0, 2, (24, 24))
        row = 8 + 4 * np.sin(at / 5)
        picture += 80 * np.exp(-(((np.arange(24)[:, None] - row) / 2) ** 2))
        picture[19:22, 4:20] += 120 * blink
        pictures.append(picture.astype(np.float32))
    np.testing.assert_allclose(leap_times(pictures, MOMENTS.tolist()), BLINK_TIMES)


def test_leap_times_few_pictures_have_none() -> None:
    assert not leap_times([np.zeros((4, 4), np.float32)] * 2, [0.0, 0.1]).size
