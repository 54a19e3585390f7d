"""Logs of earlier versions are still valid and readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fitsense
from fitsense.events.log import load_log
from fitsense.events.schema import schemas, validate_event
from tests.schemas.archiving import FOLDER
from tests.schemas.evolution import released

ARCHIVE = sorted(FOLDER.glob("*.ndjson"))


@pytest.mark.parametrize("file", ARCHIVE, ids=lambda file: file.stem)
def test_archive_log_is_valid_and_readable(file: Path) -> None:
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for event in events:
        validate_event(event)
    logs = load_log(file)
    assert [dict(event) for log in logs for event in log.events if log.subject is None] == [
        event for event in events if "subject" not in event
    ]
    assert sum(len(log.events) for log in logs) == len(events)
    assert all(log.complete for log in logs)
    assert all(log.started_at is not None for log in logs)
    workout, hole, *people = logs
    assert {one["exercise"] for one in workout.data("exercise.ended")} >= {"squat", "jumping_jack"}
    ended = workout.last("session.ended")
    assert ended is not None
    assert len(workout.data("repetition.completed")) == sum(one["repetitions"] for one in ended["sets"])
    assert [warning["code"] for warning in hole.data("session.warning")] == ["gap", "late_frame"]
    *people, guided, tracked = people
    assert [log.subject for log in people] == ["left", "right"]
    assert [update["expected"] for update in guided.data("session.updated")] == ["squat"]
    assert [one["person"] for one in tracked.data("person.left")] == ["1"]
    assert tracked.data("session.progress")


def test_archive_of_this_version_has_all_event_types() -> None:
    file = FOLDER / f"{fitsense.__version__}.ndjson"
    assert file in ARCHIVE, "write it: python -m tests.schemas.archiving"
    archived = {json.loads(line)["dataschema"] for line in file.read_text("utf-8").splitlines()}
    names = {name for name in schemas() if not name.startswith("server.")} - {"common", "envelope", "model"}
    assert archived == {schemas()[name]["$id"] for name in names}
    assert names <= set(released())
