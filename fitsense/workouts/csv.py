"""Workouts as CSV with one row per set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fitsense.catalogue import Catalogue, load_catalogue
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


def to_csv(workouts: Iterable[Workout], catalogue: Catalogue | None = None) -> str:
    """Write workouts as CSV (RFC 4180) with a header line; workouts without sets have no row.

    :param catalogue: catalogue of the exercise names; None for the English catalogue.
    """
    return csv_of(COLUMNS, (row for workout in workouts for row in set_rows(workout, catalogue)))


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV (RFC 4180) with a header line; times are ISO 8601, and None is empty."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _text(value) for name, value in row.items()})
    return file.getvalue()


def set_rows(workout: Workout, catalogue: Catalogue | None = None) -> list[dict[str, Any]]:
    """The sets of a workout as rows with :data:`COLUMNS`; times are datetimes, and unknown values are None."""
    catalogue = catalogue or load_catalogue()
    rests_before = [None, *(one.end_s for one in workout.sets)]
    return [
        _row(workout, number, one, before_s, catalogue)
        for number, (one, before_s) in enumerate(zip(workout.sets, rests_before, strict=False), 1)
    ]


def _row(
    workout: Workout, number: int, one: WorkoutSet, before_s: float | None, catalogue: Catalogue
) -> dict[str, Any]:
    known = workout.started_at is not None
    return {
        "source": workout.source,
        "subject": workout.subject,
        "set": number,
        "exercise": one.exercise,
        "name": catalogue.exercise_name(one.exercise),
        "exercise_set": one.index,
        "start_s": _seconds(one.start_s),
        "end_s": _seconds(one.end_s),
        "duration_s": _seconds(one.duration_s),
        "started_at": workout.time_at(one.start_s) if known else None,
        "ended_at": workout.time_at(one.end_s) if known else None,
        "repetitions": one.repetitions,
        "attempts": one.attempts,
        "time_under_tension_s": _seconds(one.time_under_tension_s),
        "tempo_mean_s": _seconds(one.tempo_mean_s),
        "tempo_spread_s": _seconds(one.tempo_spread_s),
        "rest_before_s": None if before_s is None else _seconds(one.start_s - before_s),
    }


def _text(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
