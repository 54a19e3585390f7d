"""The repetition counter at the end of runs and sets."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.repetitions.candidate import Candidate
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.cycles import Cycle
from fitsense.repetitions.movement import Repetition
from tests.helpers.movements import count, drawn, numbers, swings


def test_end_run_single_repetition_is_reported() -> None:
    repetitions = RepetitionCounter()
    for picture, time_s in drawn(swings(3.0, 1), 5.0):
        assert repetitions.push(picture, time_s) == []
    (one,) = repetitions.end_run(5.0)
    assert isinstance(one, Repetition)
    assert (one.start_s, one.end_s) == pytest.approx((1.0, 4.0), abs=0.7)


@pytest.mark.parametrize(("part", "number"), [(0.8, 3), (0.9, 4)])
def test_end_run_amid_the_way_back_is_no_repetition(part: float, number: int) -> None:
    end_s = 1.0 + 3.0 * (3 + part)
    assert numbers(count(drawn(swings(3.0, 4), end_s), end_s)) == (number, 0)


@pytest.mark.parametrize(
    ("values", "cut_off"),
    [
        ({}, False),
        ({"returns": 0.4}, True),
        ({"returns": 0.4, "end_s": 9.0}, False),
        ({"returns": 0.4, "alternating": True}, False),
        ({"returns": 0.4, "is_full": False}, False),
        ({"start_s": 9.2}, True),
        ({"start_s": 8.2, "end_s": 9.0}, True),
        ({"start_s": 9.2, "alternating": True}, False),
    ],
)
def test_is_cut_off_less_return_at_the_end_or_less_length(values: dict[str, Any], cut_off: bool) -> None:
    stated: dict[str, Any] = {"start_s": 8.0, "end_s": 10.0, "alternating": False, "is_full": True} | values
    returns = stated.pop("returns", 1.0)
    cycle = Cycle(80, 90, 100, 0.9, 1.0)
    candidate = Candidate(cycle=cycle, quality=0.9, is_steady=False, typical_s=2.0, later_ends_s=(), **stated)
    assert candidate.is_cut_off(10.0, returns) is cut_off


def test_end_run_resets_the_counter() -> None:
    thumbnails = drawn(swings(1.5, 4), 8.0)
    repetitions = RepetitionCounter()
    first = [one for picture, time_s in thumbnails for one in repetitions.push(picture, time_s)]
    first += repetitions.end_run(8.0)
    assert repetitions.end_run(8.0) == []
    again = [one for picture, time_s in thumbnails for one in repetitions.push(picture, time_s)]
    assert again + repetitions.end_run(8.0) == first


@given(cut_s=st.floats(0.5, 9.0), tempo_s=st.floats(0.8, 2.5))
@settings(max_examples=15)
def test_end_run_in_the_past_drops_later_thumbnails(cut_s: float, tempo_s: float) -> None:
    """A camera movement is noticed late."""
    repetitions = RepetitionCounter()
    thumbnails = drawn(swings(tempo_s, 9), 10.0)
    before = [one for picture, time_s in thumbnails for one in repetitions.push(picture, time_s)]
    ended = repetitions.end_run(cut_s)
    assert all(one.start_s < one.end_s <= cut_s for one in ended)
    reported = before + ended
    assert all(one.start_s < one.end_s for one in reported)
    assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(reported))


@pytest.mark.parametrize("rest_s", [3.0, 8.0])
def test_end_set_single_repetition_before_a_rest_is_counted(rest_s: float) -> None:
    repetitions = RepetitionCounter()
    reported = []
    for picture, time_s in drawn(swings(2.0, 1, before_s=4.0), 6.0 + rest_s):
        reported += repetitions.push(picture, time_s)
    assert reported == []
    # A classifier's segment: half a second late at either end.
    (only,) = repetitions.end_set(4.5, 6.5)
    assert isinstance(only, Repetition)
    assert only.start_s == pytest.approx(4.0, abs=0.5)
    assert only.end_s == pytest.approx(6.0, abs=0.5)
    assert repetitions.end_set(4.5, 6.5) == []
    assert repetitions.end_run(6.0 + rest_s) == []


def test_end_set_after_repetitions_were_given_gives_none() -> None:
    repetitions = RepetitionCounter()
    reported = []
    for picture, time_s in drawn(swings(1.5, 3), 10.0):
        reported += repetitions.push(picture, time_s)
    assert numbers(reported) == (3, 0)
    assert repetitions.end_set(1.0, 5.5) == []


@pytest.mark.parametrize(("start", "begins"), [(0, True), (10, False), (20, True)])
def test_begins_as_cycle_between_far_turning_points_does_not(start: int, begins: bool) -> None:
    heights = [math.cos(math.pi * moment / 10) for moment in range(60)]
    path = np.array([[height, 0.0] for height in heights])
    assert Cycle(start, start + 10, start + 20, 0.9, 2.0).begins_as(path) is begins


def test_end_set_without_movement_gives_none() -> None:
    repetitions = RepetitionCounter()
    for picture, time_s in drawn(lambda _: 0.0, 6.0):
        repetitions.push(picture, time_s)
    assert repetitions.end_set(1.0, 5.0) == []
    assert RepetitionCounter().end_set(1.0, 5.0) == []
