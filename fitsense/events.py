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
class ExerciseEnded:
    """The exercise that was announced is over; figures are means over it."""

    TYPE: ClassVar[str] = "exercise.ended"
    exercise: str
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    confidence: float = _score_field()
    scores: Mapping[str, float] = _scores_field()
    muscles: Mapping[str, float] = _scores_field()


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

    ``code`` is one of ``gap``, ``late_frame``, ``clock_reset``, ``source_damaged``, ``source_truncated``; others
    may come.
    """

    TYPE: ClassVar[str] = "session.warning"
    code: str
    message: str
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()


@attrs.frozen
class ExerciseTotal:
    """What the summary says of one exercise: bouts of it, and seconds in all."""

    exercise: str
    sets: int
    duration_s: float = _seconds_field()


@attrs.frozen
class SessionEnded:
    """The last event: the summary.

    ``muscle_load_s`` is each group's activation integrated over exercise time, in seconds at full activation.
    ``reason`` is ``finished``, ``interrupted`` or ``failed``.
    """

    TYPE: ClassVar[str] = "session.ended"
    reason: str
    frames: int
    late_frames: int
    windows: int
    exercises: tuple[ExerciseTotal, ...]
    start_s: float = _seconds_field()
    end_s: float = _seconds_field()
    duration_s: float = _seconds_field()
    idle_s: float = _seconds_field()
    muscle_load_s: Mapping[str, float] = _load_field()


EventData = (
    SessionStarted
    | ExerciseStarted
    | ExerciseUpdated
    | ExerciseEnded
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
    """

    source: str
    sequence: int
    time: datetime
    data: EventData

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
