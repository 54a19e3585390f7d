"""Tolerant reading of event logs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.errors import SchemaError
from fitsense.events.log import load_log, read_log
from fitsense.synthetic.figures import FigureVideo


def event(name: str, number: int = 0, source: str = "urn:a", **more: Any) -> dict[str, Any]:
    return {"type": f"fitsense.{name}", "source": source, "id": f"{number:010d}", "data": {}, **more}


def lines(*events: dict[str, Any]) -> list[str]:
    return [json.dumps(one, ensure_ascii=False) for one in events]


def test_read_log_real_session_gives_its_events(model: fitsense.Model, squats: FigureVideo) -> None:
    start = datetime(2026, 5, 1, 18, 30, tzinfo=UTC)
    config = fitsense.SessionConfig(source="urn:example:squats", started_at=start)
    events = list(fitsense.analyze(squats, model=model, config=config))
    (log,) = read_log(one.to_json() for one in events)
    assert (log.source, log.subject, log.complete) == ("urn:example:squats", None, True)
    assert list(log.events) == [one.to_dict() for one in events]
    assert log.data("exercise.ended")
    assert log.last("exercise.ended") == log.data("exercise.ended")[-1]
    assert log.started_at == start
    # Emitted a little after the end, and never before.
    (broken,) = read_log(one.to_json() for one in events[:-1])
    assert not broken.complete
    assert broken.started_at is not None
    assert timedelta() <= broken.started_at - start < timedelta(seconds=30)


def test_read_log_separates_sessions_and_people_in_order() -> None:
    logs = read_log(
        lines(
            event("session.started", subject="left"),
            event("session.started", source="urn:b"),
            event("session.started", subject="right"),
            event("exercise.ended", 1, subject="left"),
            event("session.ended", 2, subject="left"),
            event("exercise.ended", 1, source="urn:b"),
        )
    )
    assert [(log.source, log.subject, len(log.events), log.complete) for log in logs] == [
        ("urn:a", "left", 3, True),
        ("urn:b", None, 2, False),
        ("urn:a", "right", 1, False),
    ]


def test_read_log_restart_is_a_session_and_repeats_are_dropped() -> None:
    once = [event("session.started"), event("exercise.ended", 1), event("exercise.ended", 1)]
    logs = read_log(lines(*once, *once, event("session.ended", 2)))
    assert [(len(log.events), log.complete) for log in logs] == [(2, False), (3, True)]


def test_read_log_unknown_types_are_kept() -> None:
    (log,) = read_log(lines(event("new.thing"), {"type": "plugin.x", "source": "urn:a", "data": {"end_s": "soon"}}))
    assert [one["type"] for one in log.events] == ["fitsense.new.thing", "plugin.x"]
    assert (log.complete, log.last("exercise.ended"), log.started_at) == (False, None, None)


@given(st.data())
def test_read_log_cut_anywhere_keeps_whole_lines(data: st.DataObject) -> None:
    names = st.text(max_size=9)
    events = [event("exercise.ended", number, title=data.draw(names)) for number in range(4)]
    content = "".join(line + "\n" for line in lines(*events)).encode("utf-8", errors="replace")
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    cut = data.draw(st.integers(ends[0], len(content)))
    (log,) = load_log(io.BytesIO(content[:cut]))
    # The last line may be complete without its line end.
    assert len(log.events) == sum(end <= cut for end in ends)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("frame 12", "line 2: expected an event as a JSON object, got 'frame 12'"),
        ('{"type": NaN}', "line 2: expected an event as a JSON object"),
        ('{"data": {"end_s": ' + "9" * 400 + "}}", "line 2: expected an event as a JSON object"),
        ("[" * 100_000, "line 2: expected an event as a JSON object, got '\\[\\["),
        ("[1]", "line 2: expected an event as a JSON object, got '\\[1\\]'"),
        ('{"source": "urn:a", "data": {}}', "line 2: an event has a string as 'type'; got none"),
        ('{"type": "x", "source": 7, "data": {}}', "line 2: an event has a string as 'source'; got '7'"),
        ('{"type": "x", "source": "urn:a", "data": []}', "line 2: an event has an object as 'data'; got '\\[\\]'"),
        ('{"type": "x", "source": "y", "data": {}, "id": [1]}', "line 2: an event has a string as 'id'"),
    ],
)
def test_read_log_invalid_event_names_its_line(wrong: str, message: str) -> None:
    good = lines(event("session.started"))
    with pytest.raises(SchemaError, match=message):
        read_log([*good, wrong, *good])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected events, one a line"),
        (b"\n\n", "expected events, one a line"),
        (b"\x00\x01\xff", "line 1: expected an event"),
        (b'{"type": "fitsense.session.session', "line 1: expected an event"),
    ],
)
def test_load_log_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(content)
    with pytest.raises(SchemaError, match=message):
        load_log(tmp_path / "events")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_load_log_other_encodings_are_read(encoding: str, end: str, tmp_path: Path) -> None:
    text = end.join([*lines(event("session.started", title="Kniebeuge 🏋"), event("session.ended", 1)), "", ""])
    (tmp_path / "events").write_bytes(text.encode(encoding))
    (log,) = load_log(tmp_path / "events")
    assert log.complete
    assert log.events[0]["title"] == "Kniebeuge 🏋"


@pytest.mark.parametrize("time", ["yesterday", "2026-05-01T18:30:00", ""])
def test_started_at_unusable_times_give_none(time: str) -> None:
    (log,) = read_log(lines(event("exercise.ended", time=time, data={"end_s": 3.0})))
    assert log.started_at is None
