"""Decisions: a segment started, continues or ended, and muscles were active."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class SegmentStarted:
    """An answer became the current one. `exercise` may be ``UNKNOWN``; idle time is never a segment."""

    exercise: str
    start_s: float
    confidence: float


@attrs.frozen
class SegmentUpdated:
    """The current segment continues, so far until `end_s`; `scores` are the smoothed probabilities."""

    exercise: str
    start_s: float
    end_s: float
    confidence: float
    scores: Mapping[str, float]


@attrs.frozen
class SegmentEnded:
    """A segment ended; `confidence`, `scores` and `muscles` are means over it."""

    exercise: str
    start_s: float
    end_s: float
    confidence: float
    scores: Mapping[str, float]
    muscles: Mapping[str, float]


@attrs.frozen
class MusclesActivated:
    """Mean activation of each muscle group from `start_s` to `end_s`, in 0..1."""

    start_s: float
    end_s: float
    muscles: Mapping[str, float]


Decision = SegmentStarted | SegmentUpdated | SegmentEnded | MusclesActivated
