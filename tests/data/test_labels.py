"""Look-up of exercises and muscle groups by common names."""

from __future__ import annotations

import pytest

from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.labels import GROUPINGS, Grouping, exercise_of, group_of, is_known, muscle_of, muscles_of

KAGGLE = """barbell biceps curl, bench press, chest fly machine, deadlift, decline bench press, hammer curl, hip thrust,
incline bench press, lat pulldown, lateral raise, leg extension, leg raises, plank, pull Up, push-up, romanian deadlift,
russian twist, shoulder press, squat, t bar row, tricep Pushdown, tricep dips"""
FOLDERS = [" ".join(name.split()) for name in KAGGLE.split(",")]


def test_exercise_of_kaggle_folders_are_distinct() -> None:
    found = {exercise_of(name) for name in FOLDERS}
    assert len(found) == len(FOLDERS) == 22
    assert all(map(is_known, found))


def test_exercise_of_any_spelling_is_found() -> None:
    for exercise in load_catalogue().exercises.values():
        for name in (exercise.id, exercise.name, *exercise.aliases):
            for written in (name, name.upper(), name.replace(" ", "_"), f" {name.replace(' ', '. ')}!"):
                assert exercise_of(written) == exercise.id, written


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("Squats", "squat"),
        ("tricep dip", "tricep_dips"),
        ("No Exercise", IDLE),
        ("Moon-walk (slow)", "moon_walk_slow"),
        ("Приседания", "приседания"),
        ("!?", ""),
        ("", ""),
    ],
)
def test_exercise_of_plural_idle_and_unknown_names(name: str, id_: str) -> None:
    assert exercise_of(name) == id_


def test_muscle_of_accepts_ids_names_and_singulars() -> None:
    groups = load_catalogue().muscle_groups
    assert [muscle_of(group.name.upper()) for group in groups.values()] == list(groups)
    assert [muscle_of(id_) for id_ in groups] == list(groups)
    assert (muscle_of("Bicep"), muscle_of("lower-back"), muscle_of("elbow")) == ("biceps", "lower_back", None)
    assert not any(is_known(exercise_of(group.name)) for group in groups.values()), "a label would mean two things"


def test_group_of_paper_has_sixteen_classes() -> None:
    classes = {group_of(exercise_of(name), "paper") for name in FOLDERS} - {""}
    assert len(classes) == 16
    assert group_of("pull_up", "paper") == group_of("lat_pulldown", "paper") == "lat_pulling"
    assert group_of("incline_bench_press", "paper") == "bench_press"
    assert group_of("plank", "paper") == group_of("moon_walk", "paper") == ""


def test_group_of_depends_on_grouping() -> None:
    assert [group_of("hammer_curl", grouping) for grouping in GROUPINGS] == ["hammer_curl", "bicep_curl", "bicep_curl"]
    assert [group_of("moon_walk", grouping) for grouping in GROUPINGS] == ["moon_walk", "moon_walk", ""]


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_muscles_of_all_groups_are_known(grouping: Grouping) -> None:
    exercises = load_catalogue().exercises
    for id_ in exercises:
        group = group_of(id_, grouping)
        assert not group or group in exercises or muscles_of(id_, group) == exercises[id_].muscles
    assert group_of(IDLE, grouping) == IDLE
