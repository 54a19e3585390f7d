"""A workout for Apple's HealthKit, as JSON that an app feeds to an ``HKWorkoutBuilder``.

HealthKit has no file format: an app on the phone saves the workout. The how-to has the app's code in Swift.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.workouts.device import Device
from fitsense.workouts.health_connect import record_id
from fitsense.workouts.workout import Rest, Workout, WorkoutSet

_TRADITIONAL_STRENGTH_TRAINING = 50
"""The raw value of ``HKWorkoutActivityType.traditionalStrengthTraining``."""

_MILLISECOND_S = 0.001


def to_healthkit(workout: Workout, device: Device | None = None, catalogue: Catalogue | None = None) -> str:
    """Write a workout as JSON.

    Dates are seconds since 1970, as ``JSONDecoder.DateDecodingStrategy.secondsSince1970`` reads them. ``segments`` are
    the sets and the rests between them. The same workout has the same ``syncIdentifier``, so that saving it again
    makes no second one.

    :param device: device that recorded the workout.
    :param catalogue: catalogue of the exercise names; None for the English catalogue.
    :raises InvalidInputError: the workout has no wall-clock time.
    """
    device = device or Device()
    # HealthKit refuses a workout without length.
    end_s = max(workout.end_s, workout.start_s + _MILLISECOND_S)
    document = {
        "format": 1,
        "activityType": _TRADITIONAL_STRENGTH_TRAINING,
        "startDate": _stamp(workout.time_at(workout.start_s)),
        "endDate": _stamp(workout.time_at(end_s)),
        "timeZone": _zone(workout.zone_offset),
        "syncIdentifier": record_id(workout),
        "syncVersion": 1,
        "device": {"name": device.type, "manufacturer": device.manufacturer, "model": device.model},
        "segments": [_segment(workout, period, catalogue or load_catalogue()) for period in workout.periods],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _segment(workout: Workout, period: WorkoutSet | Rest, catalogue: Catalogue) -> dict[str, Any]:
    segment: dict[str, Any] = {
        "kind": "rest",
        "startDate": _stamp(workout.time_at(period.start_s)),
        "endDate": _stamp(workout.time_at(period.end_s)),
    }
    if isinstance(period, WorkoutSet):
        segment |= {
            "kind": "set",
            "exercise": period.exercise,
            "name": catalogue.exercise_name(period.exercise),
            "set": period.index,
            "repetitions": period.repetitions,
        }
    return segment


def _stamp(time: datetime) -> float:
    return round(time.timestamp(), 3)


def _zone(offset: timedelta | None) -> str | None:
    """A time zone as ``TimeZone(identifier:)`` of Foundation takes it; None if only UTC is known."""
    if offset is None:
        return None
    minutes = round(offset.total_seconds() / 60)
    hours, minutes_left = divmod(abs(minutes), 60)
    return f"GMT{'-' if minutes < 0 else '+'}{hours:02d}{minutes_left:02d}"
