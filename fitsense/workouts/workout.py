"""From an event log to a workout: its sets, the rests between them, and when that was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.events.log import EventLog
from fitsense.events.schema import validate

# A session that was given no start counts from 1970. Times this early are no wall clock, and FIT has none before 1998.
_FIRST_WALL_CLOCK = datetime(2000, 1, 1, tzinfo=UTC)

# Events on the wire are no finer either.
_TIME_DIGITS = 3

_TELLING = ("session.started", "session.ended", "exercise.started", "exercise.ended")
_LASTING = ("exercise.started", "exercise.updated", "exercise.ended", "muscles.activated")


def _milliseconds(value: float) -> float:
    return round(float(value), _TIME_DIGITS)


@attrs.frozen
class WorkoutSet:
    """A set. Times are seconds of media time, to the millisecond.

    :param exercise: catalogue id, or ``unknown``.
    :param index: from 1, among the exercise's sets.
    :param repetitions: None where nothing counted them; so for what follows.
    :param attempts: movements that were cut short.
    :param time_under_tension_s: seconds within repetitions, or of the set if it is held.
    :param tempo_mean_s: mean length of a repetition; None also without any.
    :param tempo_spread_s: standard deviation of these; None also for fewer than two.
    """

    exercise: str
    index: int
    start_s: float = attrs.field(converter=_milliseconds)
    end_s: float = attrs.field(converter=_milliseconds)
    repetitions: int | None = None
    attempts: int | None = None
    time_under_tension_s: float | None = None
    tempo_mean_s: float | None = None
    tempo_spread_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


@attrs.frozen
class Rest:
    """The time between two sets, in seconds of media time."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


@attrs.frozen
class Workout:
    """What one person did in one session.

    :param source: the session, as its host named it.
    :param subject: who did it, where a session tells several apart.
    :param started_at: wall-clock time of media time 0, with a time zone; None if nobody knows it.
    :param start_s: where the session began, in seconds of media time.
    :param end_s: where it ended.
    :param sets: in the order of time, not overlapping, each of some length and within the session.
    :param complete: whether the session came to its end.
    :raises InvalidInputError: if a time is not finite or the sets are not as above.
    """

    source: str
    subject: str | None
    started_at: datetime | None
    start_s: float = attrs.field(converter=_milliseconds)
    end_s: float = attrs.field(converter=_milliseconds)
    sets: tuple[WorkoutSet, ...]
    complete: bool = True

    def __attrs_post_init__(self) -> None:
        before_s = self.start_s
        for one in self.sets:
            if not (before_s <= one.start_s < one.end_s):
                raise InvalidInputError(
                    f"workout: expected sets in the order of time that do not overlap, got one of {one.exercise} "
                    f"from {one.start_s!r} to {one.end_s!r} s after {before_s!r} s"
                )
            before_s = one.end_s
        if not (math.isfinite(self.start_s) and before_s <= self.end_s < math.inf):
            raise InvalidInputError(
                f"workout: expected a session that ends after its sets, got {self.start_s!r} to {self.end_s!r} s"
            )

    @property
    def periods(self) -> Iterator[WorkoutSet | Rest]:
        """The sets and, between them, the rests."""
        before: WorkoutSet | None = None
        for one in self.sets:
            if before is not None and before.end_s < one.start_s:
                yield Rest(before.end_s, one.start_s)
            yield one
            before = one

    def time_at(self, media_s: float) -> datetime:
        """Wall-clock time of a media time, to the millisecond, in the zone of ``started_at``.

        :raises InvalidInputError: if nobody knows when the session was.
        """
        if self.started_at is None:
            raise InvalidInputError(
                f"the events of {self.source} do not say when that was (their session was given no started_at): "
                "give it, on the command line by --started-at 2026-05-01T18:30+02:00"
            )
        try:
            return self.started_at + timedelta(milliseconds=round(media_s * 1000))
        except OverflowError:
            raise InvalidInputError(f"{media_s!r} s after {self.started_at.isoformat()} is no date") from None

    @property
    def zone_offset(self) -> timedelta | None:
        """How far the clock on the wall was ahead of UTC; None where only UTC is known, as from an event log."""
        return (self.started_at.utcoffset() or None) if self.started_at is not None else None


def has_workout(log: EventLog) -> bool:
    """Whether a log tells of a session; one of other programs' events does not."""
    return any(log.data(name) for name in _TELLING)


def workout_of(log: EventLog, started_at: datetime | None = None) -> Workout:
    """The workout that a log tells of.

    Sets are those of ``session.ended``. Without them, each ``exercise.ended`` gives its own; in logs of older
    versions, that stretch is the set, and nobody counted repetitions. A log that breaks off in the middle of an
    exercise gives a last set, as far as it came.

    :param started_at: wall-clock time of media time 0, with a time zone; None for what the log says.
    :raises SchemaError: if an event does not obey its schema.
    :raises InvalidInputError: if its times make no sense.
    """
    for name in ("session.ended", "exercise.started", "exercise.ended"):
        for data in log.data(name):
            validate(data, name)
    ended = log.last("session.ended")
    if ended is not None and "sets" in ended:
        told = ended["sets"]
    else:
        told = [*_of_stretches(log.data("exercise.ended")), *_left_open(log)]
    sets = _in_order(told)
    spans = [ended] if ended is not None else [data for name in _LASTING for data in log.data(name)]
    starts = [*_numbers(spans, "start_s"), *(one.start_s for one in sets)]
    ends = [*_numbers(spans, "end_s"), *(one.end_s for one in sets)]
    start_s = min(starts, default=0.0)
    return Workout(
        source=log.source,
        subject=log.subject,
        started_at=started_at or _wall_clock(log),
        start_s=start_s,
        end_s=max([start_s, *ends]),
        sets=sets,
        complete=log.complete,
    )


def _wall_clock(log: EventLog) -> datetime | None:
    start = log.started_at
    return start if start is not None and start >= _FIRST_WALL_CLOCK else None


def _of_stretches(stretches: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The sets of exercises that ended.

    A set that went on has a part in each stretch. In logs of older versions, a later stretch gives the whole set as far
    as it has come, which replaces what an earlier one gave.
    """
    sets: dict[tuple[str, int], Mapping[str, Any]] = {}
    for stretch in stretches:
        exercise = stretch["exercise"]
        if "sets" in stretch:
            for one in stretch["sets"]:
                key = exercise, one["index"]
                before = sets.get(key)
                goes_on = before is not None and one["start_s"] >= before["end_s"]
                sets[key] = _joined(before, one) if goes_on and before is not None else one
        elif exercise != UNKNOWN:
            index = 1 + sum(other == exercise for other, _ in sets)
            sets[exercise, index] = {**stretch, "index": index}
    return list(sets.values())


def _joined(one: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Two parts of a set as one."""
    counts = {name: one[name] + more[name] for name in ("repetitions", "attempts", "time_under_tension_s")}
    tempo: dict[str, float | None] = {"tempo_mean_s": None, "tempo_spread_s": None}
    if repetitions := counts["repetitions"]:
        parts = [part for part in (one, more) if part["repetitions"]]
        mean = sum(part["repetitions"] * part["tempo_mean_s"] for part in parts) / repetitions
        squares = sum(
            part["repetitions"] * ((part["tempo_spread_s"] or 0.0) ** 2 + (part["tempo_mean_s"] - mean) ** 2)
            for part in parts
        )
        tempo = {"tempo_mean_s": mean, "tempo_spread_s": math.sqrt(squares / repetitions) if repetitions > 1 else None}
    times = {"start_s": one["start_s"], "end_s": more["end_s"], "duration_s": more["end_s"] - one["start_s"]}
    return {**one, **times, **counts, **tempo}


def _left_open(log: EventLog) -> list[Mapping[str, Any]]:
    """The set that went on when the log broke off, as far as it came; none if none did."""
    stretch: Mapping[str, Any] | None = None
    end_s, seconds = 0.0, list[float]()
    for event in log.events:
        name, data = event["type"], event["data"]
        if name == "fitsense.exercise.started":
            stretch, end_s, seconds = data, data["start_s"], []
        elif name in ("fitsense.exercise.ended", "fitsense.session.ended"):
            stretch = None
        elif name in ("fitsense.exercise.updated", "fitsense.repetition.completed") and stretch is not None:
            validate(data, name)
            end_s = max(end_s, data["end_s"])
            if name == "fitsense.repetition.completed":
                seconds.append(data["end_s"] - data["start_s"])
    if stretch is None or (stretch["exercise"] == UNKNOWN and not seconds):
        return []
    before = [one for one in _of_stretches(log.data("exercise.ended")) if one["exercise"] == stretch["exercise"]]
    counted = {
        "repetitions": len(seconds),
        "time_under_tension_s": sum(seconds),
        "tempo_mean_s": sum(seconds) / max(1, len(seconds)),
    }
    return [
        {
            "exercise": stretch["exercise"],
            "index": 1 + max((one["index"] for one in before), default=0),
            "start_s": stretch["start_s"],
            "end_s": end_s,
            **(counted if seconds else {}),
        }
    ]


def _in_order(told: Sequence[Mapping[str, Any]]) -> tuple[WorkoutSet, ...]:
    """Sets by time. A set that began within the one before it begins where that ended; what has no length is none."""
    sets: list[WorkoutSet] = []
    for one in sorted(told, key=lambda one: (one["start_s"], one["end_s"])):
        start_s = _milliseconds(max(one["start_s"], sets[-1].end_s) if sets else one["start_s"])
        if start_s < _milliseconds(one["end_s"]):
            sets.append(
                WorkoutSet(
                    exercise=one["exercise"],
                    index=one["index"],
                    start_s=start_s,
                    end_s=one["end_s"],
                    repetitions=one.get("repetitions"),
                    attempts=one.get("attempts"),
                    time_under_tension_s=one.get("time_under_tension_s"),
                    tempo_mean_s=one.get("tempo_mean_s"),
                    tempo_spread_s=one.get("tempo_spread_s"),
                )
            )
    return tuple(sets)


def _numbers(spans: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    values = [span.get(name) for span in spans]
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
