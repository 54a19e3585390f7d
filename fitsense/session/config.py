"""The configuration of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import instance, integer, number, one_of, uri_reference
from fitsense.camera.framing import FramingConfig
from fitsense.camera.monitor import CameraConfig
from fitsense.decisions.config import DecisionConfig
from fitsense.errors import InvalidInputError
from fitsense.expectation import as_names, exercise_names
from fitsense.geometry import Region
from fitsense.imaging.frame_rate import MAX_RATE_HZ
from fitsense.pose.landmarks import LandmarkSet
from fitsense.repetitions.config import RepetitionConfig
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


@checks_arguments
@attrs.frozen
class PoseConfig:
    """Landmarks of the person that a session analyses.

    :param enabled: ``auto`` to find landmarks if a branch of the bundle takes them and their estimator's files are
        present; ``on`` to find them for every bundle, or fail; ``off`` to take only those that the host pushes.
    :param estimator: name of the pose estimator; None for that of the bundle, or else the first one
        installed.
    :param rate_hz: largest rate of pictures with landmarks, per second; None for 10, or 6 without repetitions.
    :param people: expected number of people in the picture; more cause a warning.
    :param landmarks: the landmark set of the poses that the host pushes; None for the estimator's.
    :param boxes: whether ``exercise.updated`` has the person's box and name.
    :raises InvalidInputError: a value of another type or outside its range.
    """

    enabled: Literal["auto", "on", "off"] = attrs.field(default="auto", validator=one_of(("auto", "on", "off")))
    estimator: str | None = attrs.field(default=None, validator=instance(str, optional=True))
    rate_hz: float | None = attrs.field(default=None, validator=number(0.0, MAX_RATE_HZ, above=True, optional=True))
    people: int = attrs.field(default=1, validator=integer(1))
    landmarks: LandmarkSet | None = attrs.field(default=None, validator=instance(LandmarkSet, optional=True))
    boxes: bool = attrs.field(default=True, validator=instance(bool))


@checks_arguments
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
    :param repetitions: the repetition counter's configuration; None to count no repetitions.
    :param exercises: labels of the only exercises that may be named; None for all of the bundle. Probabilities are
        renormalised over these, ``unknown`` and idle, and muscles follow.
    :param expected: label of the exercise that a guided workout asks for, which becomes more likely than the bundle
        predicts; another exercise that is clear enough is still named. None for none.
    :param camera: the camera monitor's configuration; None for no camera warnings.
    :param progress_interval_s: shortest media time in seconds between two ``session.progress`` events; None for none.
    :param pose: how the landmarks of the person are found.
    :param framing: the framing monitor's configuration, for sessions with landmarks; None for no warnings about how
        the picture shows the person.
    :raises InvalidInputError: a value of another type or outside its range.
    """

    hop_s: float = attrs.field(default=1.0, validator=number(MIN_HOP_S, MAX_HOP_S))
    gap_s: float = attrs.field(default=1.5, validator=number(0.0, MAX_HOP_S, above=True))
    source: str = attrs.field(default="urn:fitsense:session", validator=uri_reference)
    started_at: datetime | None = attrs.field(default=None, converter=_in_utc)
    region: Region | None = attrs.field(default=None, validator=instance(Region, optional=True))
    set_rest_s: float = attrs.field(default=10.0, validator=number(0.0, above=True))
    decisions: DecisionConfig | None = attrs.field(default=None, validator=instance(DecisionConfig, optional=True))
    repetitions: RepetitionConfig | None = attrs.field(
        factory=RepetitionConfig, validator=instance(RepetitionConfig, optional=True)
    )
    camera: CameraConfig | None = attrs.field(factory=CameraConfig, validator=instance(CameraConfig, optional=True))
    exercises: tuple[str, ...] | None = attrs.field(default=None, converter=as_names, validator=exercise_names)
    expected: str | None = attrs.field(default=None, validator=instance(str, optional=True))
    progress_interval_s: float | None = attrs.field(default=10.0, validator=number(0.0, above=True, optional=True))
    pose: PoseConfig = attrs.field(factory=PoseConfig, validator=instance(PoseConfig))
    framing: FramingConfig | None = attrs.field(factory=FramingConfig, validator=instance(FramingConfig, optional=True))
