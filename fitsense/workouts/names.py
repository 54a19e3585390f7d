"""Identifiers of exercises in other formats, from ``names.json``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources

import attrs

from fitsense.catalogue import UNKNOWN


@attrs.frozen
class Names:
    """Identifiers of an exercise.

    :param fit_category: number in FIT's ``exercise_category``; 65534 (``unknown``) if there is none.
    :param fit_name: number of the name in that category; None if there is none.
    :param health_connect: type of Health Connect's ``ExerciseSegment``; a general type if there is none.
    """

    fit_category: int
    fit_name: int | None
    health_connect: int


@functools.cache
def _names() -> tuple[Mapping[str, Names], Names]:
    document = json.loads(resources.files("fitsense.workouts").joinpath("names.json").read_text("utf-8"))
    entries = {**document["exercises"], UNKNOWN: document["unknown"], "": document["other"]}
    names = {
        id_: Names(entry["fit"]["category"], entry["fit"]["name"], entry["health_connect"]["type"])
        for id_, entry in entries.items()
    }
    return names, names.pop("")


def names_of(exercise: str) -> Names:
    """The identifiers of a catalogue id or ``unknown``; general ones for exercises outside the catalogue."""
    names, other = _names()
    return names.get(exercise, other)
