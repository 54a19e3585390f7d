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
"""The answer when somebody moves but no exercise is sure enough."""

IDLE = "no_exercise"
"""The label of a model for pictures without exercise; also the answer for them."""


_ANSWERS = {UNKNOWN: "Unknown movement", IDLE: "No exercise"}


@attrs.frozen
class MuscleGroup:
    """A group of muscles that is trained as one.

    :param id: such as ``lower_back``.
    :param name: for people to read.
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
    :param name: for people to read.
    :param group: id of the exercise that a classifier reports for it: itself, or a more general one.
    :param aliases: other names, as folders and people write them.
    :param paper_class: its class among the 16 of arXiv 2406.06703, if any.
    :param muscles: ids of the muscle groups that it works; the targets of muscle activation.
    :param assisting: ids of groups that help.
    :param source: where the muscles come from: ``paper``, a free-exercise-db id, or ``curated``.
    :param timed: whether it is done for a time, as a plank is, so that it has sets without repetitions.
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
    """Every exercise and muscle group that fitsense knows, by id."""

    exercises: Mapping[str, Exercise]
    muscle_groups: Mapping[str, MuscleGroup]
    _names: Mapping[str, str] = attrs.field(repr=False)

    def exercise_name(self, id_: str) -> str:
        """An answer's name for people: an exercise's, that of no exercise or of unknown movement, else the id."""
        if id_ in _ANSWERS:
            return _ANSWERS[id_]
        return self.exercises[id_].name if id_ in self.exercises else id_

    def muscle_group_name(self, id_: str) -> str:
        """A muscle group's name for people, else the id."""
        return self.muscle_groups[id_].name if id_ in self.muscle_groups else id_

    def find(self, name: str) -> Exercise:
        """The exercise of an id, a name or an alias, whatever its case, spaces, hyphens and underscores."""
        try:
            return self.exercises[self._names[_normal(name)]]
        except KeyError:
            raise UnknownNameError(
                f"no exercise is called {name!r}; fitsense.load_catalogue().exercises lists those that there are"
            ) from None


@functools.cache
def load_catalogue() -> Catalogue:
    """The catalogue, read once."""
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
            names.setdefault(_normal(name), exercise.id)
    return Catalogue(exercises, groups, names)


def _normal(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().lower()
