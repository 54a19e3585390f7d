"""TCX documents, read back by tcxreader."""

from __future__ import annotations

import tempfile
from datetime import UTC
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest
from hypothesis import example, given, settings
from tcxreader.tcxreader import TCXReader

from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.workouts.tcx import to_tcx
from fitsense.workouts.workout import Rest, Workout, WorkoutSet
from tests.workouts.strategies import NO_LENGTH, workouts

SPACE = {"": "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"}

# A lap's elements in the order that Garmin's schema prescribes; the starred are optional.
LAP = ["TotalTimeSeconds", "DistanceMeters", "Calories", "Intensity", "TriggerMethod", "Track", "Notes*"]


def read(document: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workout.tcx"
        path.write_text(document, encoding="utf-8")
        return TCXReader().read(str(path), only_gps=False)


@settings(max_examples=20)
@given(workouts())
@example(NO_LENGTH)
def test_to_tcx_is_read_by_another_reader(workout: Workout) -> None:
    document = to_tcx(workout)
    exercise = read(document)
    periods = list(workout.periods) or [Rest(workout.start_s, workout.end_s)]
    assert (exercise.activity_type, exercise.distance, exercise.calories) == ("Other", 0, 0)
    assert len(exercise.laps) == len(periods)
    for lap, period in zip(exercise.laps, periods, strict=True):
        first, last = lap.trackpoints
        for point, media_s in ((first, period.start_s), (last, period.end_s)):
            expected = workout.time_at(media_s).timestamp()
            assert point.time.replace(tzinfo=UTC).timestamp() == pytest.approx(expected, abs=0.0011)
    laps = ElementTree.fromstring(document).findall(".//Lap", SPACE)
    for element, period in zip(laps, periods, strict=True):
        assert float(element.findtext("TotalTimeSeconds", namespaces=SPACE) or "") == pytest.approx(
            period.duration_s, abs=0.0006
        )
        resting = isinstance(period, Rest)
        assert element.findtext("Intensity", namespaces=SPACE) == ("Resting" if resting else "Active")
        notes = element.findtext("Notes", namespaces=SPACE)
        if isinstance(period, WorkoutSet):
            assert notes is not None
            assert notes.startswith(load_catalogue().exercise_name(period.exercise))
            assert not period.repetitions or f", {period.repetitions} repetition" in notes
        tags = [child.tag.rpartition("}")[2] for child in element]
        assert tags == [tag.rstrip("*") for tag in LAP if not (resting and tag.endswith("*"))]


def test_to_tcx_characters_outside_xml_are_replaced() -> None:
    document = to_tcx(attrs.evolve(NO_LENGTH, source="\x00<&>\ud800", subject="left"))
    (activity,) = ElementTree.fromstring(document.encode()).findall(".//Activity", SPACE)
    assert activity.findtext("Id", namespaces=SPACE) == "2026-05-01T16:30:03.000Z"
    assert activity.findtext("Notes", namespaces=SPACE) == "\ufffd<&>\ufffd of left, by fitsense"


def test_to_tcx_without_wall_clock_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="--started-at"):
        to_tcx(attrs.evolve(NO_LENGTH, started_at=None))
