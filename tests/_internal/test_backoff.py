"""When lost sources are tried again."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from fitsense._internal.backoff import Backoff

SECONDS = st.floats(0.01, 60.0)


def pauses(retries: Backoff, now_s: float) -> list[float]:
    """Those of an outage that begins now, if every attempt takes no time and fails."""
    retries.lost(now_s)
    found: list[float] = []
    while len(found) < 50 and (pause_s := retries.pause_s(now_s)) is not None:
        found.append(pause_s)
        now_s += pause_s
    return found


def test_pauses_double_up_to_the_longest_and_end_when_time_is_up() -> None:
    calm = Backoff(1.0, 5.0, 20.0, jitter=lambda: 1.0)
    assert pauses(calm, 100.0) == [1.0, 2.0, 4.0, 5.0, 5.0, 3.0]


@given(first_s=SECONDS, factor=st.floats(1.0, 100.0), give_up_s=SECONDS, seed=st.integers(0))
def test_jitter_keeps_pauses_within_their_upper_half_and_the_time_allowed(
    first_s: float, factor: float, give_up_s: float, seed: int
) -> None:
    found = pauses(Backoff(first_s, first_s * factor, give_up_s, jitter=random.Random(seed).random), 0.0)
    assert sum(found) <= give_up_s + 1e-6
    for number, pause_s in enumerate(found[:-1]):
        longest_s = min(first_s * 2**number, first_s * factor)
        assert longest_s / 2 - 1e-9 <= pause_s <= longest_s + 1e-9
    assert len(found) == 50 or math.isclose(sum(found), give_up_s, abs_tol=1e-6)


def test_no_time_means_no_attempt_and_endless_time_endless_attempts() -> None:
    assert pauses(Backoff(1.0, 5.0, 0.0), 7.0) == []
    assert len(pauses(Backoff(1.0, 5.0, math.inf), 7.0)) == 50


def test_a_connection_that_held_starts_afresh_and_one_that_did_not_goes_on() -> None:
    retries = Backoff(1.0, 8.0, 60.0, jitter=lambda: 1.0)
    retries.lost(0.0)
    assert [retries.pause_s(0.0) for _ in range(3)] == [1.0, 2.0, 4.0]
    retries.back(10.0)
    retries.lost(11.0)
    assert retries.pause_s(11.0) == 8.0
    retries.back(20.0)
    retries.lost(60.0)
    assert retries.pause_s(60.0) == 1.0
