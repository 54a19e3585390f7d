"""Cues of a coach as data, which applications show or speak. ``time_s`` is media time in seconds."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

PaceVerdict: TypeAlias = Literal["fast", "on target", "slow"]


@attrs.frozen
class Pace:
    """Durations of repetitions compared with the intended tempo.

    :param last_s: length of the last repetition in seconds.
    :param mean_s: mean length over the set.
    :param target_s: intended length.
    :param verdict: verdict on the last repetition.
    """

    last_s: float
    mean_s: float
    target_s: float
    verdict: PaceVerdict


@attrs.frozen
class RepetitionDone:
    """A repetition of a planned exercise.

    :param set: number of the set in the plan's exercise, from 1.
    :param repetition: number of the repetition in the set, from 1.
    :param left: repetitions left in the set; 0 for those beyond the target.
    :param pace: None without an intended tempo.
    """

    time_s: float
    exercise: str
    set: int
    repetition: int
    left: int
    pace: Pace | None


@attrs.frozen
class SetDone:
    """A set reached its target, or ended below it.

    :param set: number of the set in the plan's exercise, from 1.
    :param missing: repetitions, or seconds of a held exercise, missing to the target; 0 for none.
    :param sets_left: sets left of this exercise.
    :param rest_s: intended rest from now on, in seconds; None after the last set of the plan.
    """

    time_s: float
    exercise: str
    set: int
    missing: float
    sets_left: int
    rest_s: float | None


@attrs.frozen
class RestOver:
    """The intended rest is over and the next set has not begun.

    :param exercise: the next exercise.
    """

    time_s: float
    exercise: str


@attrs.frozen
class NotPlanned:
    """An exercise began that the plan does not contain, or of which no set is left."""

    time_s: float
    exercise: str


@attrs.frozen
class NotRecognised:
    """The session's model does not know an exercise of the plan."""

    time_s: float
    exercise: str


@attrs.frozen
class PlanDone:
    """Every set of the plan was done."""

    time_s: float


Cue: TypeAlias = RepetitionDone | SetDone | RestOver | NotPlanned | NotRecognised | PlanDone
