"""Movements that counters find: repetitions, with what a body's joints say of them, and partial repetitions."""

from __future__ import annotations

import attrs

from fitsense.repetitions.motion_range import JointRange, Phases
from fitsense.repetitions.sides import Side


@attrs.frozen
class Details:
    """Details of a repetition from the joints of a body.

    :param side: side of the repetition; None if both sides move.
    :param joints: ranges of motion of the joints, the leading one first; empty if no angle of a joint is known.
    :param phases: durations of its phases.
    """

    side: Side | None = None
    joints: tuple[JointRange, ...] = ()
    phases: Phases | None = None

    @property
    def joint(self) -> JointRange | None:
        """The leading joint with its range of motion; None if no angle of a joint is known."""
        return self.joints[0] if self.joints else None

    def led_by(self, joint: str) -> Details:
        """The same details with another leading joint; without joints if the range of that one is not known."""
        leading = [one for one in self.joints if one.joint == joint]
        others = [one for one in self.joints if one.joint != joint]
        return attrs.evolve(self, joints=(*leading, *others) if leading else ())


@attrs.frozen
class _Span:
    """A span of media time, in seconds."""

    start_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        """Middle of the movement, which decides on the set that it belongs to."""
        return (self.start_s + self.end_s) / 2


@attrs.frozen
class Repetition(_Span):
    """One movement from the start position and back, in seconds of media time; `confidence` is in 0..1."""

    confidence: float
    details: Details = Details()


@attrs.frozen
class PartialRepetition(_Span):
    """A movement that turned back early, among repetitions that went farther; in seconds of media time."""


Movement = Repetition | PartialRepetition
