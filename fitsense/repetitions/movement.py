"""Movements that counters find: repetitions, with what a body's joints say of them, and partial repetitions."""

from __future__ import annotations

import attrs

from fitsense.repetitions.motion_range import JointRange, Phases
from fitsense.repetitions.sides import Side


@attrs.frozen
class Details:
    """Details of a repetition from the joints of a body.

    :param side: side of the repetition; None if both sides move.
    :param joint: leading joint with its range of motion; None if no angle of a joint is known.
    :param phases: durations of its phases.
    """

    side: Side | None = None
    joint: JointRange | None = None
    phases: Phases | None = None


@attrs.frozen
class Repetition:
    """One movement from the start position and back, in seconds of media time; `confidence` is in 0..1."""

    start_s: float
    end_s: float
    confidence: float
    details: Details = Details()


@attrs.frozen
class PartialRepetition:
    """A movement that turned back early, among repetitions that went farther; in seconds of media time."""

    start_s: float
    end_s: float


Movement = Repetition | PartialRepetition
