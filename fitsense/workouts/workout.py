"""Converts an event log to a workout: sets, rests, and wall-clock times."""

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

# A session without a start counts from 1970. Earlier times are no wall-clock times, and FIT has none before 1998.
_FIRST_WALL_CLOCK = datetime(2000, 1, 1, tzinfo=UTC)

# The resolution of times in events.
_TIME_DIGITS = 3

_SESSION_EVENTS = ("session.started", "session.ended", "exercise.started", "exercise.ended")
_SPAN_EVENTS = ("exercise.started", "exercise.updated", "exercise.ended", "muscles.activated")


def _milliseconds(value: float) -> float:
    return round(float(value), _TIME_DIGITS)


@attrs.frozen
class WorkoutSet:
    """A set. Times are seconds of media time, to the millisecond.

    :param exercise: catalogue id, or ``unknown``.
    :param index: index among the sets of the exercise, from 1.
    :param repetitions: None if they were not counted; likewise for the following fields.
    :param attempts: number of partial repetitions.
    :param time_under_tension_s: time within repetitions in seconds, or of the whole set if it is held.
    :param tempo_mean_s: mean duration of a repetition in seconds; None also without repetitions.
    :param tempo_spread_s: standard deviation of the durations; None also for fewer than two.
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
        """Duration in seconds."""
        return self.end_s - self.start_s


@attrs.frozen
class Rest:
    """The time between two sets, in seconds of media time."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.end_s - self.start_s


@attrs.frozen
class Workout:
    """The workout of one person in one session.

    :param source: name of the session, from its host.
    :param subject: id of the person in a session with several; else None.
    :param started_at: wall-clock time of media time 0, with a time zone; None if unknown.
    :param start_s: start of the session in seconds of media time.
    :param end_s: end of the session.
    :param sets: sets in temporal order, without overlap, each of positive length and within the session.
    :param complete: whether the log contains the end of the session.
    :raises InvalidInputError: a time is not finite, or the sets violate these conditions.
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
        """The sets and the rests between them."""
        before: WorkoutSet | None = None
        for one in self.sets:
            if before is not None and before.end_s < one.start_s:
                yield Rest(before.end_s, one.start_s)
            yield one
            before = one

    def time_at(self, media_s: float) -> datetime:
        """Wall-clock time of a media time, to the millisecond, in the zone of ``started_at``.

        :raises InvalidInputError: ``started_at`` is unknown.
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
        """Offset of the local time from UTC; None if only UTC is known, as from an event log."""
        return (self.started_at.utcoffset() or None) if self.started_at is not None else None


def has_workout(log: EventLog) -> bool:
    """True if a log contains a session of fitsense."""
    return any(log.data(name) for name in _SESSION_EVENTS)


def workout_of(log: EventLog, started_at: datetime | None = None) -> Workout:
    """The workout in a log.

    The sets are those of ``session.ended``, or, in a truncated log, of each ``exercise.ended``; in logs of older
    versions, each segment is a set without repetitions. A log that ends within an exercise has a last set up to the
    last event.

    :param started_at: wall-clock time of media time 0, with a time zone; None for that in the log.
    :raises SchemaError: an event violates its schema.
    :raises InvalidInputError: the times are inconsistent.
    """
    for name in ("session.ended", "exercise.started", "exercise.ended"):
        for data in log.data(name):
            validate(data, name)
    ended = log.last("session.ended")
    if ended is not None and "sets" in ended:
        recorded = ended["sets"]
    else:
        recorded = [*_sets_of_segments(log.data("exercise.ended")), *_open_set(log)]
    sets = _in_order(recorded)
    spans = [ended] if ended is not None else [data for name in _SPAN_EVENTS for data in log.data(name)]
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


def _sets_of_segments(segments: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The sets of segments that ended.

    A set that spans several segments has a part in each. In logs of older versions, a later segment has the whole set
    so far, which replaces the set of an earlier segment.
    """
    sets: dict[tuple[str, int], Mapping[str, Any]] = {}
    for segment in segments:
        exercise = segment["exercise"]
        if "sets" in segment:
            for one in segment["sets"]:
                key = exercise, one["index"]
                before = sets.get(key)
                is_part = before is not None and one["start_s"] >= before["end_s"]
                sets[key] = _joined(before, one) if is_part and before is not None else one
        elif exercise != UNKNOWN:
            index = 1 + sum(other == exercise for other, _ in sets)
            sets[exercise, index] = {**segment, "index": index}
    return list(sets.values())


def _joined(one: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join two parts of a set."""
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


def _open_set(log: EventLog) -> list[Mapping[str, Any]]:
    """The set that is open at the end of a truncated log; empty if there is none."""
    segment: Mapping[str, Any] | None = None
    end_s, seconds = 0.0, list[float]()
    for event in log.events:
        name, data = event["type"], event["data"]
        if name == "fitsense.exercise.started":
            segment, end_s, seconds = data, data["start_s"], []
        elif name in ("fitsense.exercise.ended", "fitsense.session.ended"):
            segment = None
        elif name in ("fitsense.exercise.updated", "fitsense.repetition.completed") and segment is not None:
            validate(data, name)
            end_s = max(end_s, data["end_s"])
            if name == "fitsense.repetition.completed":
                seconds.append(data["end_s"] - data["start_s"])
    if segment is None or (segment["exercise"] == UNKNOWN and not seconds):
        return []
    before = [one for one in _sets_of_segments(log.data("exercise.ended")) if one["exercise"] == segment["exercise"]]
    counted = {
        "repetitions": len(seconds),
        "time_under_tension_s": sum(seconds),
        "tempo_mean_s": sum(seconds) / max(1, len(seconds)),
    }
    return [
        {
            "exercise": segment["exercise"],
            "index": 1 + max((one["index"] for one in before), default=0),
            "start_s": segment["start_s"],
            "end_s": end_s,
            **(counted if seconds else {}),
        }
    ]


def _in_order(recorded: Sequence[Mapping[str, Any]]) -> tuple[WorkoutSet, ...]:
    """Sets in temporal order: overlapping sets start at the end of the previous one, and empty sets are dropped."""
    sets: list[WorkoutSet] = []
    for one in sorted(recorded, key=lambda one: (one["start_s"], one["end_s"])):
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
