"""Smoothing over time, which must not depend on how many values there are in a second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.repetitions.trajectory import smooth


def _left_of(wave_hz: float, reach_s: float, rate_hz: float) -> float:
    """Part of a wave's amplitude that smoothing leaves, away from the ends."""
    times = np.arange(0.0, 8.0, 1 / rate_hz)
    wave = np.exp(2j * np.pi * wave_hz * times)
    kept = smooth(np.column_stack([wave.real, wave.imag]), reach_s * rate_hz)
    inside = (times > reach_s) & (times < times[-1] - reach_s)
    return float(np.linalg.norm(kept[inside], axis=1).mean())


@given(st.floats(0.1, 3.0), st.floats(10.0, 60.0), st.floats(10.0, 60.0))
def test_equal_seconds_smooth_alike_at_any_rate(wave_hz: float, rate_hz: float, other_hz: float) -> None:
    assert _left_of(wave_hz, 0.2, rate_hz) == pytest.approx(_left_of(wave_hz, 0.2, other_hz), abs=0.05)


@given(st.floats(0.0, 9.0), st.integers(1, 30), st.floats(-5.0, 5.0))
def test_what_stands_still_stays(reach: float, count: int, value: float) -> None:
    values = np.full((count, 2), value)
    assert smooth(values, reach) == pytest.approx(values)


@given(st.floats(0.0, 1.0))
def test_less_than_one_value_to_either_side_changes_nothing(reach: float) -> None:
    values = np.random.default_rng(0).normal(size=(9, 3))
    assert smooth(values, reach) is values


def test_quick_waves_vanish_and_slow_ones_stay() -> None:
    assert _left_of(5.0, 0.2, 30.0) < 0.1
    assert _left_of(0.3, 0.2, 30.0) > 0.95
