"""Events read back from the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

import fitsense
from fitsense.events.model import ExerciseStarted, RepetitionCompleted
from fitsense.events.parsing import OtherEvent, parse_event
from fitsense.synthetic.figures import FigureVideo
from tests.helpers.doc_pages import ROOT

EXAMPLES = sorted((ROOT / "schemas" / "v1" / "examples" / "valid").glob("*.json"))


def document(**more: Any) -> dict[str, Any]:
    """An event of the wire."""
    return {
        "specversion": "1.0",
        "id": "0000000003",
        "source": "camera",
        "type": "fitsense.exercise.started",
        "time": "2026-05-01T18:30:00.000Z",
        "sequence": "0000000003",
        "data": {"exercise": "squat", "start_s": 1.5, "confidence": 0.9},
        **more,
    }


def test_parse_event_of_a_session_gives_the_events_that_it_emitted(model: fitsense.Model, squats: FigureVideo) -> None:
    session = fitsense.Session(model, fitsense.SessionConfig(hop_s=0.5))
    events = [event for frame in squats for event in session.push(frame.rgb, frame.time_s)] + session.finish()
    assert {event.type for event in events} >= {"fitsense.exercise.ended", "fitsense.session.ended"}
    assert [parse_event(event.to_json()) for event in events] == events
    assert [parse_event(event.to_dict()) for event in events] == events


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_parse_event_of_every_example_keeps_type_and_id(file: Any) -> None:
    example = json.loads(file.read_text("utf-8"))
    parsed = parse_event(example)
    assert (parsed.type, parsed.id, parsed.source) == (example["type"], example["id"], example["source"])


def test_parse_event_narrows_data_by_its_class() -> None:
    match parse_event(document()).data:
        case ExerciseStarted(exercise=name, start_s=start_s):
            assert (name, start_s) == ("squat", 1.5)
        case other:
            raise AssertionError(other)


def test_parse_event_with_unknown_properties_leaves_them_out() -> None:
    data = {"exercise": "squat", "start_s": 1.5, "confidence": 0.9, "colour": "red"}
    assert parse_event(document(data=data, later=1)) == parse_event(document())


@pytest.mark.parametrize(
    "more",
    [
        {"type": "jumps.counted"},
        {"type": "fitsense.exercise.paused"},
        # Of an older version, without what the class needs; of a producer that numbers otherwise; without a time.
        {"type": RepetitionCompleted.TYPE},
        {"data": {"exercise": "squat"}},
        {"data": {"exercise": "squat", "start_s": "soon", "confidence": 0.9}},
        {"id": "3"},
        {"sequence": "three"},
        {"time": "yesterday"},
    ],
)
def test_parse_event_without_a_class_keeps_everything(more: dict[str, Any]) -> None:
    given = document(**more)
    parsed = parse_event(given)
    assert isinstance(parsed, OtherEvent)
    assert (parsed.id, parsed.type, parsed.data) == (given["id"], given["type"], given["data"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected an event as a JSON object, got {"),
        ("[1]", r"expected an event as a JSON object, got \[1\]"),
        ("{}", "expected a string as 'id', got None"),
        ('{"id": "1", "type": 1, "data": {}}', "expected a string as 'type', got 1"),
        ('{"id": "1", "type": "a", "data": []}', r"expected an object as 'data', got \[\]"),
        ('{"id": "1", "type": "a", "data": {}, "source": 4}', "expected a string as 'source', got 4"),
    ],
)
def test_parse_event_of_no_event_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(fitsense.SchemaError, match=message):
        parse_event(text)
