"""The configuration of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from fitsense._internal.validators import instance, number, uri_reference
from fitsense.camera.monitor import CameraConfig
from fitsense.decisions import DecisionConfig
from fitsense.errors import InvalidInputError
from fitsense.expectation import as_names, exercise_names
from fitsense.geometry import Region
from fitsense.repetitions.counter import RepetitionConfig
from fitsense.types import MAX_SECONDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MIN_HOP_S, MAX_HOP_S = 0.1, 60.0
_FURTHEST = timedelta(seconds=2 * MAX_SECONDS)


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInputError(f"started_at: expected a datetime with a time zone, got {value!r}")
    try:
        # Every media time must map to a wall-clock time.
        for furthest in (-_FURTHEST, _FURTHEST):
            value + furthest
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(
            f"started_at: expected a time that is {_FURTHEST.days} days from the calendar's ends, got {value!r}"
        ) from None


@attrs.frozen
class SessionConfig:
    """Configuration of a session.

    :param hop_s: seconds of media time between predictions, 0.1 to 60.
    :param gap_s: a longer step between two frames' times counts as a gap, in seconds; at most 60.
    :param source: URI reference that names the session in its events, not empty; unique among a host's sessions.
    :param started_at: wall-clock time of media time 0, for the events' ``time``, with a time zone. None if unknown:
        a session then takes the Unix epoch, so that the same frames give the same bytes.
    :param region: part of the picture that is analysed at first; None for all of it.
    :param set_rest_s: a set ends after a rest of this length, in seconds.
    :param decisions: decision thresholds and intervals; None for the defaults.
    :param repetitions: the repetition counter's configuration.
    :param exercises: labels of the only exercises that may be named; None for all of the bundle. Probabilities are
        renormalised over these, ``unknown`` and idle, and muscles follow.
    :param expected: label of the exercise that a guided workout asks for, which becomes more likely than the bundle
        predicts; another exercise that is clear enough is still named. None for none.
    :param camera: the camera monitor's configuration; None for no camera warnings.
    :raises InvalidInputError: a value of another type or outside its range.
    """

    hop_s: float = attrs.field(default=1.0, validator=number(MIN_HOP_S, MAX_HOP_S))
    gap_s: float = attrs.field(default=1.5, validator=number(0.0, MAX_HOP_S, above=True))
    source: str = attrs.field(default="urn:fitsense:session", validator=uri_reference)
    started_at: datetime | None = attrs.field(default=None, converter=_in_utc)
    region: Region | None = attrs.field(default=None, validator=instance(Region, optional=True))
    set_rest_s: float = attrs.field(default=10.0, validator=number(0.0, above=True))
    decisions: DecisionConfig | None = attrs.field(default=None, validator=instance(DecisionConfig, optional=True))
    repetitions: RepetitionConfig = attrs.field(factory=RepetitionConfig, validator=instance(RepetitionConfig))
    camera: CameraConfig | None = attrs.field(factory=CameraConfig, validator=instance(CameraConfig, optional=True))
    exercises: tuple[str, ...] | None = attrs.field(default=None, converter=as_names, validator=exercise_names)
    expected: str | None = attrs.field(default=None, validator=instance(str, optional=True))
