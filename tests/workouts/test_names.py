"""Identifiers in other formats, checked against published tables."""

from __future__ import annotations

import json
from importlib import resources

from fitdecode.profile import FIELD_TYPES

from fitsense.catalogue import load_catalogue
from fitsense.workouts.names import names_of

NAMES = json.loads(resources.files("fitsense.workouts").joinpath("names.json").read_text("utf-8"))
ENTRIES = {**NAMES["exercises"], "unknown": NAMES["unknown"], "other": NAMES["other"]}

# Of AndroidX' connect-client: what a session of strength training may have as segments, besides some general ones.
IN_STRENGTH_TRAINING = {
    "ARM_CURL": 1, "BACK_EXTENSION": 2, "BALL_SLAM": 3, "BARBELL_SHOULDER_PRESS": 4, "BENCH_PRESS": 5,
    "BENCH_SIT_UP": 6, "BURPEE": 9, "CRUNCH": 10, "DEADLIFT": 11, "DOUBLE_ARM_TRICEPS_EXTENSION": 12,
    "DUMBBELL_CURL_LEFT_ARM": 13, "DUMBBELL_CURL_RIGHT_ARM": 14, "DUMBBELL_FRONT_RAISE": 15,
    "DUMBBELL_LATERAL_RAISE": 16, "DUMBBELL_ROW": 17, "DUMBBELL_TRICEPS_EXTENSION_LEFT_ARM": 18,
    "DUMBBELL_TRICEPS_EXTENSION_RIGHT_ARM": 19, "DUMBBELL_TRICEPS_EXTENSION_TWO_ARM": 20, "FORWARD_TWIST": 22,
    "FRONT_RAISE": 23, "HIP_THRUST": 25, "HULA_HOOP": 26, "JUMPING_JACK": 27, "JUMP_ROPE": 28,
    "KETTLEBELL_SWING": 29, "LATERAL_RAISE": 30, "LAT_PULL_DOWN": 31, "LEG_CURL": 32, "LEG_EXTENSION": 33,
    "LEG_PRESS": 34, "LEG_RAISE": 35, "LUNGE": 36, "MOUNTAIN_CLIMBER": 37, "PLANK": 41, "PULL_UP": 42, "PUNCH": 43,
    "SHOULDER_PRESS": 48, "SINGLE_ARM_TRICEPS_EXTENSION": 49, "SIT_UP": 50, "SQUAT": 51, "UPPER_TWIST": 63,
    "WEIGHTLIFTING": 65,
}  # fmt: skip
IN_ANY_SESSION = {"UNKNOWN": 0, "OTHER_WORKOUT": 38, "PAUSE": 39, "REST": 44, "STRETCHING": 54}


def test_names_cover_catalogue() -> None:
    assert set(NAMES["exercises"]) == set(load_catalogue().exercises)


def test_names_fit_numbers_match_profile() -> None:
    categories = FIELD_TYPES["exercise_category"].enum
    for id_, entry in ENTRIES.items():
        category, _, name = entry["fit"]["as"].partition("/")
        assert categories[entry["fit"]["category"]] == category, id_
        if name:
            assert FIELD_TYPES[f"{category}_exercise_name"].enum[entry["fit"]["name"]] == name, id_
        else:
            assert entry["fit"]["name"] is None, id_


def test_names_health_connect_segments_are_valid() -> None:
    allowed = IN_STRENGTH_TRAINING | IN_ANY_SESSION
    for id_, entry in ENTRIES.items():
        assert allowed[entry["health_connect"]["as"]] == entry["health_connect"]["type"], id_


def test_names_of_known_and_unknown_exercises() -> None:
    squat = names_of("squat")
    assert (squat.fit_category, squat.fit_name, squat.health_connect) == (28, 61, 51)
    assert names_of("push_up").health_connect == IN_ANY_SESSION["OTHER_WORKOUT"]
    assert names_of("unknown").health_connect == IN_ANY_SESSION["UNKNOWN"]
    assert names_of("of_another_bundle").fit_category == 65534
    assert names_of("") == names_of("of_another_bundle")
