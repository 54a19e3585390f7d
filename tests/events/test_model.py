"""Events and their JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import attrs
import pytest

from fitsense.events import model as events
from fitsense.events.model import (
    BuiltInData,
    Event,
    EventData,
    ExerciseStarted,
    MusclesActivated,
    RepetitionCompleted,
    RepetitionPhases,
)
from fitsense.events.schema import schema, schemas, validate_event

TYPES = {kind.TYPE: kind for kind in get_args(BuiltInData)}


def test_to_json_rounds_numbers_and_gives_one_line() -> None:
    event = Event("urn:x", 3, datetime(1970, 1, 1, tzinfo=UTC), ExerciseStarted("squat", 1.23456789, 0.123456))
    line = event.to_json()
    assert "\n" not in line
    assert line == event.to_json()
    document = json.loads(line)
    assert document["data"] == {"exercise": "squat", "start_s": 1.235, "confidence": 0.1235}
    assert document["id"] == document["sequence"] == "0000000003"
    assert document["type"] == "fitsense.exercise.started"
    validate_event(document)


def test_to_json_never_gives_minus_zero() -> None:
    event = Event("urn:x", 0, datetime(1970, 1, 1, tzinfo=UTC), MusclesActivated(-1e-9, 1.0, {"quads": -0.0}))
    assert "-0.0" not in event.to_json()


def test_to_json_keeps_names_outside_ascii() -> None:
    event = Event("file:übung.mp4", 0, datetime(1970, 1, 1, tzinfo=UTC), ExerciseStarted("squat", 0, 1))
    assert "übung" in event.to_json()


# Properties that the first logs lack: every event has them, but readers must not require them.
LATER = {
    "exercise.ended": {"repetitions", "attempts", "sets", "time_under_tension_s", "tempo_mean_s", "tempo_spread_s"},
    "session.ended": {"sets", "muscle_load_repetitions"},
    "session.warning": {"over"},
}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_event_classes_mirror_their_schemas(name: str) -> None:
    document = schema(name)
    fields = {field.name for field in attrs.fields(TYPES[name])}
    absent = {field.name for field in attrs.fields(TYPES[name]) if "optional" in field.metadata}
    assert fields == set(document["properties"])
    assert fields - absent - LATER.get(name, set()) == set(document["required"])


def test_to_json_without_landmarks_omits_what_they_give() -> None:
    plain = RepetitionCompleted("squat", 1, 0.0, 2.0, 2.0, 0.9)
    assert set(_data(plain)) == {"exercise", "index", "start_s", "end_s", "duration_s", "confidence"}
    phases = RepetitionPhases(1.0, 0.0, 1.0, 0.0, 1.0)
    full = attrs.evolve(plain, side="left", pairs=0, joint="knee", range_deg=84.46, phases=phases, tempo="1-0-1-0")
    assert _data(full)["pairs"] == 0
    assert _data(full)["range_deg"] == 84.5
    assert _data(full)["phases"] == {"out_s": 1.0, "far_s": 0.0, "back_s": 1.0, "near_s": 0.0, "confidence": 1.0}


def _data(data: EventData) -> dict[str, Any]:
    document = Event("urn:x", 0, datetime(1970, 1, 1, tzinfo=UTC), data).to_dict()
    validate_event(document)
    return document["data"]  # type: ignore[no-any-return]


def test_event_schemas_each_have_a_class() -> None:
    event_schemas = {name for name in schemas() if not name.startswith("server.")}
    assert event_schemas - {"common", "envelope", "model"} == TYPES.keys()


def test_event_time_is_exact_to_the_millisecond() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert events.event_time(start, 0.0015).microsecond in (1000, 2000)
    assert events.event_time(start, 3600.5) == datetime(2026, 1, 1, 1, 0, 0, 500_000, tzinfo=UTC)
