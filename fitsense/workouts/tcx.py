"""A workout as TCX: one activity with a lap for every set and rest."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.workouts.workout import Rest, Workout, WorkoutSet

_NAMESPACE = "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"

# Characters that XML excludes.
_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_tcx(workout: Workout, catalogue: Catalogue | None = None) -> str:
    """Write a workout as a TCX document.

    TCX has no exercises and no repetitions: the notes of a lap contain them. Distance and calories, which are required,
    are 0.

    :param catalogue: catalogue of the exercise names; None for the English catalogue.
    :raises InvalidInputError: the workout has no wall-clock time.
    """
    root = ElementTree.Element("TrainingCenterDatabase", xmlns=_NAMESPACE)
    activities = ElementTree.SubElement(root, "Activities")
    activity = ElementTree.SubElement(activities, "Activity", Sport="Other")
    _text(activity, "Id", _stamp(workout.time_at(workout.start_s)))
    # An activity needs at least one lap.
    for period in workout.periods if workout.sets else [Rest(workout.start_s, workout.end_s)]:
        _lap(activity, workout, period, catalogue or load_catalogue())
    subject = f" of {workout.subject}" if workout.subject else ""
    _text(activity, "Notes", f"{workout.source}{subject}, by fitsense")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _lap(activity: ElementTree.Element, workout: Workout, period: WorkoutSet | Rest, catalogue: Catalogue) -> None:
    start, end = workout.time_at(period.start_s), workout.time_at(period.end_s)
    lap = ElementTree.SubElement(activity, "Lap", StartTime=_stamp(start))
    _text(lap, "TotalTimeSeconds", f"{period.duration_s:.3f}")
    _text(lap, "DistanceMeters", "0")
    _text(lap, "Calories", "0")
    _text(lap, "Intensity", "Resting" if isinstance(period, Rest) else "Active")
    _text(lap, "TriggerMethod", "Manual")
    # Some readers need two points to draw a lap, or drop laps without points.
    track = ElementTree.SubElement(lap, "Track")
    for time in (start, end):
        _text(ElementTree.SubElement(track, "Trackpoint"), "Time", _stamp(time))
    if isinstance(period, WorkoutSet):
        _text(lap, "Notes", _notes(period, catalogue))


def _notes(one: WorkoutSet, catalogue: Catalogue) -> str:
    name = catalogue.exercise_name(one.exercise)
    if not one.repetitions:
        return name
    return f"{name}, {one.repetitions} repetition{'' if one.repetitions == 1 else 's'}"


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = _INVALID_XML.sub("\ufffd", text)
