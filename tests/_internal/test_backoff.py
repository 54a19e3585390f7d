"""Delays between attempts."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from fitsense._internal.backoff import Backoff, BackoffConfig

SECONDS = st.floats(0.01, 60.0)


def delays(backoff: Backoff, now_s: float) -> list[float]:
    """Delays after a loss at `now_s`, if every attempt takes no time and fails."""
    backoff.fail(now_s)
    found: list[float] = []
    while len(found) < 50 and (delay_s := backoff.delay_s(now_s)) is not None:
        found.append(delay_s)
        now_s += delay_s
    return found


def test_backoff_without_jitter_doubles_delays_until_timeout() -> None:
    backoff = Backoff(BackoffConfig(1.0, 5.0), 20.0, jitter=lambda: 1.0)
    assert delays(backoff, 100.0) == [1.0, 2.0, 4.0, 5.0, 5.0, 3.0]


@given(first_s=SECONDS, factor=st.floats(1.0, 100.0), timeout_s=SECONDS, seed=st.integers(0))
def test_backoff_with_jitter_keeps_delays_in_upper_half(
    first_s: float, factor: float, timeout_s: float, seed: int
) -> None:
    found = delays(Backoff(BackoffConfig(first_s, first_s * factor), timeout_s, jitter=random.Random(seed).random), 0.0)
    assert sum(found) <= timeout_s + 1e-6
    for number, delay_s in enumerate(found[:-1]):
        longest_s = min(first_s * 2**number, first_s * factor)
        assert longest_s / 2 - 1e-9 <= delay_s <= longest_s + 1e-9
    assert len(found) == 50 or math.isclose(sum(found), timeout_s, abs_tol=1e-6)


def test_backoff_timeout_zero_or_infinite_gives_no_or_endless_attempts() -> None:
    assert delays(Backoff(BackoffConfig(1.0, 5.0), 0.0), 7.0) == []
    assert len(delays(Backoff(BackoffConfig(1.0, 5.0), math.inf), 7.0)) == 50


def test_backoff_after_recovery_resets_only_if_it_lasted() -> None:
    backoff = Backoff(BackoffConfig(1.0, 8.0), 60.0, jitter=lambda: 1.0)
    backoff.fail(0.0)
    assert [backoff.delay_s(0.0) for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.recover(10.0)
    backoff.fail(11.0)
    assert backoff.delay_s(11.0) == 8.0
    backoff.recover(20.0)
    backoff.fail(60.0)
    assert backoff.delay_s(60.0) == 1.0
