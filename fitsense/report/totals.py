"""The content of a report: exercises over time, totals and muscle load. Accepts logs of older versions and truncated
logs."""

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
    """A time span of an exercise or of unknown movement. A set may consist of several spans."""

    exercise: str
    start_s: float
    end_s: float


@attrs.frozen
class Repetition:
    """A repetition with its index in its set, and its range of motion and tempo if landmarks were found."""

    exercise: str
    index: int
    start_s: float
    end_s: float
    range_deg: float | None = None
    tempo: str | None = None


@attrs.frozen
class WarningEntry:
    """A warning of the session."""

    message: str
    start_s: float
    end_s: float
    code: str = ""


@attrs.frozen
class Total:
    """The totals of an exercise; None where nothing was counted."""

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
class TaskValues:
    """Parts of the tasks that plugins declare, over an exercise: the ``extensions`` of ``exercise.ended``."""

    exercise: str
    start_s: float
    extensions: Mapping[str, Mapping[str, Any]]


@attrs.frozen
class Report:
    """The report of a session.

    :param workout: the sets.
    :param start_s: start of the session in seconds of media time.
    :param end_s: end of the session, or of a truncated log.
    :param model: name and version of the model; None if the log lacks it.
    :param reason: reason of the end; None for a truncated log.
    :param totals: totals by exercise, longest first.
    :param load_s: activation integrated over time by muscle group, in seconds at full activation.
    :param load_repetitions: activation summed over repetitions by muscle group; None if repetitions were not counted,
        and for a truncated log.
    :param idle_s: idle time in seconds; None for a truncated log.
    :param task_values: values of the tasks that plugins declare, by exercise; empty without such tasks.
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
    task_values: tuple[TaskValues, ...] = ()

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that plugins declare, in the order of their first value."""
        return list(dict.fromkeys(task for one in self.task_values for task in one.extensions))

    @property
    def name(self) -> str:
        """The source and the subject of the session."""
        subject = self.workout.subject
        return self.workout.source if subject is None else f"{self.workout.source}, {subject}"

    @property
    def sets(self) -> list[tuple[WorkoutSet, float | None]]:
        """Each set with the rest before it in seconds; None for the first."""
        return _with_rests(self.workout.sets)

    @property
    def repetition_count(self) -> int | None:
        """Number of repetitions of all exercises; None if they were not counted."""
        return _sum(total.repetitions for total in self.totals)

    @property
    def time_under_tension_s(self) -> float | None:
        """Time under tension of all exercises in seconds; None if unknown."""
        return _sum(total.time_under_tension_s for total in self.totals)


def reports_of(logs: Iterable[EventLog]) -> list[Report]:
    """The reports of the sessions in an event log.

    :raises SchemaError: an event violates its schema, or there is no session.
    :raises InvalidInputError: the times are inconsistent.
    """
    reports = [_report(log) for log in logs if has_workout(log)]
    if not reports:
        raise SchemaError("expected events of a session, as fitsense analyze writes them; there are none")
    return reports


def _report(log: EventLog) -> Report:
    workout = workout_of(log)
    summary = log.last("session.ended")
    ended = log.data("exercise.ended")
    open_span = None if summary is not None else _open_span(log)
    spans = sorted([*_select(ExerciseSpan, ended), *([open_span] if open_span else [])], key=lambda one: one.start_s)
    started = next(iter(_valid(log, "session.started")), None)
    warnings = _select(WarningEntry, _deduplicated(_valid(log, "session.warning")))
    # The last event of a truncated log may be a warning.
    recorded: list[ExerciseSpan | WarningEntry] = [] if summary is not None else [*spans, *warnings]
    return Report(
        workout=workout,
        start_s=min([workout.start_s, *(one.start_s for one in recorded)]),
        end_s=max([workout.end_s, *(one.end_s for one in recorded)]),
        model=f"{started['model']['name']} {started['model']['version']}" if started else None,
        reason=summary["reason"] if summary else None,
        spans=tuple(spans),
        repetitions=tuple(_select(Repetition, _valid(log, "repetition.completed"))),
        warnings=tuple(warnings),
        totals=tuple(_select(Total, summary["exercises"]) if summary else _totals(spans, workout.sets)),
        load_s=summary["muscle_load_s"] if summary else _load(log, ended, open_span),
        load_repetitions=summary.get("muscle_load_repetitions") if summary else None,
        idle_s=summary["idle_s"] if summary else None,
        task_values=tuple(_select(TaskValues, (data for data in ended if data.get("extensions")))),
    )


def _valid(log: EventLog, name: str) -> list[Mapping[str, Any]]:
    found = log.data(name)
    for data in found:
        validate(data, name)
    return found


_Kind = TypeVar("_Kind", ExerciseSpan, Repetition, WarningEntry, Total, TaskValues)


def _select(kind: type[_Kind], found: Iterable[Mapping[str, Any]]) -> list[_Kind]:
    """Create objects from the fields that a class has in common with event data."""
    names = [field.name for field in attrs.fields(kind)]
    return [kind(**{name: data[name] for name in names if name in data}) for data in found]


def _deduplicated(warnings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Warnings without the first report of those that are reported again at their end."""
    found = list(warnings)
    over = {(data["code"], data["start_s"]) for data in found if data.get("over", True)}
    return [data for data in found if data.get("over", True) or (data["code"], data["start_s"]) not in over]


def _open_span(log: EventLog) -> ExerciseSpan | None:
    """The exercise that is open at the end of a truncated log; it lasts until the last event about it."""
    if len(log.data("exercise.started")) <= len(log.data("exercise.ended")):
        return None
    begun = log.data("exercise.started")[-1]
    ends = [
        data["end_s"]
        for name in ("exercise.updated", "repetition.completed", "muscles.activated")
        for data in _valid(log, name)
        if data["end_s"] > begun["start_s"]
    ]
    return ExerciseSpan(begun["exercise"], begun["start_s"], max(ends, default=begun["start_s"]))


def _with_rests(sets: Sequence[WorkoutSet]) -> list[tuple[WorkoutSet, float | None]]:
    rests = [after.start_s - before.end_s for before, after in itertools.pairwise(sets)]
    return list(zip(sets, [None, *rests], strict=False))


def _totals(spans: Iterable[ExerciseSpan], sets: Sequence[WorkoutSet]) -> list[Total]:
    """The totals by exercise, longest first, as in ``session.ended``."""
    seconds: dict[str, float] = {}
    for span in spans:
        seconds[span.exercise] = seconds.get(span.exercise, 0.0) + span.end_s - span.start_s
    totals = []
    for exercise, duration_s in sorted(seconds.items(), key=lambda item: -item[1]):
        of_exercise = [(one, rest_s) for one, rest_s in _with_rests(sets) if one.exercise == exercise]
        totals.append(
            Total(
                exercise,
                len(of_exercise),
                duration_s,
                repetitions=_sum(one.repetitions for one, _ in of_exercise),
                attempts=_sum(one.attempts for one, _ in of_exercise),
                time_under_tension_s=_sum(one.time_under_tension_s for one, _ in of_exercise),
                rest_s=_sum(rest_s for _, rest_s in of_exercise),
            )
        )
    return totals


def _load(log: EventLog, ended: Iterable[Mapping[str, Any]], open_span: ExerciseSpan | None) -> Mapping[str, float]:
    """Activation integrated over the events of a truncated log."""
    parts = list(ended)
    if open_span is not None:
        parts += [data for data in log.data("muscles.activated") if data["start_s"] >= open_span.start_s]
    load: dict[str, float] = {}
    for data in parts:
        for group, activation in data["muscles"].items():
            load[group] = load.get(group, 0.0) + activation * max(0.0, data["end_s"] - data["start_s"])
    return load


_Number = TypeVar("_Number", int, float)


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    """The sum of the known values; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
