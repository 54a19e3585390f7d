"""CSV, read back by the csv module."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.catalogue import load_catalogue
from fitsense.workouts.csv import COLUMNS, to_csv
from fitsense.workouts.workout import Workout
from tests.workouts.strategies import NO_LENGTH, workouts


def read(document: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document, newline=""), strict=True))


def number(text: str) -> float | None:
    return float(text) if text else None


@settings(max_examples=20)
@given(st.lists(workouts(), max_size=2))
def test_to_csv_has_one_row_per_set(several: list[Workout]) -> None:
    rows = iter(read(to_csv(several)))
    for workout in several:
        for index, one in enumerate(workout.sets):
            row = next(rows)
            assert (row["source"], row["subject"]) == (workout.source, workout.subject or "")
            assert (row["set"], row["exercise_set"]) == (str(index + 1), str(one.index))
            assert (row["exercise"], row["name"]) == (one.exercise, load_catalogue().exercise_name(one.exercise))
            for column in ("start_s", "end_s", "repetitions", "attempts"):
                assert number(row[column]) == getattr(one, column)
            for column in ("duration_s", "time_under_tension_s", "tempo_mean_s", "tempo_spread_s"):
                value = getattr(one, column)
                assert number(row[column]) == (None if value is None else pytest.approx(value, abs=0.0006))
            for column, media_s in (("started_at", one.start_s), ("ended_at", one.end_s)):
                time = datetime.fromisoformat(row[column])
                assert abs((time - workout.time_at(media_s)).total_seconds()) < 0.001
                assert workout.started_at is not None
                assert time.utcoffset() == workout.started_at.utcoffset()
            rest = one.start_s - workout.sets[index - 1].end_s if index else None
            assert number(row["rest_before_s"]) == (None if rest is None else pytest.approx(rest, abs=0.0006))
    assert next(rows, None) is None


@settings(max_examples=20)
@given(workouts())
def test_to_csv_without_wall_clock_leaves_times_empty(workout: Workout) -> None:
    rows = read(to_csv([attrs.evolve(workout, started_at=None)]))
    assert len(rows) == len(workout.sets)
    assert {row["started_at"] + row["ended_at"] for row in rows} <= {""}


def test_to_csv_without_sets_has_header_only() -> None:
    assert to_csv([NO_LENGTH]) == ",".join(COLUMNS) + "\r\n"
