"""Events that a session emits: attrs classes that mirror the JSON Schemas under ``schemas/``.

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

from fitsense.events.fields import (
    OPTIONAL,
    absent,
    angle_or_none,
    load_field,
    score_field,
    score_or_none,
    scores_field,
    seconds_field,
    seconds_or_none,
    seconds_or_none_field,
)
from fitsense.events.plugin_data import PluginData


@attrs.frozen
class ModelInfo:
    """Model of a session."""

    name: str
    version: str


@attrs.frozen
class SessionStarted:
    """The first event: the session's model, labels, window and hop."""

    TYPE: ClassVar[str] = "session.started"
    model: ModelInfo
    exercises: tuple[str, ...]
    muscle_groups: tuple[str, ...]
    window_s: float = seconds_field()
    hop_s: float = seconds_field()


@attrs.frozen
class SessionUpdated:
    """The host changed the exercises that may be named, or the expected one, at ``start_s``."""

    TYPE: ClassVar[str] = "session.updated"
    exercises: tuple[str, ...]
    expected: str | None
    start_s: float = seconds_field()


@attrs.frozen
class SessionProgress:
    """Media time was analysed until ``end_s``: emitted periodically, also without other events.

    ``frames`` counts all frames so far. ``exercise`` is the current one, or ``unknown``; None while idle.
    ``people`` is the number of analysed people; None without tracking.
    """

    TYPE: ClassVar[str] = "session.progress"
    frames: int
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    exercise: str | None = absent()
    people: int | None = absent()


@attrs.frozen
class PersonEntered:
    """A person came into the picture at ``start_s``; only of sessions that track a person's landmarks.

    ``person`` is their name within the session; a person who returns after some seconds has another name.
    """

    TYPE: ClassVar[str] = "person.entered"
    person: str
    start_s: float = seconds_field()


@attrs.frozen
class PersonLeft:
    """A person who entered at ``start_s`` was seen last at ``end_s``."""

    TYPE: ClassVar[str] = "person.left"
    person: str
    start_s: float = seconds_field()
    end_s: float = seconds_field()


@attrs.frozen
class ExerciseStarted:
    """An exercise, or unknown movement, began at ``start_s``; emitted once it has lasted ``min_duration_s``."""

    TYPE: ClassVar[str] = "exercise.started"
    exercise: str
    start_s: float = seconds_field()
    confidence: float = score_field()


@attrs.frozen
class PersonBox:
    """The part of the picture that contains a body, in shares of its width and height."""

    left: float = score_field()
    top: float = score_field()
    right: float = score_field()
    bottom: float = score_field()


@attrs.frozen
class ExerciseUpdated:
    """The current exercise continues, so far until ``end_s``.

    ``extensions`` has the part of each task that a plugin declares, since the last such event; None without such tasks.
    ``box`` and ``person``, the name of a track, are of the newest picture in which the person was found; None without
    landmarks.
    """

    TYPE: ClassVar[str] = "exercise.updated"
    exercise: str
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    duration_s: float = seconds_field()
    confidence: float = score_field()
    scores: Mapping[str, float] = scores_field()
    box: PersonBox | None = attrs.field(default=None, metadata=OPTIONAL)
    person: str | None = absent()
    extensions: Mapping[str, Mapping[str, Any]] | None = absent()


@attrs.frozen
class RepetitionPhases:
    """Durations of the parts of a repetition: out to the turning point, pause, back to the start, pause."""

    out_s: float = seconds_field()
    far_s: float = seconds_field()
    back_s: float = seconds_field()
    near_s: float = seconds_field()
    confidence: float = score_field()


@attrs.frozen
class RepetitionCompleted:
    """One repetition, number ``index`` of its set, emitted at most one repetition after it ends.

    ``side`` is ``left`` or ``right`` for a repetition of one side, and ``pairs`` counts the set's pairs of both sides.
    ``joint`` is the joint that moves most, ``range_deg`` its range of motion, and ``tempo`` the ``phases`` in whole
    seconds. They come from landmarks: without any, they are None.
    """

    TYPE: ClassVar[str] = "repetition.completed"
    exercise: str
    index: int
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    duration_s: float = seconds_field()
    confidence: float = score_field()
    side: str | None = absent()
    pairs: int | None = absent()
    joint: str | None = absent()
    range_deg: float | None = absent(angle_or_none)
    range_confidence: float | None = absent(score_or_none)
    phases: RepetitionPhases | None = attrs.field(default=None, metadata=OPTIONAL)
    tempo: str | None = absent()


@attrs.frozen
class SetSummary:
    """A set: repetitions of one exercise without a rest between them, or one hold.

    ``index`` counts the exercise's sets in the session from 1. ``attempts`` counts movements that turned back early.
    ``time_under_tension_s`` is the time within repetitions; the whole set if none could be counted. The tempo is a
    repetition's mean length, None if there are none, and its standard deviation, None for fewer than two.
    ``rest_before_s`` is the time since the previous set of any exercise; None for the session's first set.
    The counts of the sides and of their pairs are None if no repetition had a side. ``held_s`` is the length of a hold;
    None for an exercise with repetitions.
    """

    exercise: str
    index: int
    repetitions: int
    attempts: int
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    duration_s: float = seconds_field()
    time_under_tension_s: float = seconds_field()
    tempo_mean_s: float | None = seconds_or_none_field()
    tempo_spread_s: float | None = seconds_or_none_field()
    rest_before_s: float | None = seconds_or_none_field()
    repetitions_left: int | None = absent()
    repetitions_right: int | None = absent()
    pairs: int | None = absent()
    held_s: float | None = absent(seconds_or_none)


@attrs.frozen
class ExerciseEnded:
    """The current exercise ended; confidence, scores and muscles are means over the segment.

    ``repetitions`` and the other statistics are of this segment; ``sets`` are its parts of sets.
    ``extensions`` has the part of each task that a plugin declares, over the segment; None without such tasks.
    """

    TYPE: ClassVar[str] = "exercise.ended"
    exercise: str
    repetitions: int
    attempts: int
    sets: tuple[SetSummary, ...]
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    duration_s: float = seconds_field()
    confidence: float = score_field()
    scores: Mapping[str, float] = scores_field()
    muscles: Mapping[str, float] = scores_field()
    time_under_tension_s: float = seconds_field()
    tempo_mean_s: float | None = seconds_or_none_field()
    tempo_spread_s: float | None = seconds_or_none_field()
    repetitions_left: int | None = absent()
    repetitions_right: int | None = absent()
    pairs: int | None = absent()
    held_s: float | None = absent(seconds_or_none)
    extensions: Mapping[str, Mapping[str, Any]] | None = absent()


@attrs.frozen
class MusclesActivated:
    """Mean activation of the muscle groups from ``start_s`` to ``end_s``."""

    TYPE: ClassVar[str] = "muscles.activated"
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    muscles: Mapping[str, float] = scores_field()


@attrs.frozen
class SessionWarning:
    """A warning that a host may show to its user; the session continues.

    The schema lists the codes; new ones may be added. A state, such as a black picture, is reported when it has lasted
    for some time, and again when it is ``over`` or the session ends. ``limbs`` names what of the person is outside the
    picture, for ``person_cut_off``; else it is None.
    """

    TYPE: ClassVar[str] = "session.warning"
    code: str
    message: str
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    over: bool = True
    limbs: tuple[str, ...] | None = absent()


@attrs.frozen
class ExerciseTotal:
    """Totals of one exercise: number of sets, duration, and the statistics of :class:`SetSummary` over all of them.

    ``rest_s`` is the sum of the rests before its sets.
    """

    exercise: str
    sets: int
    repetitions: int
    attempts: int
    duration_s: float = seconds_field()
    time_under_tension_s: float = seconds_field()
    tempo_mean_s: float | None = seconds_or_none_field()
    tempo_spread_s: float | None = seconds_or_none_field()
    rest_s: float = seconds_field()
    repetitions_left: int | None = absent()
    repetitions_right: int | None = absent()
    pairs: int | None = absent()
    held_s: float | None = absent(seconds_or_none)


@attrs.frozen
class SessionEnded:
    """The last event: the session's summary.

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
    start_s: float = seconds_field()
    end_s: float = seconds_field()
    duration_s: float = seconds_field()
    idle_s: float = seconds_field()
    muscle_load_s: Mapping[str, float] = load_field()
    muscle_load_repetitions: Mapping[str, float] = load_field()


BuiltInData = (
    SessionStarted
    | SessionUpdated
    | SessionProgress
    | PersonEntered
    | PersonLeft
    | ExerciseStarted
    | ExerciseUpdated
    | ExerciseEnded
    | RepetitionCompleted
    | MusclesActivated
    | SessionWarning
    | SessionEnded
)
"""``data`` of an event that fitsense emits itself."""

EventData = BuiltInData | PluginData
"""``data`` of an event: one of the classes above, distinguished by ``match`` or ``isinstance``."""


@attrs.frozen
class Event:
    """An event: CloudEvents 1.0 attributes and data.

    :param source: URI reference of the session, chosen by the host.
    :param sequence: 0, 1, 2 … in the order of emission.
    :param time: wall-clock time: the session's ``started_at`` plus media time.
    :param data: one of the classes above; :class:`fitsense.PluginData` for an event that a plugin adds.
    :param subject: the person it is about, in a session of several people; else None.
    """

    source: str
    sequence: int
    time: datetime
    data: EventData
    subject: str | None = None

    @property
    def type(self) -> str:
        """``fitsense.`` and the event's name, such as ``fitsense.exercise.ended``, or the type of a plugin's event."""
        return self.data.type if isinstance(self.data, PluginData) else f"fitsense.{self.data.TYPE}"

    @property
    def id(self) -> str:
        """The sequence number as text of fixed width, so that ids sort in the order of emission."""
        return f"{self.sequence:010d}"

    def to_dict(self) -> dict[str, Any]:
        """Convert the event to its JSON object."""
        if isinstance(self.data, PluginData):
            schema, values = self.data.schema, dict(self.data.values)
        else:
            schema = f"urn:fitsense:v1:{self.data.TYPE}"
            values = attrs.asdict(self.data, value_serializer=_plain, filter=_is_present)
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
            "dataschema": schema,
            "data": values,
        }

    def to_json(self) -> str:
        """Convert the event to one line of JSON, without a line end; equal events give equal bytes."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))


def event_time(started_at: datetime, media_s: float) -> datetime:
    """Wall-clock time of a media time, to the millisecond."""
    return started_at + timedelta(milliseconds=round(media_s * 1000))


def _is_present(attribute: attrs.Attribute[Any], value: Any) -> bool:
    return value is not None or "optional" not in attribute.metadata


def _plain(_: Any, __: Any, value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
