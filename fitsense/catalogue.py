"""Exercises and muscle groups: ids, names, aliases, and which muscles an exercise works.

The facts are in ``catalogue.json`` beside this module, each with its source.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from importlib import resources

import attrs

from fitsense.errors import UnknownNameError

UNKNOWN = "unknown"
"""Answer for movement that no exercise label fits with enough confidence."""

IDLE = "no_exercise"
"""Model label and answer for pictures without exercise."""

_ANSWER_NAMES = {UNKNOWN: "Unknown movement", IDLE: "No exercise"}


@attrs.frozen
class MuscleGroup:
    """A muscle group.

    :param id: such as ``lower_back``.
    :param name: display name.
    :param side: ``front``, ``back`` or ``both`` of the body.
    :param paper: whether it is one of the 11 groups of arXiv 2406.06703.
    """

    id: str
    name: str
    side: str
    paper: bool


@attrs.frozen
class Exercise:
    """An exercise.

    :param id: such as ``hammer_curl``.
    :param name: display name.
    :param group: id of the exercise that a classifier reports for it: itself, or a more general one.
    :param aliases: other common names, such as folder names of data sets.
    :param paper_class: its class among the 16 of arXiv 2406.06703, if any.
    :param muscles: ids of the muscle groups that it works mainly: the targets of muscle activation.
    :param assisting: ids of the muscle groups that assist.
    :param source: where the muscles come from: ``paper``, a free-exercise-db id, or ``curated``.
    :param timed: whether it is held for a time, such as a plank, so that its sets have no repetitions.
    """

    id: str
    name: str
    group: str
    aliases: tuple[str, ...]
    paper_class: str | None
    muscles: tuple[str, ...]
    assisting: tuple[str, ...]
    source: str
    timed: bool = False


@attrs.frozen
class Catalogue:
    """All exercises and muscle groups, by id."""

    exercises: Mapping[str, Exercise]
    muscle_groups: Mapping[str, MuscleGroup]
    _names: Mapping[str, str] = attrs.field(repr=False)

    def exercise_name(self, id_: str) -> str:
        """Display name of an answer: an exercise, no exercise or unknown movement; the id if it has no entry."""
        if id_ in _ANSWER_NAMES:
            return _ANSWER_NAMES[id_]
        return self.exercises[id_].name if id_ in self.exercises else id_

    def muscle_group_name(self, id_: str) -> str:
        """Display name of a muscle group; the id if it has no entry."""
        return self.muscle_groups[id_].name if id_ in self.muscle_groups else id_

    def find(self, name: str) -> Exercise:
        """Find an exercise by id, name or alias; case, spaces, hyphens and underscores do not matter.

        :raises UnknownNameError: no exercise has that name.
        """
        try:
            return self.exercises[self._names[_normalise(name)]]
        except KeyError:
            raise UnknownNameError(
                f"unknown exercise {name!r}; fitsense.load_catalogue().exercises lists all ids"
            ) from None


@functools.cache
def load_catalogue() -> Catalogue:
    """Load the catalogue; it is read once."""
    document = json.loads(resources.files("fitsense").joinpath("catalogue.json").read_text("utf-8"))
    groups = {
        id_: MuscleGroup(id_, entry["name"], entry["side"], entry["paper"])
        for id_, entry in document["muscle_groups"].items()
    }
    exercises = {
        id_: Exercise(
            id=id_,
            name=entry["name"],
            group=entry.get("group", id_),
            aliases=tuple(entry.get("aliases", ())),
            paper_class=entry.get("paper_class"),
            muscles=tuple(entry["muscles"]),
            assisting=tuple(entry.get("assisting", ())),
            source=entry["source"],
            timed=entry.get("timed", False),
        )
        for id_, entry in document["exercises"].items()
    }
    names: dict[str, str] = {}
    for exercise in exercises.values():
        for name in (exercise.id, exercise.name, *exercise.aliases):
            names.setdefault(_normalise(name), exercise.id)
    return Catalogue(exercises, groups, names)


def _normalise(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().lower()


def is_timed(exercise: str) -> bool:
    """Whether an exercise is held for a time; exercises outside the catalogue are not."""
    known = load_catalogue().exercises.get(exercise)
    return known is not None and known.timed


def may_be_held(exercise: str) -> bool:
    """Whether an exercise may be a set without repetitions; exercises outside the catalogue may."""
    known = exercise in load_catalogue().exercises
    return is_timed(exercise) if known else exercise != UNKNOWN
