"""Input of HealthKit's builder from an app, checked against the builder's demands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import example, given, settings

from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.workouts.device import Device
from fitsense.workouts.healthkit import to_healthkit
from fitsense.workouts.workout import Rest, Workout
from tests.workouts.strategies import NO_LENGTH, workouts


@settings(max_examples=20)
@given(workouts())
@example(NO_LENGTH)
def test_to_healthkit_segments_are_sets_and_rests(workout: Workout) -> None:
    document = json.loads(to_healthkit(workout))
    assert (document["format"], document["activityType"], document["syncVersion"]) == (1, 50, 1)
    assert document["startDate"] < document["endDate"]
    assert document["startDate"] == pytest.approx(workout.time_at(workout.start_s).timestamp(), abs=0.001)
    before = document["startDate"]
    for segment, period in zip(document["segments"], workout.periods, strict=True):
        assert before <= segment["startDate"] < segment["endDate"] <= document["endDate"]
        assert segment["startDate"] == pytest.approx(workout.time_at(period.start_s).timestamp(), abs=0.001)
        if isinstance(period, Rest):
            assert segment["kind"] == "rest"
        else:
            assert (segment["kind"], segment["exercise"], segment["set"]) == ("set", period.exercise, period.index)
            assert segment["name"] == load_catalogue().exercise_name(period.exercise)
            assert segment["repetitions"] == period.repetitions
        before = segment["endDate"]


@pytest.mark.parametrize(
    ("offset", "zone"),
    [(timedelta(hours=2), "GMT+0200"), (timedelta(hours=-3, minutes=-30), "GMT-0330"), (timedelta(), None)],
)
def test_to_healthkit_time_zone_is_foundations(offset: timedelta, zone: str | None) -> None:
    workout = attrs.evolve(NO_LENGTH, started_at=datetime(2026, 5, 1, 18, 30, tzinfo=timezone(offset)))
    assert json.loads(to_healthkit(workout))["timeZone"] == zone


@settings(max_examples=20)
@given(workouts())
def test_to_healthkit_same_workout_has_same_identifier(workout: Workout) -> None:
    assert workout.started_at is not None
    same = json.loads(to_healthkit(attrs.evolve(workout, started_at=workout.started_at.astimezone(UTC))))
    other = json.loads(to_healthkit(attrs.evolve(workout, started_at=workout.started_at + timedelta(seconds=1))))
    one = json.loads(to_healthkit(workout, Device("phone", "Apple", "iPhone")))
    assert one["syncIdentifier"] == same["syncIdentifier"] != other["syncIdentifier"]
    assert one["device"] == {"name": "phone", "manufacturer": "Apple", "model": "iPhone"}


def test_to_healthkit_without_wall_clock_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="--started-at"):
        to_healthkit(attrs.evolve(NO_LENGTH, started_at=None))
