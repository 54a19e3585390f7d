"""What an exercise is called in other programs' formats. The facts are in ``names.json`` beside this module."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources

import attrs

from fitsense.catalogue import UNKNOWN


@attrs.frozen
class Names:
    """An exercise's names elsewhere.

    :param fit_category: a number of FIT's ``exercise_category``; 65534, its ``unknown``, where it has none.
    :param fit_name: the number of its name in that category; None where the category has none that fits.
    :param health_connect: the type of Health Connect's ``ExerciseSegment``; some general one where it has none.
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
    """The names of a catalogue id or ``unknown``; an exercise that fitsense does not know gets general ones."""
    names, other = _names()
    return names.get(exercise, other)
