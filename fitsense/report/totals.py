"""What a session's event log comes to: what was done when, totals and muscle load; also where the log is of an older
release, or breaks off."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from fitsense.errors import SchemaError
from fitsense.events.log import EventLog
from fitsense.events.schema import validate
from fitsense.workouts.workout import Workout, WorkoutSet, has_workout, workout_of


@attrs.frozen
class ExerciseSpan:
    """An exercise, or unknown movement, from when to when. A set may consist of several."""

    exercise: str
    start_s: float
    end_s: float


@attrs.frozen
class Repetition:
    """A repetition, number `index` of its set."""

    exercise: str
    index: int
    start_s: float
    end_s: float


@attrs.frozen
class WarningEntry:
    """A warning."""

    message: str
    start_s: float
    end_s: float


@attrs.frozen
class Total:
    """An exercise's figures; None where nobody counted."""

    exercise: str
    sets: int
    duration_s: float
    repetitions: int | None = None
    attempts: int | None = None
    time_under_tension_s: float | None = None
    tempo_mean_s: float | None = None
    tempo_spread_s: float | None = None
    rest_s: float | None = None


@attrs.frozen
class Report:
    """A session, for reports.

    :param workout: its sets.
    :param start_s: where it begins, in seconds of media time.
    :param end_s: where it ends, or its log breaks off.
    :param model: name and version; None if the log does not say.
    :param reason: why it ended; None if it did not.
    :param totals: longest first.
    :param load_s: activation over time by muscle group, in seconds at full activation.
    :param load_repetitions: activation over repetitions; None where they were not counted, or the log breaks off.
    :param idle_s: None if the log breaks off.
    """

    workout: Workout
    start_s: float
    end_s: float
    model: str | None
    reason: str | None
    spans: tuple[ExerciseSpan, ...]
    repetitions: tuple[Repetition, ...]
    warnings: tuple[WarningEntry, ...]
    totals: tuple[Total, ...]
    load_s: Mapping[str, float]
    load_repetitions: Mapping[str, float] | None
    idle_s: float | None

    @property
    def name(self) -> str:
        """The session's source, and whom it is about."""
        subject = self.workout.subject
        return self.workout.source if subject is None else f"{self.workout.source}, {subject}"

    @property
    def sets(self) -> list[tuple[WorkoutSet, float | None]]:
        """Each set, and the rest before it in seconds; None for the first."""
        return _with_rests(self.workout.sets)

    @property
    def repetition_count(self) -> int | None:
        """Over all exercises; None where nobody counted."""
        return _sum(total.repetitions for total in self.totals)

    @property
    def time_under_tension_s(self) -> float | None:
        """Over all exercises; None where it is not known."""
        return _sum(total.time_under_tension_s for total in self.totals)


def reports_of(logs: Iterable[EventLog]) -> list[Report]:
    """A report of each session in an event log.

    :raises SchemaError: an event does not obey its schema, or there is no session.
    :raises InvalidInputError: times make no sense.
    """
    reports = [_report(log) for log in logs if has_workout(log)]
    if not reports:
        raise SchemaError("expected events of a session, as fitsense analyze writes them; there are none")
    return reports


def _report(log: EventLog) -> Report:
    workout = workout_of(log)
    summary = log.last("session.ended")
    ended = log.data("exercise.ended")
    still = None if summary is not None else _open_stretch(log)
    stretches = sorted([*_picked(ExerciseSpan, ended), *([still] if still else [])], key=lambda one: one.start_s)
    started = next(iter(_valid(log, "session.started")), None)
    warnings = _picked(WarningEntry, _deduplicated(_valid(log, "session.warning")))
    # What a log that breaks off tells last may be a warning.
    told: list[ExerciseSpan | WarningEntry] = [] if summary is not None else [*stretches, *warnings]
    return Report(
        workout=workout,
        start_s=min([workout.start_s, *(one.start_s for one in told)]),
        end_s=max([workout.end_s, *(one.end_s for one in told)]),
        model=f"{started['model']['name']} {started['model']['version']}" if started else None,
        reason=summary["reason"] if summary else None,
        spans=tuple(stretches),
        repetitions=tuple(_picked(Repetition, _valid(log, "repetition.completed"))),
        warnings=tuple(warnings),
        totals=tuple(_picked(Total, summary["exercises"]) if summary else _totals(stretches, workout.sets)),
        load_s=summary["muscle_load_s"] if summary else _load(log, ended, still),
        load_repetitions=summary.get("muscle_load_repetitions") if summary else None,
        idle_s=summary["idle_s"] if summary else None,
    )


def _valid(log: EventLog, name: str) -> list[Mapping[str, Any]]:
    found = log.data(name)
    for data in found:
        validate(data, name)
    return found


_Kind = TypeVar("_Kind", ExerciseSpan, Repetition, WarningEntry, Total)


def _picked(kind: type[_Kind], found: Iterable[Mapping[str, Any]]) -> list[_Kind]:
    """Of data, what a class has."""
    names = [field.name for field in attrs.fields(kind)]
    return [kind(**{name: data[name] for name in names if name in data}) for data in found]


def _deduplicated(warnings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without those that are told again when they are over."""
    found = list(warnings)
    over = {(data["code"], data["start_s"]) for data in found if data.get("over", True)}
    return [data for data in found if data.get("over", True) or (data["code"], data["start_s"]) not in over]


def _open_stretch(log: EventLog) -> ExerciseSpan | None:
    """What had begun and not ended when the log breaks off; it lasts until the last thing that was told of it."""
    if len(log.data("exercise.started")) <= len(log.data("exercise.ended")):
        return None
    begun = log.data("exercise.started")[-1]
    told = [
        data["end_s"]
        for name in ("exercise.updated", "repetition.completed", "muscles.activated")
        for data in _valid(log, name)
        if data["end_s"] > begun["start_s"]
    ]
    return ExerciseSpan(begun["exercise"], begun["start_s"], max(told, default=begun["start_s"]))


def _with_rests(sets: Sequence[WorkoutSet]) -> list[tuple[WorkoutSet, float | None]]:
    rests = [after.start_s - before.end_s for before, after in itertools.pairwise(sets)]
    return list(zip(sets, [None, *rests], strict=False))


def _totals(stretches: Iterable[ExerciseSpan], sets: Sequence[WorkoutSet]) -> list[Total]:
    """By exercise, longest first, as a summary has them."""
    seconds: dict[str, float] = {}
    for stretch in stretches:
        seconds[stretch.exercise] = seconds.get(stretch.exercise, 0.0) + stretch.end_s - stretch.start_s
    totals = []
    for exercise, duration_s in sorted(seconds.items(), key=lambda item: -item[1]):
        own = [(one, rest_s) for one, rest_s in _with_rests(sets) if one.exercise == exercise]
        totals.append(
            Total(
                exercise,
                len(own),
                duration_s,
                repetitions=_sum(one.repetitions for one, _ in own),
                attempts=_sum(one.attempts for one, _ in own),
                time_under_tension_s=_sum(one.time_under_tension_s for one, _ in own),
                rest_s=_sum(rest_s for _, rest_s in own),
            )
        )
    return totals


def _load(log: EventLog, ended: Iterable[Mapping[str, Any]], still: ExerciseSpan | None) -> Mapping[str, float]:
    """Activation integrated over what was told."""
    parts = list(ended)
    if still is not None:
        parts += [data for data in log.data("muscles.activated") if data["start_s"] >= still.start_s]
    load: dict[str, float] = {}
    for data in parts:
        for group, activation in data["muscles"].items():
            load[group] = load.get(group, 0.0) + activation * max(0.0, data["end_s"] - data["start_s"])
    return load


_Number = TypeVar("_Number", int, float)


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    """The sum of those that are known; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
