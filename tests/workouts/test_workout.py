"""Workouts from current, older and truncated event logs."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError, SchemaError
from fitsense.events.log import EventLog, read_log
from fitsense.workouts.workout import Rest, Workout, WorkoutSet, has_workout, workout_of
from tests.workouts.strategies import workouts

START = datetime(2026, 5, 1, 18, 30, tzinfo=UTC)


def log_of(*emitted: tuple[str, dict[str, Any]], at_s: float = 1000.0, start: datetime = START) -> EventLog:
    """A log of these events, each emitted `at_s` or at its end."""
    lines = [
        json.dumps(
            {
                "type": f"fitsense.{name}",
                "source": "urn:example:session:1",
                "id": f"{number:010d}",
                "time": (start + timedelta(seconds=min(at_s, data.get("end_s", at_s)))).isoformat(),
                "data": data,
            }
        )
        for number, (name, data) in enumerate(emitted)
    ]
    # Python writes Infinity, which is no JSON, where others write a number that is too large.
    (log,) = read_log(line.replace("Infinity", "1e999") for line in lines)
    return log


def segment(exercise: str, start_s: float, end_s: float, **more: Any) -> tuple[str, dict[str, Any]]:
    data = {"exercise": exercise, "start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s}
    return "exercise.ended", {**data, "confidence": 0.9, "scores": {}, "muscles": {}, **more}


def set_data(exercise: str, index: int, start_s: float, end_s: float, repetitions: int) -> dict[str, Any]:
    return {
        "exercise": exercise, "index": index, "start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s,
        "repetitions": repetitions, "attempts": 1, "time_under_tension_s": end_s - start_s, "tempo_mean_s": 2.0,
        "tempo_spread_s": None, "rest_before_s": None,
    }  # fmt: skip


def session_ended(start_s: float, end_s: float, **more: Any) -> tuple[str, dict[str, Any]]:
    figures = {"reason": "finished", "frames": 9, "late_frames": 0, "windows": 3, "exercises": [], "idle_s": 0.0}
    data = {**figures, "start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s, "muscle_load_s": {}}
    return "session.ended", {**data, **more}


def started(exercise: str, start_s: float) -> tuple[str, dict[str, Any]]:
    return "exercise.started", {"exercise": exercise, "start_s": start_s, "confidence": 0.9}


def repetition(exercise: str, index: int, start_s: float, end_s: float) -> tuple[str, dict[str, Any]]:
    data = {"exercise": exercise, "index": index, "start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s}
    return "repetition.completed", {**data, "confidence": 0.8}


def test_workout_of_complete_log_uses_summary() -> None:
    first, second = set_data("squat", 1, 5.0, 25.0, 8), set_data("squat", 2, 85.0, 100.0, 6)
    workout = workout_of(
        log_of(
            segment("squat", 4.0, 26.0, sets=[set_data("squat", 1, 5.0, 20.0, 7)]),
            segment("squat", 84.0, 101.0, sets=[second]),
            session_ended(0.0, 120.0, sets=[first, second]),
        )
    )
    assert (workout.start_s, workout.end_s, workout.complete) == (0.0, 120.0, True)
    assert [(one.index, one.repetitions, one.attempts) for one in workout.sets] == [(1, 8, 1), (2, 6, 1)]
    assert list(workout.periods) == [workout.sets[0], Rest(25.0, 85.0), workout.sets[1]]
    assert workout.started_at == START
    assert workout.time_at(85.0) == START + timedelta(seconds=85)


def test_workout_of_log_without_end_uses_ended_exercises() -> None:
    workout = workout_of(
        log_of(
            segment("squat", 4.0, 20.0, sets=[set_data("squat", 1, 5.0, 20.0, 7)]),
            # Taken up again without a rest: the same set, further on.
            segment("squat", 22.0, 30.0, sets=[set_data("squat", 1, 5.0, 29.0, 11)]),
            segment("unknown", 31.0, 40.0, sets=[]),
        )
    )
    assert [(one.start_s, one.end_s, one.repetitions) for one in workout.sets] == [(5.0, 29.0, 11)]
    assert not workout.complete
    assert (workout.start_s, workout.end_s) == (4.0, 40.0)


def test_workout_of_set_in_parts_without_end_joins_them() -> None:
    parts = [
        set_data("squat", 1, 5.0, 11.0, 3),
        set_data("squat", 1, 15.0, 17.0, 1),
        set_data("squat", 1, 20.0, 26.0, 3),
    ]
    for one, (mean, spread) in zip(parts, [(2.0, 0.0), (2.0, None), (1.0, 0.5)], strict=True):
        one.update(tempo_mean_s=mean, tempo_spread_s=spread)
    workout = workout_of(log_of(*(segment("squat", one["start_s"], one["end_s"], sets=[one]) for one in parts)))
    (only,) = workout.sets
    assert (only.start_s, only.end_s, only.repetitions) == (5.0, 26.0, 7)
    assert only.tempo_mean_s == pytest.approx((3 * 2 + 2 + 3) / 7)
    tempi = [2.0] * 4 + [1 - 0.5 * 1.5**0.5, 1.0, 1 + 0.5 * 1.5**0.5]
    assert only.tempo_spread_s == pytest.approx(statistics.pstdev(tempi))


@pytest.mark.parametrize("ended", [True, False])
def test_workout_of_older_log_has_no_repetitions(ended: bool) -> None:
    emitted = [
        segment("squat", 4.0, 20.0),
        segment("unknown", 20.0, 30.0),
        segment("plank", 30.0, 60.0),
        segment("squat", 70.0, 80.0),
    ]
    workout = workout_of(log_of(*emitted, *([session_ended(0.0, 90.0)] if ended else [])))
    assert [(one.exercise, one.index) for one in workout.sets] == [("squat", 1), ("plank", 1), ("squat", 2)]
    assert {one.repetitions for one in workout.sets} == {None}
    assert workout.complete is ended


def test_workout_of_truncated_log_has_open_set() -> None:
    workout = workout_of(
        log_of(
            started("squat", 4.0),
            segment("squat", 4.0, 20.0, sets=[set_data("squat", 1, 5.0, 20.0, 7)]),
            started("squat", 60.0),
            repetition("squat", 1, 60.0, 62.0),
            repetition("squat", 2, 62.0, 65.0),
        )
    )
    assert [(one.index, one.start_s, one.end_s, one.repetitions) for one in workout.sets] == [
        (1, 5.0, 20.0, 7),
        (2, 60.0, 65.0, 2),
    ]
    assert (workout.sets[1].time_under_tension_s, workout.sets[1].tempo_mean_s) == (5.0, 2.5)


@pytest.mark.parametrize("emitted", [[started("unknown", 3.0)], [started("squat", 3.0)], []])
def test_workout_of_open_set_without_length_omits_it(emitted: list[tuple[str, dict[str, Any]]]) -> None:
    workout = workout_of(log_of(("session.started", {}), *emitted))
    assert workout.sets == ()
    assert not workout.complete


def test_workout_of_overlapping_sets_are_trimmed() -> None:
    sets = [
        set_data("plank", 1, 0.0, 30.0, 0),
        set_data("push_up", 1, 29.0, 40.0, 5),
        set_data("row", 1, 33.0, 39.0, 2),
    ]
    workout = workout_of(log_of(session_ended(0.0, 50.0, sets=sets)))
    assert [(one.exercise, one.start_s, one.end_s) for one in workout.sets] == [
        ("plank", 0.0, 30.0),
        ("push_up", 30.0, 40.0),
    ]


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1e400), (-1e400, 9.0), (0.0, 1e300)])
def test_workout_of_extreme_times_are_refused(start_s: float, end_s: float) -> None:
    sets = [set_data("squat", 1, 1.0, 1.0004, 1), set_data("row", 1, 2.0, end_s, 3)]
    log = log_of(session_ended(start_s, end_s, sets=sets), at_s=9.0)
    if math.isinf(start_s) or math.isinf(end_s):
        with pytest.raises(InvalidInputError, match="workout: expected a session"):
            workout_of(log, START)
    else:
        assert [one.exercise for one in workout_of(log, START).sets] == ["row"]


def test_workout_of_unix_epoch_has_no_wall_clock() -> None:
    log = log_of(session_ended(0.0, 90.0), start=datetime(1970, 1, 1, tzinfo=UTC))
    assert workout_of(log).started_at is None
    with pytest.raises(InvalidInputError, match="--started-at"):
        workout_of(log).time_at(3.0)
    given_start = datetime(2026, 5, 1, 18, 30, tzinfo=timezone(timedelta(hours=2)))
    workout = workout_of(log, given_start)
    assert workout.time_at(3.0).isoformat() == "2026-05-01T18:30:03+02:00"
    assert workout.zone_offset == timedelta(hours=2)


def test_time_at_beyond_calendar_is_refused() -> None:
    workout = Workout("urn:a", None, START, 0.0, 1e12, ())
    with pytest.raises(InvalidInputError, match="is no date"):
        workout.time_at(workout.end_s)


@pytest.mark.parametrize(
    ("emitted", "message"),
    [
        (segment("squat", 4.0, 20.0, confidence="high"), r"exercise.ended: at \$.confidence"),
        (session_ended(0.0, 9.0, sets=[{"exercise": "squat"}]), r"session.ended: at \$.sets\[0\]"),
        (started("Squat!", 4.0), r"exercise.started: at \$.exercise"),
    ],
)
def test_workout_of_invalid_events_are_refused(emitted: tuple[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        workout_of(log_of(emitted))


@pytest.mark.parametrize(
    ("start_s", "end_s", "sets"),
    [
        (0.0, 5.0, [WorkoutSet("squat", 1, 1.0, 6.0)]),
        (2.0, 9.0, [WorkoutSet("squat", 1, 1.0, 6.0)]),
        (0.0, 9.0, [WorkoutSet("squat", 1, 1.0, 6.0), WorkoutSet("row", 1, 5.0, 8.0)]),
        (0.0, 9.0, [WorkoutSet("squat", 1, 1.0, 1.0001)]),
        (0.0, float("inf"), []),
        (float("nan"), 9.0, []),
    ],
)
def test_workout_invalid_times_are_refused(start_s: float, end_s: float, sets: list[WorkoutSet]) -> None:
    with pytest.raises(InvalidInputError, match="workout: expected"):
        Workout("urn:a", None, None, start_s, end_s, tuple(sets))


def test_has_workout_other_logs_is_false() -> None:
    assert has_workout(log_of(("session.started", {})))
    assert not has_workout(log_of(("session.warning", {}), ("plugin.event", {})))


@given(workouts())
def test_periods_are_contiguous(workout: Workout) -> None:
    periods = list(workout.periods)
    assert [one for one in periods if isinstance(one, WorkoutSet)] == list(workout.sets)
    for before, after in itertools.pairwise(periods):
        assert before.end_s == after.start_s
        assert not (isinstance(before, Rest) and isinstance(after, Rest))


@given(st.lists(st.tuples(st.sampled_from(["squat", "row", "unknown"]), st.integers(0, 99), st.integers(0, 99))))
def test_workout_of_any_segments_is_valid(emitted: list[tuple[str, int, int]]) -> None:
    events = [segment(exercise, start_s, start_s + seconds) for exercise, start_s, seconds in emitted]
    workout = workout_of(log_of(("session.started", {}), *events))
    seconds = {
        at for exercise, start_s, long in emitted if exercise != "unknown" for at in range(start_s, start_s + long)
    }
    assert {at for one in workout.sets for at in range(round(one.start_s), round(one.end_s))} == seconds
