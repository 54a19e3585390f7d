"""Analyses that go on after a crash: ``snapshot_to``."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fitsense
from fitsense.errors import InvalidInputError
from fitsense.events.log import read_log
from fitsense.pipeline.checkpoint import MAX_EVENTS, CheckpointFile
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.network_camera import Camera

ROOT = Path(__file__).parents[2]

# Analyses a video until the file of events has a second exercise.updated, and waits to be killed.
CRASHING = """
import sys
from pathlib import Path
import fitsense
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.pipeline.checkpoint import CheckpointFile

CheckpointFile.is_due = lambda self, events: events > self._saved_events
video, snapshot, events = sys.argv[1:]
model = fitsense.Model(Bundle.load(DEFAULT), bf16=False)
seen = 0
with Path(events).open("w", encoding="utf-8") as log:
    for event in fitsense.analyze(video, model=model, hop_s=0.5, snapshot_to=snapshot):
        log.write(event.to_json() + "\\n")
        log.flush()
        seen += event.type == "fitsense.exercise.updated"
        if seen == 2:
            log.write('{"specversion":"1.0","id":"000')
            log.flush()
            print("ready", flush=True)
            sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _with_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save with every event and not by the clock."""
    monkeypatch.setattr(CheckpointFile, "is_due", lambda self, events: events > self._saved_events)


def lines(events: Iterator[fitsense.Event]) -> list[str]:
    return [event.to_json() for event in events]


def test_analyze_killed_process_is_continued(model: fitsense.Model, squats_file: Path, tmp_path: Path) -> None:
    expected = lines(fitsense.analyze(squats_file, model=model, hop_s=0.5))
    snapshot, log = tmp_path / "snapshot", tmp_path / "events.ndjson"
    command = [sys.executable, "-c", CRASHING, str(squats_file), str(snapshot), str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
    *before, cut_off = log.read_text("utf-8").split("\n")
    assert 0 < len(before) < len(expected)
    assert cut_off

    analysis = fitsense.analyze(squats_file, model=model, hop_s=0.5, snapshot_to=snapshot)
    assert analysis.resumed
    assert analysis.media_s > 0.0
    after = lines(analysis)
    assert after[0] != expected[0]
    (session,) = read_log([*before, *after])
    assert [json.dumps(event) for event in session.events] == [json.dumps(json.loads(line)) for line in expected]
    assert not snapshot.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("blazepose")
def test_analyze_people_are_continued(
    model: fitsense.Model, squats: FigureVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detection = fitsense.Detection(fitsense.Region(0.0, 0.0, 1.0, 1.0), 0.9)
    monkeypatch.setattr("fitsense.inference.detector.load_detector", lambda *_, **__: lambda picture: [detection])
    expected = lines(fitsense.analyze(squats, model=model, people="pose/people"))
    snapshot = tmp_path / "snapshot"
    options: fitsense.AnalysisOptions = {"people": "pose/people", "snapshot_to": snapshot}
    first = fitsense.analyze(squats, model=model, **options)
    before = lines(itertools.islice(first, 3))
    first.close()
    after = lines(fitsense.analyze(squats, model=model, **options))
    assert before[:2] == expected[:2]
    assert after == expected[-len(after) :]
    assert len(before) + len(after) >= len(expected)


@pytest.mark.slow
def test_analyze_live_source_is_continued_after_a_gap(
    model: fitsense.Model, squats: FigureVideo, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot"
    with Camera(encode(tmp_path / "squats.ts", squats, rate=10)) as camera:
        live = fitsense.LiveConfig(reconnect_timeout_s=0.0)
        options: fitsense.AnalysisOptions = {"live": live, "snapshot_to": snapshot, "hop_s": 0.3}
        first = fitsense.analyze(camera.url(), model=model, **options)
        before = list(itertools.islice(first, 4))
        first.close()
        reached_s = first.media_s
        second = fitsense.analyze(camera.url(), model=model, **options)
        after = list(second)
    assert second.resumed
    assert {event.source for event in before} == {event.source for event in after}
    assert after[0].sequence >= before[-1].sequence + 1
    assert all(one.time <= other.time for one, other in itertools.pairwise([*before[:2], *after]))
    assert second.media_s > reached_s
    ended = after[-1].data
    assert isinstance(ended, fitsense.SessionEnded)
    assert ended.frames > 30
    assert not snapshot.exists()


def test_analyze_closed_at_the_last_event_has_ended(model: fitsense.Model, squats: FigureVideo, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    analysis = fitsense.analyze(squats, model=model, snapshot_to=snapshot)
    for event in analysis:
        if event.type == "fitsense.session.ended":
            break
    assert snapshot.exists()
    analysis.close()
    assert not snapshot.exists()


def test_analyze_other_checkpoint_is_refused_and_kept(
    model: fitsense.Model, squats: FigureVideo, squats_file: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot"
    analysis = fitsense.analyze(squats_file, model=model, snapshot_to=snapshot)
    next(analysis), next(analysis)
    analysis.close()
    kept = snapshot.read_bytes()
    with pytest.raises(InvalidInputError, match="expected one of the same source, got one of another; remove the file"):
        fitsense.analyze(squats, model=model, snapshot_to=snapshot)
    with pytest.raises(InvalidInputError, match=r"expected one with the same options, got others for hop_s"):
        fitsense.analyze(squats_file, model=model, snapshot_to=snapshot, hop_s=0.7)
    assert snapshot.read_bytes() == kept
    snapshot.write_bytes(kept[:100])
    with pytest.raises(InvalidInputError, match=rf"snapshot_to: {snapshot}: snapshot: expected"):
        fitsense.analyze(squats_file, model=model, snapshot_to=snapshot)


def test_checkpoint_is_due_by_the_clock_or_by_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    patient = CheckpointFile(tmp_path / "snapshot", 1e9)
    assert not patient.is_due(MAX_EVENTS - 1)
    assert patient.is_due(MAX_EVENTS)
    assert CheckpointFile(tmp_path / "snapshot", 0.0).is_due(0)


def test_analyze_snapshot_to_what_cannot_be_resumed_is_refused(
    model: fitsense.Model, squats: FigureVideo, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="snapshot_to: expected a source that can be read again, got a pipe"):
        fitsense.analyze("-", model=model, snapshot_to=tmp_path / "snapshot")
    with pytest.raises(InvalidInputError, match="snapshot_to: expected a file in an existing folder"):
        fitsense.analyze(squats, model=model, snapshot_to=tmp_path / "nowhere" / "snapshot")
    with pytest.raises(InvalidInputError, match="snapshot_to: expected it as an option of add"):
        fitsense.SourceGroup({"one": squats}, model=model, snapshot_to=tmp_path / "snapshot")
    with pytest.raises(InvalidInputError, match="snapshot_interval_s: expected seconds from 0, got -1"):
        fitsense.analyze(squats, model=model, snapshot_to=tmp_path / "snapshot", snapshot_interval_s=-1.0)
