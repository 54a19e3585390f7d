"""The catalogue is complete, consistent, and agrees with the paper."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fitsense.catalogue import IDLE, LANGUAGES, UNKNOWN, load_catalogue, locale_of
from fitsense.errors import InvalidInputError, UnknownNameError
from fitsense.events.schema import schema

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


@pytest.mark.parametrize("lang", LANGUAGES)
def test_catalogue_aliases_are_unique(lang: str) -> None:
    catalogue = load_catalogue(lang)
    for exercise in catalogue.exercises.values():
        for name in (exercise.id, exercise.name, *exercise.aliases):
            assert catalogue.find(name) is exercise, name


def test_find_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown exercise 'moonwalk'"):
        load_catalogue().find("moonwalk")


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_languages_name_all_entries(lang: str) -> None:
    english, catalogue, texts = load_catalogue(), load_catalogue(lang), locale_of(lang)
    assert texts["exercises"].keys() == english.exercises.keys() | {UNKNOWN, IDLE}
    assert texts["muscle_groups"].keys() == english.muscle_groups.keys()
    for part in ("exercises", "muscle_groups"):
        names = list(texts[part].values())
        assert len(set(names)) == len(names)
        assert all(name == name.strip() and name for name in names)
    assert catalogue.lang == lang
    assert catalogue.exercise_name(UNKNOWN) == texts["exercises"][UNKNOWN]
    # Facts are the same in all languages.
    assert [one.muscles for one in catalogue.exercises.values()] == [one.muscles for one in english.exercises.values()]


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_languages_have_a_text_for_every_warning(lang: str) -> None:
    described = schema("session.warning")["properties"]["code"]["description"]
    codes = {one for part in re.findall(r"([a-z_, ]+):", described) for one in part.replace(",", " ").split()}
    texts = locale_of(lang)["warnings"]
    assert {code for code in codes if "_" in code or code in ("gap", "behind")} <= texts.keys()
    catalogue = load_catalogue(lang)
    assert "3.2 s" in catalogue.warning("gap", "no frames for 3.2 s", 3.2)
    assert all("{" not in catalogue.warning(code, "") for code in texts)
    # A host's own code, and English.
    assert catalogue.warning("myapp_door", "The door is open.") == "The door is open."
    assert load_catalogue().warning("gap", "no frames") == "no frames"


def test_find_accepts_language_and_english() -> None:
    german = load_catalogue("de")
    assert (german.exercise_name("squat"), german.muscle_group_name("chest")) == ("Kniebeuge", "Brust")
    assert german.find("kniebeuge").id == german.find("squat").id == "squat"
    assert load_catalogue("ja").exercise_name("squat") == "スクワット"


@pytest.mark.parametrize("lang", ["de-AT", "DE", "de_DE.UTF-8"])
def test_language_of_locale_is_its_prefix(lang: str) -> None:
    assert load_catalogue(lang) is load_catalogue("de")


def test_load_catalogue_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"lang: expected one of en, de, .*, got 'tlh'"):
        load_catalogue("tlh")


EXTRA: dict[str, Any] = {
    "muscle_groups": {"neck": {"name": "Neck", "side": "back", "names": {"de": "Nacken"}}},
    "exercises": {
        "sled_push": {
            "name": "Sled push",
            "names": {"de": "Schlitten schieben"},
            "aliases": ["prowler"],
            "muscles": ["quads", "glutes"],
            "assisting": ["neck"],
        },
        "heavy_sled_push": {"name": "Heavy sled push", "group": "sled_push", "muscles": ["quads"]},
    },
}


def test_extra_exercises_are_added_to_one_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "exercises.json"
    file.write_text(json.dumps(EXTRA))
    catalogue = load_catalogue("de", extra=file)
    assert catalogue.exercise_name("sled_push") == "Schlitten schieben"
    assert catalogue.muscle_group_name("neck") == "Nacken"
    assert catalogue.exercise_name("heavy_sled_push") == "Heavy sled push"
    for name in ("Schlitten schieben", "sled push", "PROWLER"):
        assert catalogue.find(name).id == "sled_push"
    assert catalogue.exercises["sled_push"].source == "extra"
    assert "sled_push" not in load_catalogue("de").exercises
    assert load_catalogue(extra=EXTRA).exercise_name("sled_push") == "Sled push"


def _changed(exercise: dict[str, Any]) -> dict[str, Any]:
    return {"exercises": {"sled_push": {"name": "Sled push", "muscles": ["quads"], **exercise}}}


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], r"extra: expected a JSON object, got \[\]"),
        ({"exercise": {}}, r"expected the properties exercises, muscle_groups, got \['exercise'\]"),
        ({"exercises": {"squat": {"name": "Mine", "muscles": []}}}, "expected ids that are not taken, got 'squat'"),
        ({"exercises": {"unknown": {"name": "Mine", "muscles": []}}}, "expected ids that are not taken, got 'unknown'"),
        ({"exercises": {"Sled push": {}}}, "expected ids of a-z, 0-9 and _, got 'Sled push'"),
        (_changed({"muscles": ["neck"]}), r"exercises.sled_push.muscles: expected a list of ids of .*, got \['neck'\]"),
        (_changed({"muscles": None}), "exercises.sled_push.muscles: expected a list"),
        (_changed({"name": ""}), "exercises.sled_push.name: expected a name, got ''"),
        (_changed({"names": {"tlh": "x"}}), "exercises.sled_push.names: expected names by language"),
        (
            _changed({"aliases": ["knee bend", "Squat"]}),
            "names that no other exercise has; squat is called so, got 'Squat'",
        ),
        (_changed({"group": "sled"}), "exercises.sled_push.group: expected the id of an exercise, got 'sled'"),
        (_changed({"colour": 1}), r"expected the properties name, .*, got \['colour'\]"),
        ({"muscle_groups": {"neck": {"name": "Neck", "side": "left"}}}, "side: expected one of front, back, both"),
    ],
)
def test_extra_exercises_invalid_are_refused(extra: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_catalogue(extra=extra)
