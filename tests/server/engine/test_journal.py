"""The journal of a session, and its files: laws of what survives the end of the process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.events.model import Event, SessionWarning
from fitsense.server.api.requests import SessionRequest
from fitsense.server.engine.journal import Journal
from fitsense.server.engine.session_files import SavedAnalysis, SessionFiles, SessionRecord, StateFolder

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = "a" * 16
RECORD = SessionRecord(ID, "push", SessionRequest(hop_s=0.5, exercises=("squat",)), "gym", NOW)


def event(sequence: int, text: str) -> Event:
    return Event("urn:test", sequence, NOW, SessionWarning("myapp_test", text, 0.0, 0.0))


class Numbering:
    """Numbers events as a session does."""

    def __init__(self, sequence: int = 0) -> None:
        self.sequence = sequence

    def emit(self, texts: Sequence[str]) -> list[Event]:
        first = self.sequence
        self.sequence += len(texts)
        return [event(first + at, text) for at, text in enumerate(texts)]

    def skip(self, count: int) -> None:
        self.sequence += count


def texts_of(events: Sequence[Event]) -> list[str]:
    return [one.data.message for one in events if isinstance(one.data, SessionWarning)]


batches = st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=8)


@settings(max_examples=30, deadline=None)
@given(batches, batches, st.data())
def test_journal_repeated_events_are_left_out_and_others_renumbered(
    before: list[list[str]], after: list[list[str]], data: st.DataObject
) -> None:
    snapshot_at = data.draw(st.integers(0, len(before)))
    with tempfile.TemporaryDirectory() as folder:
        files = SessionFiles(Path(folder) / ID, 100)
        journal, numbering = Journal(files, RECORD, 0.0), Numbering()
        received: list[Event] = []
        for at, texts in enumerate(before):
            if at == snapshot_at:
                journal.save_if_due(at, at, 0, 0.0, lambda: b"state")
            received += journal.record(numbering.emit(texts), numbering.skip)
        files.close()

        again = SessionFiles(Path(folder) / ID, 100)
        saved = again.load()
        assert [json.loads(line)["id"] for line in saved.events] == [one.id for one in received]
        resumed = Numbering(saved.analysis.next_event if saved.analysis is not None else 0)
        journal = Journal(again, RECORD, 0.0, saved)
        repeated = before[snapshot_at:] if saved.analysis is not None else before
        news = after
        if data.draw(st.booleans(), "pushed again"):
            news = [*repeated, *after]
            expected = [text for texts in (*before, *after) for text in texts]
        else:
            expected = None
        for texts in news:
            received += journal.record(resumed.emit(texts), resumed.skip)
        assert [one.sequence for one in received] == list(range(len(received)))
        if expected is not None:
            assert texts_of(received) == expected
        again.close()
        assert SessionFiles(Path(folder) / ID, 100).load().events == [one.to_json() for one in received]


def test_session_files_survive_with_record_and_analysis(tmp_path: Path) -> None:
    files = StateFolder(tmp_path, 10).new(ID)
    files.save_record(RECORD)
    files.append([event(0, "line\u2028separator").to_json()])
    files.save_analysis(SavedAnalysis(7, 8, 1, 2.5, 1, np.frombuffer(b"state", np.uint8)))
    with (tmp_path / "sessions" / ID / "events.ndjson").open("a") as log:
        log.write('{"id": "00000')
    (tmp_path / "sessions" / ID / ".unfinished-snapshot").write_bytes(b"picture")
    saved = SessionFiles(tmp_path / "sessions" / ID, 10).load()
    assert saved.record == RECORD
    assert saved.events == [event(0, "line\u2028separator").to_json()]
    assert saved.analysis is not None
    assert attrs.astuple(saved.analysis)[:5] == (7, 8, 1, 2.5, 1)
    assert saved.analysis.session.tobytes() == b"state"
    assert not list((tmp_path / "sessions" / ID).glob(".*"))
    # An event that was not written to its end does not spoil the next one.
    files.append([event(1, "next").to_json()])
    assert len(SessionFiles(tmp_path / "sessions" / ID, 10).load().events) == 2


def test_session_files_log_is_bounded(tmp_path: Path) -> None:
    files = StateFolder(tmp_path, 10).new(ID)
    files.save_record(RECORD)
    for number in range(1000):
        files.append([event(number, "x").to_json()])
    lines = (tmp_path / "sessions" / ID / "events.ndjson").read_text().splitlines()
    assert 10 <= len(lines) <= 20
    assert SessionFiles(tmp_path / "sessions" / ID, 10).load().events == [
        event(number, "x").to_json() for number in range(990, 1000)
    ]


def test_session_files_ended_session_keeps_no_analysis(tmp_path: Path) -> None:
    state = StateFolder(tmp_path, 10)
    journal = Journal(state.new(ID), RECORD, 0.0)
    journal.record([event(0, "x")], lambda count: None)
    journal.save_if_due(1, 1, 0, 0.0, lambda: b"state")
    journal.end("finished", 1, 0, NOW)
    assert {path.name for path in (tmp_path / "sessions" / ID).iterdir()} == {"record", "events.ndjson"}
    ((saved, files),) = state.load()
    assert (saved.record.reason, saved.record.frames, saved.analysis) == ("finished", 1, None)
    files.remove()
    assert not list(state.load())


def test_journal_unwritable_files_session_continues_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(StateFolder(tmp_path, 10).new(ID), RECORD, 0.0)
    # No file can replace a folder.
    (tmp_path / "sessions" / ID / "snapshot").mkdir()
    journal.save_if_due(1, 1, 0, 0.0, lambda: b"state")
    assert "cannot be written" in caplog.text
    assert not list((tmp_path / "sessions").iterdir())
    assert journal.record([event(0, "x")], lambda count: None) == [event(0, "x")]
    journal.save_if_due(1, 1, 0, 0.0, lambda: b"state")
    journal.end("finished", 1, 0, NOW)


def test_state_folder_unreadable_session_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = StateFolder(tmp_path, 10)
    for id in (ID, "b" * 16, "c" * 16):
        state.new(id).save_record(attrs.evolve(RECORD, id=id))
    (tmp_path / "sessions" / ID / "record").write_bytes(b"no record")
    (tmp_path / "sessions" / ("b" * 16) / "record").unlink()
    (tmp_path / "sessions" / "notes").mkdir()
    assert [saved.record.id for saved, _ in state.load()] == ["c" * 16]
    assert caplog.text.count("a saved session cannot be read") == 2
    assert {path.name for path in (tmp_path / "sessions").iterdir()} == {"c" * 16, "notes"}


def test_state_folder_second_server_is_refused(tmp_path: Path) -> None:
    first = StateFolder(tmp_path / "state", 10)
    with pytest.raises(InvalidInputError, match=r"state_dir: .*another server uses it"):
        StateFolder(tmp_path / "state", 10)
    first.close()
    StateFolder(tmp_path / "state", 10).close()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="state_dir: expected a folder"):
        StateFolder(tmp_path / "file", 10)
