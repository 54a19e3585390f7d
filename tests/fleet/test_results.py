"""The folder of results."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from fitsense.errors import FitsenseError
from fitsense.fleet.library import Video
from fitsense.fleet.outcome import Analysis, Outcome
from fitsense.fleet.results import Results

ANALYSIS = Analysis("gym 1", "0123", 1.0)
EVENTS = '{"type":"fitsense.session.started","source":"file:é.mp4","data":{}}\n'


def video(name: str = "a", version: str = "1") -> Video:
    return Video(f"/films/{name}.mp4", version)


def done(one: Video, events: str = EVENTS) -> Outcome:
    return ANALYSIS.outcome(one, "done", events=events.count("\n"), bytes=len(events.encode()), duration_s=1.0)


def lines(folder: Path) -> list[str]:
    return (folder / "outcomes.ndjson").read_text().splitlines()


def test_results_reopened_keep_outcomes(tmp_path: Path) -> None:
    results = Results(tmp_path / "new/results")
    assert results.standing(video(), ANALYSIS) is None
    results.put(done(video()), EVENTS)
    failed = ANALYSIS.outcome(video("b"), "failed", reason="no such file")
    results.put(failed, "")
    for known in (results, Results(tmp_path / "new/results")):
        assert known.standing(video(), ANALYSIS) == done(video())
        assert known.standing(video("b"), ANALYSIS) == failed
        assert known.events_of(video().id).read_text("utf-8") == EVENTS
        assert not known.events_of(video("b").id).exists()


def test_results_standing_changed_or_lost_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.put(done(video()), EVENTS)
    assert results.standing(video(version="2"), ANALYSIS) is None
    assert results.standing(video(), attrs.evolve(ANALYSIS, digest="4567")) is None
    results.events_of(video().id).write_text(EVENTS[:10])
    assert results.standing(video(), ANALYSIS) is None
    results.events_of(video().id).unlink()
    assert results.standing(video(), ANALYSIS) is None
    results.finish()


def test_results_put_again_replaces_outcome(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.put(done(video("b")), EVENTS)
    results.put(done(video("a")), EVENTS)
    changed = ANALYSIS.outcome(video("a", "2"), "failed", reason="is empty (0 bytes)")
    results.put(changed, "")
    assert len(lines(tmp_path)) == 3
    assert not results.events_of(video("a").id).exists()
    results.finish()
    assert [Outcome.from_json(line) for line in lines(tmp_path)] == [changed, done(video("b"))]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        ["outcomes.ndjson", f"{video('b').id}.ndjson", "segments.parquet", "sets.parquet", "muscle_load.parquet"]
    )


@pytest.mark.parametrize("cut", [1, 40, -2])
def test_results_truncated_line_loses_one_video(tmp_path: Path, cut: int) -> None:
    results = Results(tmp_path)
    for name in "abc":
        results.put(done(video(name)), EVENTS)
    file = tmp_path / "outcomes.ndjson"
    whole = file.read_text().splitlines(keepends=True)
    file.write_text(whole[0] + whole[1] + whole[2][:cut])
    again = Results(tmp_path)
    assert [again.standing(video(name), ANALYSIS) is None for name in "abc"] == [False, False, True]
    again.put(done(video("c")), EVENTS)
    assert len(Results(tmp_path).outcomes) == 3


def test_results_invalid_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FitsenseError, match="file: cannot hold results"):
        Results(tmp_path / "file")
