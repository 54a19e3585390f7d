"""A workout as a FIT activity file: strength training with a ``set`` message for every set and rest.

Numbers are those of the FIT profile. FIT's times are whole seconds; durations have milliseconds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.workouts.fit_protocol import ENUM, STRING, UINT16, UINT32, Field, Kind, Message, encode, fit_time
from fitsense.workouts.names import names_of
from fitsense.workouts.workout import Rest, Workout, WorkoutSet

_FILE_ID = Kind(
    "file_id",
    0,
    {
        "type": Field(0, ENUM),
        "manufacturer": Field(1, UINT16),
        "product": Field(2, UINT16),
        "time_created": Field(4, UINT32),
        "product_name": Field(8, STRING),
    },
)
_EVENT = Kind("event", 21, {"timestamp": Field(253, UINT32), "event": Field(0, ENUM), "event_type": Field(1, ENUM)})
_RECORD = Kind("record", 20, {"timestamp": Field(253, UINT32)})
_SET = Kind(
    "set",
    225,
    {
        "timestamp": Field(254, UINT32),
        "message_index": Field(10, UINT16),
        "set_type": Field(5, ENUM),
        "start_time": Field(6, UINT32),
        "duration": Field(0, UINT32, 1000),
        "repetitions": Field(3, UINT16),
        "category": Field(7, UINT16),
        "category_subtype": Field(8, UINT16),
    },
)
_EXERCISE_TITLE = Kind(
    "exercise_title",
    264,
    {
        "message_index": Field(254, UINT16),
        "exercise_category": Field(0, UINT16),
        "exercise_name": Field(1, UINT16),
        "wkt_step_name": Field(2, STRING),
    },
)
_TOTALS = {
    "timestamp": Field(253, UINT32),
    "message_index": Field(254, UINT16),
    "event": Field(0, ENUM),
    "event_type": Field(1, ENUM),
    "start_time": Field(2, UINT32),
    "total_elapsed_time": Field(7, UINT32, 1000),
    "total_timer_time": Field(8, UINT32, 1000),
}
_LAP = Kind(
    "lap",
    19,
    {**_TOTALS, "lap_trigger": Field(24, ENUM), "sport": Field(25, ENUM), "sub_sport": Field(39, ENUM)},
)
_SESSION = Kind(
    "session",
    18,
    {
        **_TOTALS,
        "sport": Field(5, ENUM),
        "sub_sport": Field(6, ENUM),
        "first_lap_index": Field(25, UINT16),
        "num_laps": Field(26, UINT16),
        "trigger": Field(28, ENUM),
    },
)
_ACTIVITY = Kind(
    "activity",
    34,
    {
        "timestamp": Field(253, UINT32),
        "total_timer_time": Field(0, UINT32, 1000),
        "num_sessions": Field(1, UINT16),
        "type": Field(2, ENUM),
        "event": Field(3, ENUM),
        "event_type": Field(4, ENUM),
        "local_timestamp": Field(5, UINT32),
    },
)

_ACTIVITY_FILE = 4
_DEVELOPMENT = 255  # the manufacturer number for development
_TIMER, _SESSION_EVENT, _LAP_EVENT, _ACTIVITY_EVENT = 0, 8, 9, 26
_START, _STOP, _STOP_ALL = 0, 1, 4
_REST_SET, _ACTIVE_SET = 0, 1
_TRAINING, _STRENGTH_TRAINING = 10, 20
_SESSION_END, _ACTIVITY_END = 7, 0
_MANUAL = 0


def to_fit(workout: Workout, catalogue: Catalogue | None = None) -> bytes:
    """Encode a workout as a FIT activity file.

    An exercise without a name in FIT has only its category, or none; its title always has the name.

    :param catalogue: catalogue of the exercise names; None for the English catalogue.
    :raises InvalidInputError: the workout has no wall-clock time, or a value is out of FIT's range.
    """
    start = fit_time(workout.time_at(workout.start_s))
    end = fit_time(workout.time_at(workout.end_s))
    seconds = workout.end_s - workout.start_s
    totals: dict[str, Any] = {"timestamp": end, "message_index": 0, "event_type": _STOP, "start_time": start}
    totals |= {"total_elapsed_time": seconds, "total_timer_time": seconds}
    sport = {"sport": _TRAINING, "sub_sport": _STRENGTH_TRAINING}

    messages = [
        Message(
            _FILE_ID,
            {
                "type": _ACTIVITY_FILE,
                "manufacturer": _DEVELOPMENT,
                "product": 0,
                "time_created": start,
                "product_name": "fitsense",
            },
        ),
        Message(_EVENT, {"timestamp": start, "event": _TIMER, "event_type": _START}),
        Message(_RECORD, {"timestamp": start}),
    ]
    for index, period in enumerate(workout.periods):
        values = _set(workout, index, period)
        messages += [Message(_RECORD, {"timestamp": values["timestamp"]}), Message(_SET, values)]
    messages += [
        Message(_RECORD, {"timestamp": end}),
        Message(_EVENT, {"timestamp": end, "event": _TIMER, "event_type": _STOP_ALL}),
        *_titles(workout, catalogue or load_catalogue()),
        Message(_LAP, {**totals, **sport, "event": _LAP_EVENT, "lap_trigger": _SESSION_END}),
        Message(
            _SESSION,
            {
                **totals,
                **sport,
                "event": _SESSION_EVENT,
                "first_lap_index": 0,
                "num_laps": 1,
                "trigger": _ACTIVITY_END,
            },
        ),
        Message(
            _ACTIVITY,
            {
                "timestamp": end,
                "total_timer_time": seconds,
                "num_sessions": 1,
                "type": _MANUAL,
                "event": _ACTIVITY_EVENT,
                "event_type": _STOP,
                "local_timestamp": end + round((workout.zone_offset or timedelta()).total_seconds()),
            },
        ),
    ]
    return encode(messages)


def _set(workout: Workout, index: int, period: WorkoutSet | Rest) -> dict[str, Any]:
    values: dict[str, Any] = {
        "timestamp": fit_time(workout.time_at(period.end_s)),
        "message_index": index,
        "set_type": _REST_SET,
        "start_time": fit_time(workout.time_at(period.start_s)),
        "duration": period.duration_s,
    }
    if isinstance(period, WorkoutSet):
        names = names_of(period.exercise)
        values |= {
            "set_type": _ACTIVE_SET,
            "repetitions": period.repetitions,
            "category": names.fit_category,
            "category_subtype": names.fit_name,
        }
    return values


def _titles(workout: Workout, catalogue: Catalogue) -> list[Message]:
    """The titles of exercises, one per pair of category and name in FIT."""
    titles: dict[tuple[int, int | None], list[str]] = {}
    for one in workout.sets:
        names = names_of(one.exercise)
        exercise_names = titles.setdefault((names.fit_category, names.fit_name), [])
        name = catalogue.exercise_name(one.exercise)
        if name not in exercise_names:
            exercise_names.append(name)
    return [
        Message(
            _EXERCISE_TITLE,
            {
                "message_index": index,
                "exercise_category": category,
                "exercise_name": name,
                "wkt_step_name": " / ".join(exercise_names),
            },
        )
        for index, ((category, name), exercise_names) in enumerate(titles.items())
    ]
