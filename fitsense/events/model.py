"""The events that a session emits: an attrs mirror of the JSON Schemas under ``schemas/``.

An event carries CloudEvents 1.0 attributes and ``data`` of one of the classes below. Times in ``data`` are seconds
of media time; an exercise is a catalogue id, or ``unknown``; scores are probabilities in 0..1; muscles map a
muscle group's id to its activation in 0..1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import attrs

# Digits that survive on the wire: milliseconds, and a hundredth of a percent.
_TIME_DIGITS = 3
_SCORE_DIGITS = 4


def _seconds(value: float) -> float:
    return round(float(value), _TIME_DIGITS) + 0.0


def _score(value: float) -> float:
    return round(float(value), _SCORE_DIGITS) + 0.0


def _scores(values: Mapping[str, float]) -> dict[str, float]:
    return {key: _score(value) for key, value in values.items()}


def _seconds_by_group(values: Mapping[str, float]) -> dict[str, float]:
    return {key: _seconds(value) for key, value in values.items()}


def _load_field() -> Any:
    return attrs.field(converter=_seconds_by_group)


def _seconds_or_none(value: float | None) -> float | None:
    return None if value is None else _seconds(value)


def _seconds_or_none_field() -> Any:
    return attrs.field(converter=_seconds_or_none)


def _seconds_field() -> Any:
    return attrs.field(converter=_seconds)


def _score_field() -> Any:
    return attrs.field(converter=_score)


def _scores_field() -> Any:
    return attrs.field(converter=_scores)


@attrs.frozen
class ModelInfo:
    """Which model a session runs."""

    name: str
    version: str


@attrs.frozen
class SessionStarted:
    """The first event: what will be looked for, and how."""

    TYPE: ClassVar[str] = "session.started"
    model: ModelInfo
    exercises: tuple[str, ...]
    muscle_groups: tuple[str, ...]
    window_s: float = _seconds_field()
    hop_s: float = _seconds_field()


@attrs.frozen
class SessionUpdated:
    """The host changed, at ``start_s``, what the session may name: ``exercises``, and the one that is ``expected``."""

    TYPE: ClassVar[str] = "session.updated"
    exercises: tuple[str, ...]
    expected: str | None
    start_s: float = _seconds_field()


@attrs.frozen
class ExerciseStarted:
    """An exercise, or unknown movement, began at ``start_s``; told once it has held for a while."""

    TYPE: ClassVar[str] = "exercise.started"
    exercise: str
    start_s: float = _seconds_field()
    confidence: float = _score_field()


@attrs.frozen
class ExerciseUpdated:
    """The exercise that was announced goes on, so far until ``end_s``."""

    TYPE: ClassVar[str] = "exercise.updated"
    exercise: str
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    confidence: float = _score_field()
    scores: Mapping[str, float] = _scores_field()


@attrs.frozen
class RepetitionCompleted:
    """One repetition, number ``index`` of its set, told at most one repetition late."""

    TYPE: ClassVar[str] = "repetition.completed"
    exercise: str
    index: int
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    confidence: float = _score_field()


@attrs.frozen
class SetSummary:
    """Repetitions of one exercise without a rest between them, or one stretch of an exercise that is held.

    ``index`` counts the exercise's sets in the session from 1. ``attempts`` are movements that were cut short.
    ``time_under_tension_s`` is the time within repetitions; where none could be counted, the whole set. The tempo is
    a repetition's mean length, None without any, and its standard deviation, None for fewer than two.
    ``rest_before_s`` is the time since the set before it, of whatever exercise; None for the session's first.
    """

    exercise: str
    index: int
    repetitions: int
    attempts: int
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    time_under_tension_s: float = _seconds_field()
    tempo_mean_s: float | None = _seconds_or_none_field()
    tempo_spread_s: float | None = _seconds_or_none_field()
    rest_before_s: float | None = _seconds_or_none_field()


@attrs.frozen
class ExerciseEnded:
    """The exercise that was announced is over; confidence, scores and muscles are means over it.

    ``repetitions`` and what follows are of this stretch; ``sets`` are those that it is part of, as far as they have
    come.
    """

    TYPE: ClassVar[str] = "exercise.ended"
    exercise: str
    repetitions: int
    attempts: int
    sets: tuple[SetSummary, ...]
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    confidence: float = _score_field()
    scores: Mapping[str, float] = _scores_field()
    muscles: Mapping[str, float] = _scores_field()
    time_under_tension_s: float = _seconds_field()
    tempo_mean_s: float | None = _seconds_or_none_field()
    tempo_spread_s: float | None = _seconds_or_none_field()


@attrs.frozen
class MusclesActivated:
    """Mean activation of the muscle groups from ``start_s`` to ``end_s``."""

    TYPE: ClassVar[str] = "muscles.activated"
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    muscles: Mapping[str, float] = _scores_field()


@attrs.frozen
class SessionWarning:
    """Something that a host may want to tell its user; the session goes on.

    What ``code`` may be is in the schema; others may come. What goes on, such as a black picture, is told when it has
    lasted for a while, and once more when it is ``over``.
    """

    TYPE: ClassVar[str] = "session.warning"
    code: str
    message: str
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    over: bool = True


@attrs.frozen
class ExerciseTotal:
    """What the summary says of one exercise: its sets, seconds in all, and the figures of a :class:`SetSummary` over
    all of them. ``rest_s`` is the rests before its sets."""

    exercise: str
    sets: int
    repetitions: int
    attempts: int
    duration_s: float = _seconds_field()
    time_under_tension_s: float = _seconds_field()
    tempo_mean_s: float | None = _seconds_or_none_field()
    tempo_spread_s: float | None = _seconds_or_none_field()
    rest_s: float = _seconds_field()


@attrs.frozen
class SessionEnded:
    """The last event: the summary.

    ``muscle_load_s`` is each group's activation integrated over exercise time, in seconds at full activation;
    ``muscle_load_repetitions`` is summed over repetitions, in repetitions at full activation.
    ``reason`` is ``finished``, ``interrupted`` or ``failed``.
    """

    TYPE: ClassVar[str] = "session.ended"
    reason: str
    frames: int
    late_frames: int
    windows: int
    exercises: tuple[ExerciseTotal, ...]
    sets: tuple[SetSummary, ...]
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    idle_s: float = _seconds_field()
    muscle_load_s: Mapping[str, float] = _load_field()
    muscle_load_repetitions: Mapping[str, float] = _load_field()


EventData = (
    SessionStarted
    | SessionUpdated
    | ExerciseStarted
    | ExerciseUpdated
    | ExerciseEnded
    | RepetitionCompleted
    | MusclesActivated
    | SessionWarning
    | SessionEnded
)


@attrs.frozen
class Event:
    """One event: CloudEvents 1.0 attributes and its data.

    :param source: URI reference of the session, chosen by the host.
    :param sequence: 0, 1, 2 … in the order of emission.
    :param time: wall-clock time: the session's ``started_at`` plus media time.
    :param subject: who it is about, in a session of several; None where it watches one alone.
    """

    source: str
    sequence: int
    time: datetime
    data: EventData
    subject: str | None = None

    @property
    def type(self) -> str:
        """``fitsense.`` and the event's name, such as ``fitsense.exercise.ended``."""
        return f"fitsense.{self.data.TYPE}"

    @property
    def id(self) -> str:
        """The sequence on the wire: fixed width, so that order as text is order."""
        return f"{self.sequence:010d}"

    def to_dict(self) -> dict[str, Any]:
        """The event as the JSON object that goes over the wire."""
        stamp = self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            **({} if self.subject is None else {"subject": self.subject}),
            "type": self.type,
            "time": stamp,
            "sequence": self.id,
            "datacontenttype": "application/json",
            "dataschema": f"urn:fitsense:v1:{self.data.TYPE}",
            "data": attrs.asdict(self.data, value_serializer=_plain),
        }

    def to_json(self) -> str:
        """The event as one line of JSON, without a line end; the same event gives the same bytes."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))


def event_time(started_at: datetime, media_s: float) -> datetime:
    """The wall-clock time of a media time, to the millisecond."""
    return started_at + timedelta(milliseconds=round(media_s * 1000))


def _plain(_: Any, __: Any, value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
