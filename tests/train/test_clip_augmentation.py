"""Windows of recordings: those for measuring are a session's own, those for training vary within their bounds."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fitsense.data.clip_views import clip_views
from fitsense.data.frames import Recording
from fitsense.geometry import Region
from fitsense.imaging.resize import branch_images, person_square
from fitsense.train.clip_augmentation import (
    PERSON_ROOM,
    Augmentation,
    augment,
    augmented_windows,
    crop_or_pad,
    evenly_spaced,
    random_window,
)
from fitsense.types import ClipSpec, Frame, TimeArray, UInt8Array
from tests.helpers.tiny_models import make_sample

STILL = Augmentation(speed=0, zoom=1, shift=0, light=0, colour=0, mirror=False)
"""Changes nothing."""


@st.composite
def times(draw: st.DrawFn) -> TimeArray:
    """Of frames at any rate, constant or not, from any moment on."""
    steps = draw(st.lists(st.floats(0.01, 0.5), min_size=0, max_size=60))
    start = draw(st.floats(-100, 100))
    return start + np.cumsum([0.0, *steps])


specs = st.builds(ClipSpec, st.integers(1, 16), st.floats(1, 15), st.just(2), st.just(2))
seeds = st.integers(0, 2**31)


def recorded(at: TimeArray) -> Recording:
    """Recording whose pictures are one pixel each: the picture's number."""
    numbers = np.arange(len(at), dtype=np.uint8)[:, None, None, None]
    return Recording(make_sample("squat", "s"), at, np.broadcast_to(numbers, (len(at), 2, 2, 3)))


def pictures(seed: int, size: tuple[int, int]) -> UInt8Array:
    """Smooth ones, so that what is scaled can be compared."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (3, 4, 4, 3)).astype(float)
    rows, columns = (np.linspace(0, 3, side) for side in size)
    across = np.stack([np.interp(columns, range(4), line) for line in np.moveaxis(coarse, 2, -1).reshape(-1, 4)])
    across = across.reshape(3, 4, 3, -1)
    down = np.stack([np.interp(rows, range(4), line) for line in np.moveaxis(across, 1, -1).reshape(-1, 4)])
    return np.moveaxis(down.reshape(3, 3, size[1], size[0]), (1, 2, 3), (3, 2, 1)).round().astype(np.uint8)


@given(times(), specs, st.integers(1, 5))
def test_evenly_spaced_selects_the_frames_of_clip_views(at: TimeArray, spec: ClipSpec, number: int) -> None:
    recording = recorded(at)
    chosen = evenly_spaced(recording, spec, number)
    frames = [Frame(recording.values[index], float(time)) for index, time in enumerate(at)]
    seen = clip_views(frames, {"": spec}, number, mirror=False, inset=True)[""]
    assert np.stack(chosen).tolist() == seen[:, :, 0, 0, 0].tolist()


@given(times(), specs, seeds, st.floats(0, 1))
def test_random_window_indices_are_valid_and_ascending(at: TimeArray, spec: ClipSpec, seed: int, speed: float) -> None:
    rng = np.random.default_rng(seed)
    chosen = random_window(recorded(at), spec, Augmentation(speed=speed), rng)
    assert chosen.shape == (spec.frames,)
    assert chosen.min() >= 0
    assert chosen.max() < len(at)
    assert (np.diff(chosen) >= 0).all(), "time does not run backwards"


@given(specs, seeds, st.floats(0, 1))
def test_random_window_speed_stays_within_bounds(spec: ClipSpec, seed: int, speed: float) -> None:
    assume(spec.frames > 1)
    at = np.arange(0.0, 2.5 * spec.span_s, 0.002)
    chosen = random_window(recorded(at), spec, Augmentation(speed=speed), np.random.default_rng(seed))
    lasts = (at[chosen[-1]] - at[chosen[0]]) * spec.frames / (spec.frames - 1)
    # Half a frame may be missing at each end.
    assert spec.span_s / (1 + speed) - 0.01 <= lasts <= spec.span_s * (1 + speed) + 0.01


def test_random_window_covers_all_positions_and_speeds() -> None:
    spec, at = ClipSpec(8, 4.0, 2, 2), np.arange(0, 10, 0.01)
    rng = np.random.default_rng(0)
    chosen = np.stack([at[random_window(recorded(at), spec, Augmentation(speed=0.25), rng)] for _ in range(400)])
    assert chosen[:, 0].min() < 0.3
    assert chosen[:, -1].max() > 9.7
    paces = (chosen[:, -1] - chosen[:, 0]) / 1.75
    assert (paces.min(), paces.max()) == pytest.approx((1 / 1.25, 1.25), abs=0.03)
    # As much faster as slower.
    assert np.median(paces) == pytest.approx(1.0, abs=0.04)


sides = st.integers(8, 40)


@given(seeds, sides, sides, st.integers(4, 8), st.sampled_from(["crop", "pad"]))
def test_crop_or_pad_equals_branch_images_of_sessions(seed: int, height: int, width: int, size: int, fit: str) -> None:
    short_side = 8 if fit == "crop" else size
    spec = ClipSpec(3, 2.0, size, short_side, fit=fit)  # type: ignore[arg-type]
    seen = pictures(seed, (height, width))
    clip = crop_or_pad(seen, spec)
    assert (clip.shape, clip.dtype.name) == (spec.shape, "uint8")
    np.testing.assert_array_equal(clip, np.stack([branch_images(picture, {"": spec})[""] for picture in seen]))


augmentations = st.builds(
    Augmentation,
    zoom=st.floats(0.3, 1),
    shift=st.floats(0, 1),
    light=st.floats(0, 1),
    colour=st.floats(0, 1),
    mirror=st.booleans(),
)


@given(augmentations, seeds, sides, sides, st.integers(4, 12), st.sampled_from(["crop", "pad"]))
def test_augment_returns_the_shape_of_the_spec(
    augmentation: Augmentation, seed: int, height: int, width: int, size: int, fit: str
) -> None:
    spec = ClipSpec(3, 2.0, size, size, fit=fit)  # type: ignore[arg-type]
    seen = pictures(seed, (height, width))
    kept = seen.copy()
    clip, cut = augment(seen, spec, augmentation, np.random.default_rng(seed))
    assert (clip.shape, clip.dtype.name) == (spec.shape, "uint8")
    np.testing.assert_array_equal(seen, kept, "what is on disk stays as it is")
    again, same = augment(seen, spec, augmentation, np.random.default_rng(seed))
    np.testing.assert_array_equal(clip, again)
    assert cut == same
    assert 0 <= cut.left <= cut.left + cut.side <= cut.width
    assert 0 <= cut.top <= cut.top + cut.side <= cut.height
    assert round(min(cut.width, cut.height) * augmentation.zoom) <= cut.side
    assert augmentation.mirror or not cut.mirrored


@given(seeds, st.integers(20, 40), st.integers(20, 40), st.sampled_from(["crop", "pad"]))
def test_augment_without_variation_equals_crop_or_pad(seed: int, height: int, width: int, fit: str) -> None:
    spec = ClipSpec(3, 2.0, 12, 12, fit=fit)  # type: ignore[arg-type]
    seen = pictures(seed, (height, width))
    clip, _ = augment(seen, spec, STILL, np.random.default_rng(seed))
    # But for who scales it, and for half a pixel where the middle lies between two: 10; of unlike pictures, 35.
    assert np.abs(clip.astype(float) - crop_or_pad(seen, spec)).mean() < 15


@given(seeds)
def test_augment_reported_crop_matches_the_pixels(seed: int) -> None:
    """A picture whose pixels say where they are."""
    rows, columns = np.indices((50, 70))
    seen = np.stack([rows * 3, columns * 3, np.full_like(rows, 100)], axis=-1).astype(np.uint8)[None]
    moving = attrs.evolve(STILL, zoom=0.5, shift=1.0, mirror=True)
    clip, cut = augment(seen, ClipSpec(1, 1.0, 25, 25), moving, np.random.default_rng(seed))
    top, left = clip[0, 0, 0, :2] / 3
    bottom, right = clip[0, -1, -1, :2] / 3
    if cut.mirrored:
        left, right = right, left
    assert (top, left) == pytest.approx((cut.top, cut.left), abs=1.5)
    assert (bottom, right) == pytest.approx((cut.top + cut.side - 1, cut.left + cut.side - 1), abs=1.5)


@given(hnp.arrays(np.uint8, (2, 8, 8, 3)), seeds)
def test_augment_light_alone_keeps_order_of_brightness(seen: UInt8Array, seed: int) -> None:
    grey = np.repeat(seen[..., :1], 3, axis=-1)
    changing = attrs.evolve(STILL, light=0.9)
    clip, _ = augment(grey, ClipSpec(2, 1.0, 8, 8), changing, np.random.default_rng(seed))
    # Brightness and contrast: darker stays darker, and alike stays alike, in all frames at once.
    order = np.argsort(grey[..., 0].ravel(), kind="stable")
    assert (np.diff(clip[..., 0].ravel()[order].astype(int)) >= 0).all()
    assert np.ptp(clip.astype(int), axis=-1).max() <= 1


def test_augment_different_seeds_give_different_windows() -> None:
    seen, spec = pictures(0, (30, 40)), ClipSpec(3, 2.0, 12, 12)
    made = [augment(seen, spec, Augmentation(), np.random.default_rng(seed)) for seed in range(40)]
    assert len({clip.tobytes() for clip, _ in made}) == 40
    assert 8 < sum(cut.mirrored for _, cut in made) < 32
    levels = [clip.mean() for clip, _ in made]
    assert np.ptp(levels) > 30


class Corner:
    """Locates everybody in the upper left quarter of the picture."""

    def locate(self, frame: Frame) -> Region | None:
        return Region(0.0, 0.0, 0.5, 0.5)


@pytest.mark.parametrize(("fit", "light"), [("person", True), ("crop", False)])
def test_augmented_windows_show_the_person(fit: Any, light: bool) -> None:
    """Somebody light in a corner, which a crop of the middle cuts off."""
    picture = np.zeros((40, 90, 3), np.uint8)
    picture[:20, :12] = 250
    frames = [Frame(picture, at / 10) for at in range(30)]
    spec = ClipSpec(4, 5.0, 16, 24, fit=fit)
    varied = Augmentation(zoom=0.8, shift=0.2)

    def windows(seed: int) -> list[UInt8Array]:
        rng = np.random.default_rng(seed)
        return list(augmented_windows(iter(frames), spec, varied, 5, rng, Corner()))

    for window in windows(0):
        assert window.shape == (4, 16, 16, 3)
        assert window.dtype == np.uint8
        assert (window.max() > 100) == light
    for one, same, other in zip(windows(0), windows(0), windows(1), strict=True):
        np.testing.assert_array_equal(one, same)
        assert light != np.array_equal(one, other)


def test_augmented_windows_without_a_change_are_a_wider_square_around_the_person() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    spec = ClipSpec(1, 5.0, 26, 30, fit="person")
    (window,) = augmented_windows([Frame(picture, 0.0)], spec, STILL, 1, np.random.default_rng(0), Corner())
    square = person_square(picture, Region(0.0, 0.0, 0.5, 0.5), PERSON_ROOM)
    assert square.shape[0] == pytest.approx(
        PERSON_ROOM * person_square(picture, Region(0.0, 0.0, 0.5, 0.5)).shape[0], abs=1
    )
    assert abs(window[0].mean() - square.mean()) < 5
