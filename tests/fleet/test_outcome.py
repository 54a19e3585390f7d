"""Analysis of one video and its outcome."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.fleet.library import Video
from fitsense.fleet.outcome import Analysis, Outcome, analyze_video
from fitsense.windowing.sampler import Window
from tests.helpers.file_server import Films

HOP_S = 2.0


@pytest.fixture(scope="module")
def analysis(model: fitsense.Model) -> Analysis:
    return Analysis.of(model.bundle, HOP_S)


@pytest.fixture(scope="module")
def expected(model: fitsense.Model, squats_file: Path) -> str:
    """The events of one machine."""
    return "".join(event.to_json() + "\n" for event in fitsense.analyze(squats_file, model=model, hop_s=HOP_S))


def test_analyze_video_gives_events_of_analyze(
    model: fitsense.Model, analysis: Analysis, squats_file: Path, expected: str
) -> None:
    video = Video(str(squats_file), "7 9")
    outcome, events = analyze_video(video, model, analysis)
    assert events == expected
    assert outcome.duration_s == pytest.approx(6.0, abs=0.2)
    assert outcome == Outcome(
        id=video.id,
        url=str(squats_file),
        version="7 9",
        analysis=analysis.digest,
        bundle=f"gym-video {model.manifest.version}",
        status="done",
        events=expected.count("\n"),
        bytes=len(expected.encode()),
        duration_s=outcome.duration_s,
    )


def test_analyze_video_remote_file_is_fetched_and_removed(
    model: fitsense.Model,
    analysis: Analysis,
    squats_file: Path,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = squats_file.read_bytes()
    storage = fsspec.filesystem("memory")
    storage.pipe("/bucket/squats.mp4", content)
    try:
        outcome, events = analyze_video(Video("memory://bucket/squats.mp4", "1"), model, analysis)
    finally:
        storage.rm("/bucket", recursive=True)
    assert (outcome.status, events) == ("done", expected), "it is called as it was"
    with Films({"squats.mp4": content}) as films:
        outcome, events = analyze_video(Video(films.url + "squats.mp4?signed=1", "1"), model, analysis)
        assert (outcome.status, events) == ("done", expected)
        outcome, events = analyze_video(Video(films.url + "gone.mp4", ""), model, analysis)
        assert (outcome.status, outcome.reason, events) == ("failed", "no such file", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "no such file"), (b"", "is empty (0 bytes)"), (b"text", "cannot be opened as video: Invalid data found")],
)
def test_analyze_video_invalid_file_fails_with_reason(
    model: fitsense.Model, analysis: Analysis, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "film.mp4"
    if content is not None:
        file.write_bytes(content)
    outcome, events = analyze_video(Video(str(file), ""), model, analysis)
    assert (outcome.status, outcome.events, outcome.bytes, outcome.duration_s, events) == ("failed", 0, 0, None, "")
    assert outcome.reason is not None
    assert outcome.reason.startswith(reason)


def test_analyze_video_unknown_protocol_fails(model: fitsense.Model, analysis: Analysis) -> None:
    outcome, events = analyze_video(Video("nope://bucket/a.mp4", ""), model, analysis)
    assert (outcome.status, events) == ("failed", "")
    assert "nope" in str(outcome.reason)


def test_analyze_video_damaged_file_keeps_events(
    model: fitsense.Model, analysis: Analysis, squats_file: Path, tmp_path: Path
) -> None:
    content = bytearray(squats_file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    file = tmp_path / "damaged.mp4"
    file.write_bytes(content)
    outcome, events = analyze_video(Video(str(file), "1"), model, analysis)
    assert outcome.status == "damaged"
    assert "packets" in str(outcome.reason)
    assert events.count("\n") == outcome.events > 2
    assert outcome.duration_s is not None


def test_analyze_video_failure_keeps_earlier_events(
    model: fitsense.Model, analysis: Analysis, squats_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = itertools.count()

    def predict(windows: Sequence[Window]) -> list[fitsense.Prediction]:
        if next(asked) == 1:
            raise MemoryError("no more")
        return type(model).predict(model, windows)

    monkeypatch.setattr(model, "predict", predict)
    outcome, events = analyze_video(Video(str(squats_file), "1"), model, attrs.evolve(analysis, hop_s=0.5))
    assert (outcome.status, outcome.reason) == ("failed", "MemoryError: no more")
    assert outcome.events == events.count("\n") >= 2
    assert '"reason":"failed"' in events.splitlines()[-1]


def test_analysis_digest_depends_on_bundle_and_settings(model: fitsense.Model) -> None:
    one = Analysis.of(model.bundle, 1.0)
    assert one == Analysis.of(fitsense.Bundle.load("gym-video"), 1.0)
    others = {Analysis.of(model.bundle, 2.0).digest, Analysis.of(fitsense.Bundle.load("gym"), 1.0).digest}
    assert len({one.digest, *others}) == 3


@given(
    st.builds(
        Outcome,
        id=st.text(),
        url=st.text(st.characters(codec=None)),
        version=st.text(),
        analysis=st.text(),
        bundle=st.text(),
        reason=st.none() | st.text(),
        status=st.sampled_from(["done", "damaged", "failed"]),
        events=st.integers(0),
        bytes=st.integers(0),
        duration_s=st.none() | st.floats(0, 1e9),
    )
)
def test_outcome_json_round_trips_in_one_line(outcome: Outcome) -> None:
    line = outcome.to_json()
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert Outcome.from_json(line) == outcome


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"id": 3', "null", '{"id": "a", "url": "b"}'])
def test_outcome_from_invalid_json_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Outcome.from_json(line)
