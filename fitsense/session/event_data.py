"""Builds event data from camera warnings, expectations, decisions, repetitions and sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from fitsense.bundles.manifest import Manifest
from fitsense.camera.monitor import CameraWarning
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.decisions.segments import SegmentEnded, SegmentUpdated
from fitsense.errors import InvalidInputError
from fitsense.events import model as events
from fitsense.expectation import Expectation
from fitsense.repetitions.sets import CountedRepetition, ExerciseSet, SetStats
from fitsense.session.extensions import TaskParts

_CODE = re.compile("[a-z][a-z0-9_]*")


def camera_warning(warning: CameraWarning) -> events.SessionWarning:
    """Data of ``session.warning`` for a camera warning."""
    return events.SessionWarning(
        warning.code, warning.message, warning.start_s, warning.end_s, warning.over, warning.limbs
    )


def nameable_exercises(labels: Sequence[str], expectation: Expectation) -> tuple[str, ...]:
    """Labels that events may name under an expectation, without idle and ``unknown``."""
    return expectation.exercises or tuple(label for label in labels if label not in (IDLE, UNKNOWN))


def session_updated(labels: Sequence[str], expectation: Expectation, at_s: float) -> events.SessionUpdated:
    """Data of ``session.updated`` for a changed expectation, at a time in seconds of media time."""
    return events.SessionUpdated(nameable_exercises(labels, expectation), expectation.expected, at_s)


def session_started(
    manifest: Manifest, expectation: Expectation, window_s: float, hop_s: float
) -> events.SessionStarted:
    """Data of ``session.started`` for a session with a bundle."""
    return events.SessionStarted(
        model=events.ModelInfo(manifest.name, manifest.version),
        exercises=nameable_exercises(manifest.labels.exercise, expectation),
        muscle_groups=manifest.labels.muscles,
        window_s=window_s,
        hop_s=hop_s,
    )


def check_warning(code: str, message: str) -> None:
    """Refuse a host's warning that the schema does not allow.

    :raises InvalidInputError: the code or the message is malformed.
    """
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise InvalidInputError(
            f"code: expected lower-case letters, digits and _, such as myapp_door_open, got {code!r}"
        )
    if not isinstance(message, str) or not message:
        raise InvalidInputError(f"message: expected a text, got {message!r}")


def gap(start_s: float, end_s: float) -> events.SessionWarning:
    """Data of ``session.warning`` for media time without frames."""
    message = f"no frames for {end_s - start_s:.1f} s; open segments were closed"
    return events.SessionWarning("gap", message, start_s, end_s)


def clock_reset(time_s: float, offset_s: float) -> events.SessionWarning:
    """Data of ``session.warning`` for a source's clock that was set back."""
    message = f"the clock of the source jumped backwards; {offset_s:.1f} s are added to later times"
    return events.SessionWarning("clock_reset", message, time_s, time_s)


def late_frame(time_s: float, last_s: float) -> events.SessionWarning:
    """Data of ``session.warning`` for a frame that was dropped."""
    message = f"a frame at {time_s:.3f} s came after one at {last_s:.3f} s and was dropped"
    return events.SessionWarning("late_frame", message, time_s, last_s)


def exercise_updated(
    segment: SegmentUpdated, box: events.PersonBox | None, person: str | None, extensions: TaskParts | None
) -> events.ExerciseUpdated:
    """Data of ``exercise.updated`` for a segment.

    :param box: the person's, if it is known.
    :param person: the person's name, likewise.
    :param extensions: parts of the tasks that plugins declare.
    """
    return events.ExerciseUpdated(
        **_segment_fields(segment),
        box=box,
        person=person,
        extensions=extensions,
    )


def exercise_ended(
    segment: SegmentEnded, stats: SetStats, sets: Iterable[ExerciseSet], extensions: TaskParts | None
) -> events.ExerciseEnded:
    """Data of ``exercise.ended`` for a segment, its repetitions, its sets and the parts of plugins' tasks."""
    return events.ExerciseEnded(
        **_segment_fields(segment),
        muscles=segment.muscles,
        sets=tuple(set_summary(one) for one in sets),
        extensions=extensions,
        **attrs.asdict(stats),
    )


def _segment_fields(segment: SegmentUpdated | SegmentEnded) -> dict[str, Any]:
    """Fields that events of a segment share."""
    return {
        "exercise": segment.exercise,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "duration_s": segment.end_s - segment.start_s,
        "confidence": segment.confidence,
        "scores": segment.scores,
    }


def repetition_completed(counted: CountedRepetition) -> events.RepetitionCompleted:
    """Data of ``repetition.completed`` for a repetition of a set."""
    repetition = counted.repetition
    details, joint = repetition.details, repetition.details.joint
    return events.RepetitionCompleted(
        exercise=counted.exercise,
        index=counted.index,
        start_s=repetition.start_s,
        end_s=repetition.end_s,
        duration_s=repetition.end_s - repetition.start_s,
        confidence=repetition.confidence,
        side=details.side,
        pairs=counted.pairs,
        joint=None if joint is None else joint.joint,
        range_deg=None if joint is None else joint.range_deg,
        range_confidence=None if joint is None else joint.confidence,
        phases=None if details.phases is None else events.RepetitionPhases(**attrs.asdict(details.phases)),
        tempo=None if details.phases is None else details.phases.tempo,
    )


def set_summary(one: ExerciseSet) -> events.SetSummary:
    """Summary of a set."""
    return events.SetSummary(
        exercise=one.exercise,
        index=one.index,
        start_s=one.start_s,
        end_s=one.end_s,
        duration_s=one.end_s - one.start_s,
        rest_before_s=one.rest_before_s,
        **attrs.asdict(one.stats),
    )
