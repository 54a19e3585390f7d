"""Workouts as CSV with one row per set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from fitsense.catalogue import load_catalogue
from fitsense.workouts.workout import Workout, WorkoutSet

COLUMNS = (
    "source",
    "subject",
    "set",
    "exercise",
    "name",
    "exercise_set",
    "start_s",
    "end_s",
    "duration_s",
    "started_at",
    "ended_at",
    "repetitions",
    "attempts",
    "time_under_tension_s",
    "tempo_mean_s",
    "tempo_spread_s",
    "rest_before_s",
)
"""Column names. ``set`` counts the sets of the workout from 1, ``exercise_set`` those of the exercise; ``start_s`` and
``end_s`` are seconds of media time, ``started_at`` and ``ended_at`` wall-clock times. Unknown values are empty."""


def to_csv(workouts: Iterable[Workout]) -> str:
    """Write workouts as CSV (RFC 4180) with a header line; workouts without sets have no row."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for workout in workouts:
        before_s: float | None = None
        for number, one in enumerate(workout.sets, 1):
            writer.writerow(_row(workout, number, one, before_s))
            before_s = one.end_s
    return file.getvalue()


def _row(workout: Workout, number: int, one: WorkoutSet, before_s: float | None) -> dict[str, object]:
    known = workout.started_at is not None
    return {
        "source": workout.source,
        "subject": workout.subject,
        "set": number,
        "exercise": one.exercise,
        "name": load_catalogue().exercise_name(one.exercise),
        "exercise_set": one.index,
        "start_s": _seconds(one.start_s),
        "end_s": _seconds(one.end_s),
        "duration_s": _seconds(one.duration_s),
        "started_at": workout.time_at(one.start_s).isoformat(timespec="milliseconds") if known else None,
        "ended_at": workout.time_at(one.end_s).isoformat(timespec="milliseconds") if known else None,
        "repetitions": one.repetitions,
        "attempts": one.attempts,
        "time_under_tension_s": _seconds(one.time_under_tension_s),
        "tempo_mean_s": _seconds(one.tempo_mean_s),
        "tempo_spread_s": _seconds(one.tempo_spread_s),
        "rest_before_s": None if before_s is None else _seconds(one.start_s - before_s),
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
