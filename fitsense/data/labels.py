"""Ids of exercises and muscle groups from the names that people use."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal, get_args

from fitsense.catalogue import IDLE, load_catalogue
from fitsense.errors import UnknownNameError

Grouping = Literal["fine", "general", "paper"]
"""Class of a clip: its exercise, the catalogue's group of exercises, or the class of arXiv 2406.06703."""

GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)


def exercise_of(name: str) -> str:
    """The id of the exercise that has `name` as id, name or alias, ignoring case, punctuation and plural; a new id for
    a name that the catalogue does not have, empty for a name without letters."""
    plain = _plain(name)
    own = plain.replace(" ", "_")
    if own == IDLE:
        return IDLE
    for candidate in (plain, plain.removesuffix("s"), f"{plain}s"):
        try:
            return load_catalogue().find(candidate).id
        except UnknownNameError:
            continue
    return own


def is_known(exercise: str) -> bool:
    """True if the catalogue has `exercise`, and so its muscles."""
    return exercise == IDLE or exercise in load_catalogue().exercises


def muscle_of(name: str) -> str | None:
    """The id of the muscle group that has `name` as id or name, ignoring case, punctuation and plural."""
    return _muscle_names().get(_plain(name).removesuffix("s"))


def group_of(exercise: str, grouping: Grouping) -> str:
    """Class of an exercise; empty if `grouping` has none for it."""
    known = load_catalogue().exercises.get(exercise)
    if exercise == IDLE or grouping == "fine":
        return exercise
    if grouping == "general":
        return known.group if known else exercise
    return _plain(known.paper_class or "").replace(" ", "_") if known else ""


def muscles_of(exercise: str, group: str) -> tuple[str, ...] | None:
    """The muscles of an exercise for a group that the catalogue does not have; None if it has the group, or does not
    have the exercise."""
    known = load_catalogue().exercises
    return known[exercise].muscles if exercise in known and group and group not in known else None


@functools.cache
def _muscle_names() -> Mapping[str, str]:
    groups = load_catalogue().muscle_groups.values()
    return {_plain(name).removesuffix("s"): group.id for group in groups for name in (group.id, group.name)}


def _plain(name: str) -> str:
    """Words in lower case with single spaces."""
    return re.sub(r"[\W_]+", " ", re.sub(r"['’]", "", name)).strip().lower()
