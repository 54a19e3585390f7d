"""A workout as an ``ExerciseSessionRecord`` of Android Health Connect.

Health Connect has no file format. This is its record as JSON with the constants of AndroidX' connect-client, in the
form that the React Native bridge ``react-native-health-connect`` accepts; an app on the phone inserts it.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.workouts.device import DEVICE_TYPES, Device
from fitsense.workouts.names import names_of
from fitsense.workouts.workout import Rest, Workout, WorkoutSet

_STRENGTH_TRAINING = 70
_REST = 44
_ACTIVELY_RECORDED = 1

_MILLISECOND_S = 0.001
_TITLE_NAMES = 3


def to_health_connect(workout: Workout, device: Device | None = None, catalogue: Catalogue | None = None) -> str:
    """Write a workout as a record in JSON.

    Segments are the sets and the rests between them. A workout always has the same ``clientRecordId``, so that
    inserting it again replaces it. If only UTC is known, there are no zone offsets.

    :param device: device that recorded the workout; Health Connect requires one.
    :param catalogue: catalogue of the exercise names; None for the English catalogue.
    :raises InvalidInputError: the workout has no wall-clock time.
    """
    catalogue = catalogue or load_catalogue()
    device = device or Device()
    names = list(dict.fromkeys(catalogue.exercise_name(one.exercise) for one in workout.sets))
    # Health Connect refuses a session without length.
    end_s = max(workout.end_s, workout.start_s + _MILLISECOND_S)
    record = {
        "recordType": "ExerciseSession",
        "metadata": {
            "clientRecordId": record_id(workout),
            "recordingMethod": _ACTIVELY_RECORDED,
            "device": {
                "type": DEVICE_TYPES[device.type],
                "manufacturer": device.manufacturer,
                "model": device.model,
            },
        },
        "startTime": _stamp(workout.time_at(workout.start_s)),
        "startZoneOffset": _zone(workout.zone_offset),
        "endTime": _stamp(workout.time_at(end_s)),
        "endZoneOffset": _zone(workout.zone_offset),
        "exerciseType": _STRENGTH_TRAINING,
        "title": ", ".join(names[:_TITLE_NAMES]) + (" …" if len(names) > _TITLE_NAMES else "") or None,
        "notes": "\n".join(_note(catalogue.exercise_name(one.exercise), one) for one in workout.sets) or None,
        "laps": [],
        "segments": [_segment(workout, period) for period in workout.periods],
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def record_id(workout: Workout) -> str:
    """A UUID that is the same whenever a workout is exported."""
    key = json.dumps([workout.source, workout.subject, _stamp(workout.time_at(workout.start_s))])
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:fitsense:workout:{key}"))


def _segment(workout: Workout, period: WorkoutSet | Rest) -> dict[str, Any]:
    segment: dict[str, Any] = {
        "startTime": _stamp(workout.time_at(period.start_s)),
        "endTime": _stamp(workout.time_at(period.end_s)),
        "segmentType": _REST,
        "repetitions": 0,
    }
    if isinstance(period, WorkoutSet):
        segment["segmentType"] = names_of(period.exercise).health_connect
        segment["repetitions"] = period.repetitions or 0
        segment["setIndex"] = period.index - 1
    return segment


def _note(name: str, one: WorkoutSet) -> str:
    return f"{name}: {one.repetitions}" if one.repetitions else f"{name}: {one.duration_s:.0f} s"


def _zone(offset: timedelta | None) -> dict[str, Any] | None:
    if offset is None:
        return None
    seconds = round(offset.total_seconds())
    # The id of java.time.ZoneOffset.
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return {"id": f"{'-' if seconds < 0 else '+'}{hours:02d}:{minutes:02d}", "totalSeconds": seconds}


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
