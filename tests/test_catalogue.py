"""The catalogue is complete, consistent, and agrees with the paper."""

from __future__ import annotations

import pytest

from fitsense.catalogue import load_catalogue
from fitsense.errors import UnknownNameError

KAGGLE = """barbell biceps curl, bench press, chest fly machine, deadlift, decline bench press, hammer curl, hip thrust,
incline bench press, lat pulldown, lateral raise, leg extension, leg raises, plank, pull Up, push-up, romanian deadlift,
russian twist, shoulder press, squat, t bar row, tricep Pushdown, tricep dips"""
MORE = "lunge, sit up, jumping jack, calf raise, leg press, leg curl, row, tricep extension"
PAPER = {
    "bench press": "chest shoulders triceps",
    "bicep curl": "biceps",
    "chest fly machine": "chest",
    "deadlift": "glutes lower_back hamstrings",
    "hip thrust": "glutes",
    "lat pulling": "lats biceps",
    "lateral raise": "shoulders",
    "leg extension": "quads",
    "leg raises": "abs",
    "push-up": "chest shoulders triceps",
    "russian twist": "abs obliques",
    "shoulder press": "shoulders",
    "squat": "quads glutes hamstrings",
    "t bar row": "lats biceps",
    "tricep Pushdown": "triceps",
    "tricep dips": "triceps",
}


@pytest.mark.parametrize("name", [name.strip() for name in f"{KAGGLE}, {MORE}".split(",")])
def test_find_folder_names_are_found(name: str) -> None:
    assert load_catalogue().find(name).muscles


def test_catalogue_paper_classes_have_the_papers_muscles() -> None:
    seen = set()
    for exercise in load_catalogue().exercises.values():
        if exercise.paper_class is not None:
            seen.add(exercise.paper_class)
            assert set(exercise.muscles) == set(PAPER[exercise.paper_class].split()), exercise.id
            assert exercise.source == "paper"
    assert seen == set(PAPER)


def test_catalogue_references_exist() -> None:
    catalogue = load_catalogue()
    for exercise in catalogue.exercises.values():
        group = catalogue.exercises[exercise.group]
        assert group.group == group.id, f"{exercise.id}: groups have no groups"
        assert {*exercise.muscles, *exercise.assisting} <= catalogue.muscle_groups.keys()
        assert not {*exercise.muscles} & {*exercise.assisting}
        assert exercise.source in ("paper", "curated") or exercise.source.startswith("free-exercise-db:")
    assert sum(group.paper for group in catalogue.muscle_groups.values()) == 11


def test_catalogue_aliases_are_unique() -> None:
    catalogue = load_catalogue()
    for exercise in catalogue.exercises.values():
        for name in (exercise.id, exercise.name, *exercise.aliases):
            assert catalogue.find(name) is exercise, name


def test_find_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown exercise 'moonwalk'"):
        load_catalogue().find("moonwalk")
