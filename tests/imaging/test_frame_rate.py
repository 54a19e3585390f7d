"""Invariants of skipping frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.imaging.frame_rate import RateLimiter, min_interval_s
from fitsense.types import ClipSpec
from tests.windowing.test_sampler import SPEC, run

STEP_S = min_interval_s([SPEC])


def kept(times: list[float], step_s: float = STEP_S) -> list[float]:
    thinning = RateLimiter(step_s)
    return [time_s for time_s in times if thinning.accept(time_s)]


@st.composite
def timestamps(draw: st.DrawFn) -> list[float]:
    """Times that mostly ascend, by steps of any size."""
    steps = draw(st.lists(st.floats(0.001, 0.2) | st.floats(-0.5, 3.0), min_size=1, max_size=80))
    return [round(float(time_s), 6) for time_s in np.cumsum([draw(st.floats(-5, 5)), *steps])]


@given(timestamps())
def test_rate_limiter_kept_frames_are_kept_again(times: list[float]) -> None:
    assert kept(kept(times)) == kept(times)


@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=80))
def test_rate_limiter_kept_frames_are_evenly_spaced(steps: list[float]) -> None:
    times = [float(time_s) for time_s in np.cumsum([0.0, *steps])]
    ours = kept(times)
    assert all(after - before >= STEP_S - 2e-6 for before, after in itertools.pairwise(ours))
    for time_s in times:
        assert any(0 <= time_s - one < STEP_S for one in ours)


@given(timestamps())
def test_sampler_limited_source_gives_the_same_windows(times: list[float]) -> None:
    """A picture encodes its frame's position in the list."""
    places = {time_s: place for place, time_s in reversed(list(enumerate(times)))}

    def windows(of: list[float]) -> list[object]:
        said: list[object] = []
        for output in run(of, places=[places[time_s] for time_s in of]):
            clips = getattr(output, "clips", {})
            said.append((type(output), {name: clip.frames.tobytes() for name, clip in clips.items()}))
            said.append([getattr(output, name) for name in ("start_s", "end_s") if hasattr(output, name)])
        return said

    assert windows(kept(times)) == windows(times)


@pytest.mark.parametrize(
    ("rate_hz", "per_second"), [(10, 10), (15, 15), (24, 12), (25, 12.5), (30, 15), (50, 50 / 3), (60, 50 / 3)]
)
def test_rate_limiter_any_camera_rate_gives_12_to_20(rate_hz: float, per_second: float) -> None:
    # Phones' intervals vary by a millisecond.
    noise = np.random.default_rng(0).uniform(-0.001, 0.001, round(20 * rate_hz))
    times = [index / rate_hz + float(noise[index]) for index in range(round(20 * rate_hz))]
    assert len(kept(times)) == pytest.approx(20 * per_second, rel=0.06)


def test_min_interval_higher_clip_rate_gives_two_frames_a_slot() -> None:
    assert min_interval_s([ClipSpec(frames=32, rate_hz=15.0, size=8, short_side=8), SPEC]) == pytest.approx(0.025)


def test_rate_limiter_without_interval_keeps_all() -> None:
    assert kept([0.0, 1e-6, 0.0, 0.5], 0.0) == [0.0, 1e-6, 0.0, 0.5]
