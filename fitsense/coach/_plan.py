"""Workout plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.configs import config_from_json
from fitsense._internal.validators import integer, number
from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError


@checks_arguments
@attrs.frozen
class PlannedExercise:
    """Planned sets of an exercise.

    :param exercise: catalogue id, such as ``squat``. A model that only knows the exercise's group, such as
        ``bicep_curl`` for ``hammer_curl``, counts for it too.
    :param repetitions: repetitions of each set; None for an exercise that is held.
    :param hold_s: duration of each set in seconds for an exercise that is held, such as a plank; None for others.
    :param sets: number of sets.
    :param rest_s: rest after each set, in seconds.
    :param tempo_s: intended length of a repetition in seconds; None for any.
    :raises InvalidInputError: a number is out of range, or there is not exactly one of repetitions and hold_s.
    """

    exercise: str
    repetitions: int | None = attrs.field(default=None, validator=integer(1, optional=True))
    hold_s: float | None = attrs.field(default=None, validator=number(0.0, above=True, optional=True))
    sets: int = attrs.field(default=1, validator=integer(1))
    rest_s: float = attrs.field(default=60.0, validator=number(0.0))
    tempo_s: float | None = attrs.field(default=None, validator=number(0.0, above=True, optional=True))

    def __attrs_post_init__(self) -> None:
        if (self.repetitions is None) == (self.hold_s is None):
            raise InvalidInputError(
                f"PlannedExercise {self.exercise!r}: expected either repetitions or hold_s, "
                f"got repetitions={self.repetitions!r} and hold_s={self.hold_s!r}"
            )

    def is_of(self, exercise: str) -> bool:
        """True if sets of an exercise, as events name it, count for this one."""
        known = load_catalogue().exercises.get(self.exercise)
        return exercise == self.exercise or (known is not None and exercise == known.group)


_EXPECTED = "Plan.exercises: expected a sequence of PlannedExercise"


def _in_order(exercises: Iterable[PlannedExercise]) -> tuple[PlannedExercise, ...]:
    if not isinstance(exercises, Iterable):
        raise InvalidInputError(f"{_EXPECTED}, got a {type(exercises).__name__}")
    listed = tuple(exercises)
    for place, one in enumerate(listed, 1):
        if not isinstance(one, PlannedExercise):
            hint = "; Plan.from_dicts takes JSON objects" if isinstance(one, Mapping) else ""
            raise InvalidInputError(f"{_EXPECTED}, got a {type(one).__name__} as number {place}{hint}")
    return listed


@attrs.frozen
class Plan:
    """A workout plan: exercises in order.

    :param exercises: at least one. Other orders of execution are followed, too.
    :raises InvalidInputError: there is none, or one is of another type.
    """

    exercises: tuple[PlannedExercise, ...] = attrs.field(converter=_in_order)

    def __attrs_post_init__(self) -> None:
        if not self.exercises:
            raise InvalidInputError("Plan: expected at least one exercise, got none")

    @classmethod
    def from_dicts(cls, exercises: Iterable[Mapping[str, Any]]) -> Plan:
        """Create a plan from JSON objects with the properties of :class:`PlannedExercise`.

        :raises InvalidInputError: a property is missing, unknown or of the wrong type.
        """
        places = enumerate(exercises, 1)
        return cls(tuple(config_from_json(PlannedExercise, one, f"plan: exercise {number}") for number, one in places))
