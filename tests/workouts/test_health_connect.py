"""The Health Connect record, checked by the rules of its constructor."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings

from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.workouts.device import Device
from fitsense.workouts.health_connect import to_health_connect
from fitsense.workouts.names import names_of
from fitsense.workouts.workout import Rest, Workout
from tests.workouts.strategies import NO_LENGTH, workouts


def record(workout: Workout) -> dict[str, Any]:
    one = json.loads(to_health_connect(workout))
    assert isinstance(one, dict)
    return one


def moment(stamp: str) -> datetime:
    assert stamp.endswith("Z")
    return datetime.fromisoformat(stamp)


@settings(max_examples=20)
@given(workouts())
@example(NO_LENGTH)
def test_to_health_connect_segments_are_sets_and_rests(workout: Workout) -> None:
    session = record(workout)
    assert (session["recordType"], session["exerciseType"]) == ("ExerciseSession", 70)
    start, end = moment(session["startTime"]), moment(session["endTime"])
    assert start < end
    periods = list(workout.periods)
    before = start
    for segment, period in zip(session["segments"], periods, strict=True):
        began, ended = moment(segment["startTime"]), moment(segment["endTime"])
        # Segments do not overlap, last some time and lie within the session.
        assert before <= began < ended <= end
        assert abs((began - workout.time_at(period.start_s)).total_seconds()) < 0.001
        assert abs((ended - workout.time_at(period.end_s)).total_seconds()) < 0.001
        if isinstance(period, Rest):
            assert (segment["segmentType"], segment["repetitions"]) == (44, 0)
        else:
            assert segment["segmentType"] == names_of(period.exercise).health_connect
            assert (segment["repetitions"], segment["setIndex"]) == (period.repetitions or 0, period.index - 1)
            assert load_catalogue().exercise_name(period.exercise) in session["notes"]
        before = ended


@settings(max_examples=20)
@given(workouts())
def test_to_health_connect_zone_offsets_match_wall_clock(workout: Workout) -> None:
    session = record(workout)
    assert session["startZoneOffset"] == session["endZoneOffset"]
    assert workout.started_at is not None
    offset = workout.started_at.utcoffset()
    if not offset:
        assert session["startZoneOffset"] is None
    else:
        zone = session["startZoneOffset"]
        assert zone["totalSeconds"] == offset.total_seconds()
        assert datetime.fromisoformat(f"2026-05-01T00:00{zone['id']}").utcoffset() == offset


@settings(max_examples=20)
@given(workouts())
def test_to_health_connect_same_workout_has_same_record_id(workout: Workout) -> None:
    assert workout.started_at is not None
    same, again = record(workout), record(attrs.evolve(workout, started_at=workout.started_at.astimezone(UTC)))
    other = record(attrs.evolve(workout, started_at=workout.started_at + timedelta(seconds=1)))
    key = same["metadata"]["clientRecordId"]
    assert key == again["metadata"]["clientRecordId"] != other["metadata"]["clientRecordId"]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (None, {"type": 0, "manufacturer": None, "model": None}),
        (Device("phone"), {"type": 2, "manufacturer": None, "model": None}),
        (Device("watch", "Google", "Pixel Watch"), {"type": 1, "manufacturer": "Google", "model": "Pixel Watch"}),
    ],
)
def test_to_health_connect_record_has_device(device: Device | None, expected: dict[str, Any]) -> None:
    metadata = json.loads(to_health_connect(NO_LENGTH, device))["metadata"]
    assert metadata["device"] == expected
    assert metadata["recordingMethod"] == 1


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("phone", Device("phone")),
        ("phone:Google", Device("phone", "Google")),
        ("phone::Pixel 9: Pro", Device("phone", None, "Pixel 9: Pro")),
    ],
)
def test_device_parse_returns_parts(text: str, device: Device) -> None:
    assert Device.parse(text) == device


def test_device_parse_unknown_type_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"expected a type of unknown, watch, .*, got 'toaster'"):
        Device.parse("toaster")


def test_to_health_connect_without_wall_clock_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="--started-at"):
        to_health_connect(attrs.evolve(NO_LENGTH, started_at=None))
