"""Invariants of the repetition counter, on drawn blobs that are cheap, and on rendered figures with exact truth."""

from __future__ import annotations

import copy
import itertools
import math
from statistics import mean

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import Movement, Repetition
from fitsense.repetitions.projection import turning_points
from fitsense.repetitions.trajectory import SIDE, motion_thumbnail, path
from fitsense.synthetic.repetitions import Stroke
from tests.helpers.movements import count, drawn, late, numbers, swings


@settings(max_examples=5, deadline=None)
@given(st.floats(0.8, 3.0), st.integers(3, 4), st.integers(0, 99))
def test_counter_swings_are_counted_once_in_order_and_place(tempo_s: float, number: int, seed: int) -> None:
    end_s = 2.0 + number * tempo_s
    reported = count(drawn(swings(tempo_s, number), end_s, seed=seed), end_s)
    assert numbers(reported) == (number, 0)
    assert reported[0].start_s >= 0.0
    assert reported[-1].end_s <= end_s
    for index, one in enumerate(reported):
        assert isinstance(one, Repetition)
        assert 0.0 < one.confidence <= 1.0
        assert one.start_s < one.end_s
        assert one.start_s == pytest.approx(1.0 + index * tempo_s, abs=0.25 * tempo_s + 0.2)
    for before, after in itertools.pairwise(reported):
        assert before.end_s <= after.start_s


@pytest.mark.parametrize("tempo_s", [1.0, 1.5, 2.0])
def test_counter_span_reaches_to_both_ends_of_the_movement(tempo_s: float) -> None:
    end_s = 2.0 + 4 * tempo_s
    reported = count(drawn(swings(tempo_s, 4), end_s), end_s)
    # Without the edges, at most .92 of the movement.
    assert mean(one.end_s - one.start_s for one in reported) == pytest.approx(tempo_s, rel=0.07)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.7, 3.0), st.sampled_from([0.0, 0.7, 1.5]), st.sampled_from([0.0, 0.7, 1.5]), st.integers(0, 99))
@example(0.7, 0.0, 0.0, 0)
@example(6.0, 0.0, 0.0, 0)
def test_push_repetition_is_reported_at_most_one_late(tempo_s: float, pause_s: float, hold_s: float, seed: int) -> None:
    stroke = Stroke(tempo_s, hold_s=hold_s)
    cycle_s = stroke.moving_s + pause_s
    truth = [(1.0 + index * cycle_s, 1.0 + index * cycle_s + stroke.moving_s) for index in range(4)]

    def height(time_s: float) -> float:
        return next((stroke.amount(time_s - start_s) for start_s, end_s in truth if start_s <= time_s < end_s), 0.0)

    repetitions = RepetitionCounter()
    reported = []
    for picture, time_s in drawn(height, truth[-1][1] + 0.5, seed=seed):
        reported += [(one, time_s) for one in repetitions.push(picture, time_s)]
    # The last may be reported at the end of the run, and slow ones fill the window.
    assert len(reported) >= 2
    assert max(late(reported, truth)) <= 1


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(0.7, 2.5), min_size=3, max_size=6), st.floats(1.0, 8.0), st.integers(0, 99))
def test_push_repetition_found_too_late_is_not_reported(tempi_s: list[float], hidden_s: float, seed: int) -> None:
    ends_s = [1.0 + sum(tempi_s[: index + 1]) for index in range(len(tempi_s))]
    truth = [(end_s - tempo_s, end_s) for end_s, tempo_s in zip(ends_s, tempi_s, strict=True)]

    def height(time_s: float) -> float:
        return next((Stroke(e - s).amount(time_s - s) for s, e in truth if s <= time_s < e), 0.0)

    # No pass for some time, though thumbnails are kept.
    repetitions = RepetitionCounter()
    repetitions.state.next_s = hidden_s
    reported = []
    for picture, time_s in drawn(height, ends_s[-1] + 0.5, seed=seed):
        reported += [(one, time_s) for one in repetitions.push(picture, time_s)]
    assert all(number <= 1 for number in late(reported, truth))


@settings(max_examples=3, deadline=None)
@given(st.integers(-40, 400), st.sampled_from([0.25, 1.0, 2.0, 3.0]), st.floats(0, 30))
def test_counter_other_clock_or_light_gives_the_same(shift_quarters: int, contrast: float, light: float) -> None:
    thumbnails = drawn(swings(1.5, 4), 8.0)
    shift_s = shift_quarters / 4
    reported = count(thumbnails, 8.0)
    other = count(((contrast * picture + light, time_s + shift_s) for picture, time_s in thumbnails), 8.0 + shift_s)
    assert numbers(other) == numbers(reported) == (4, 0)
    for one, another in zip(reported, other, strict=True):
        assert another.start_s - shift_s == pytest.approx(one.start_s, abs=0.1)
        assert another.end_s - shift_s == pytest.approx(one.end_s, abs=0.1)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.0, 0.01, 20.0]))
def test_counter_still_or_noisy_picture_gives_none(seed: int, noise: float) -> None:
    assert count(drawn(lambda _: 0.0, 9.0, noise=noise, seed=seed), 9.0) == []


def test_counter_movement_without_return_gives_none() -> None:
    assert count(drawn(lambda time_s: min(1.0, time_s / 8), 10.0), 10.0) == []


def test_push_frames_above_max_rate_are_skipped() -> None:
    thumbnails = drawn(swings(1.5, 4), 8.0)
    doubled = [(picture, time_s + late_s) for picture, time_s in thumbnails for late_s in (0.0, 0.02)]
    assert count(doubled, 8.0) == count(thumbnails, 8.0)


def test_push_long_run_keeps_few_thumbnails() -> None:
    repetitions = RepetitionCounter(RepetitionConfig(interval_s=60.0))
    picture = np.zeros((SIDE, SIDE))
    for index in range(1000):
        repetitions.push(picture, index / 10)
    assert len(repetitions.state.times) == len(repetitions.state.thumbnails)
    assert sum(kept.nbytes for kept in repetitions.state.thumbnails) < 500_000


def test_counter_restored_state_continues_the_same() -> None:
    thumbnails = drawn(swings(1.5, 4), 8.0)
    repetitions = RepetitionCounter()
    reported = []
    for index, (picture, time_s) in enumerate(thumbnails):
        if index % 20 == 19:
            state = copy.deepcopy(repetitions.state)
            repetitions = RepetitionCounter()
            repetitions.state = state
        reported += repetitions.push(picture, time_s)
    assert reported + repetitions.end_run(8.0) == count(thumbnails, 8.0)


# No law: of 25 random movements, one is counted once more.
@pytest.mark.parametrize(("tempo_s", "seed"), [(1.5, 0), (2.2, 17), (3.0, 42)])
def test_push_wrongly_split_repetition_is_compensated(tempo_s: float, seed: int) -> None:
    end_s = 2.0 + 4 * tempo_s
    # As if the halves of the first had been taken for two.
    middle_s, first_end_s = 1.0 + 0.5 * tempo_s, 1.0 + tempo_s
    halves = [(1.0, middle_s), (middle_s, first_end_s)]
    repetitions = RepetitionCounter()
    told: list[Movement] = []
    for picture, time_s in drawn(swings(tempo_s, 4), end_s, seed=seed):
        if not told and time_s > first_end_s:
            told += [Repetition(*half, 1.0) for half in halves]
            repetitions.state.reported, repetitions.state.reported_s = halves, first_end_s
        told += repetitions.push(picture, time_s)
    assert numbers(told + repetitions.end_run(end_s)) == (4, 0)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.8, 2.5), st.floats(1.5, 4.0))
def test_counter_pauses_are_not_counted(tempo_s: float, pause_s: float) -> None:
    cycle_s = tempo_s + pause_s

    def height(time_s: float) -> float:
        into_s = (time_s - 1.0) % cycle_s
        moving = 1.0 <= time_s < 1.0 + 4 * cycle_s and into_s < tempo_s
        return 0.5 - 0.5 * math.cos(2 * math.pi * into_s / tempo_s) if moving else 0.0

    end_s = 1.0 + 4 * cycle_s
    assert numbers(count(drawn(height, end_s), end_s)) == (4, 0)


def test_motion_thumbnail_any_size_shows_the_picture() -> None:
    small = np.kron(np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 251, np.ones((8, 8)))
    picture = np.repeat(small.astype(np.uint8)[..., None], 3, axis=2)
    assert motion_thumbnail(picture).dtype == np.float32
    np.testing.assert_allclose(motion_thumbnail(picture), small[::8, ::8], atol=1e-3)
    np.testing.assert_allclose(
        motion_thumbnail(np.kron(picture, np.ones((2, 3, 1), np.uint8))), small[::8, ::8], atol=1e-3
    )
    assert motion_thumbnail(picture[:5, :3]).shape == (SIDE, SIDE)


def test_path_small_camera_motion_changes_little() -> None:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]

    def wall(shift: float) -> np.ndarray:
        return np.asarray(np.sin((rows + shift) / 3) + np.cos((columns - shift) / 4))

    still = np.stack([wall(0.3 * math.sin(index / 3)) for index in range(60)])
    walking = still.copy()
    walking[:, 8:14, 8:14] += np.sin(np.arange(60) / 3)[:, None, None]
    assert np.ptp(path(still, 12.0)) < 0.1 * np.ptp(path(walking, 12.0))


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=60), st.floats(0.1, 4))
def test_turning_points_alternate_by_the_minimum_change(values: list[float], least: float) -> None:
    view = np.array(values)
    found = turning_points(view, least)
    assert found == sorted(found)
    changes = np.diff(view[found])
    assert (np.abs(changes) >= least).all()
    assert (np.sign(changes[1:]) != np.sign(changes[:-1])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_rate_hz": 0.0}, "max_rate_hz: expected a number above 0"),
        ({"min_motion_share": 1.5}, "min_motion_share: expected a number in 0..1"),
        ({"window_s": 0.5}, "at least two of min_duration_s"),
        ({"interval_s": math.nan}, "interval_s: expected a number above 0"),
    ],
)
def test_config_invalid_values_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        RepetitionConfig(**arguments)


def test_push_time_not_later_is_refused() -> None:
    repetitions = RepetitionCounter()
    repetitions.push(np.zeros((SIDE, SIDE)), 1.0)
    for time_s in (1.0, 0.5, math.nan):
        with pytest.raises(InvalidInputError, match="time_s: expected"):
            repetitions.push(np.zeros((SIDE, SIDE)), time_s)


def test_stroke_invalid_tempo_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="tempo_s > 0"):
        Stroke(0.0)
