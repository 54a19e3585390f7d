"""``fitsense evaluate-sessions``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.evaluate import untrimmed as streams
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from tests.conftest import encode

PREDICTED = {"exercise": "squat", "start_s": 0.3, "end_s": 0.4, "start_reported_s": 0.5, "end_reported_s": 0.6}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate-sessions", *map(str, arguments)])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), camera=sample().camera, rate_hz=10.0)
    encode(folder / "squat.mp4", video, rate=10)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "group", "split"])
        writer.writerows([["squat.mp4", "squat", "test"], ["squat.mp4", "zumba", "test"], ["no.mp4", "squat", "test"]])
    return folder


def test_evaluate_sessions_json_has_metrics_and_segments(data: Path) -> None:
    done = run("--data", data, "--json", "--hop", "0.5")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["bundle"]["name"], report["hop_s"], report["seed"]) == ("gym-video", 0.5, 0)
    assert "rendered" not in report
    joined = report["joined"]
    assert (joined["split"], joined["streams"], joined["segments"], joined["skipped"]) == ("test", 1, 1, 2)
    assert {skip["reason"] for skip in joined["skipped_files"]} == {"the bundle does not know zumba", "no such file"}
    assert set(joined["f1"]) == {"0.25", "0.5", "0.75"}
    (stream,) = joined["runs"]
    assert stream["truth"] == [{"exercise": "squat", "start_s": 0.0, "end_s": pytest.approx(8.0, abs=0.2)}]
    assert sum(joined["time"].values()) == pytest.approx(1.0)


def test_evaluate_sessions_table_names_metrics(data: Path) -> None:
    done = run("--data", data, "--split", "test", "--unknown-split", "--seed", "2")
    assert done.exit_code == 0, done.output
    for words in (
        "a prediction every 1 s", "Clips of test", "1 left out", "no.mp4: no such file",
        "1 sets and 1 of unknown exercises", "segment F1", "found", "after the start", "false alarms",
        "of idle time", "wrong name", "squat",
    ):  # fmt: skip
        assert words in done.output, words


@pytest.mark.slow
def test_evaluate_sessions_synthetic_videos_are_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    # Shorter sets and pauses than usual, for the time that rendering takes.
    monkeypatch.setattr(streams, "_SET_S", (3.0, 6.0))
    monkeypatch.setattr(streams, "_PAUSE_S", (0.5, 1.0))
    done = run("--rendered", "1", "--hop", "1", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert "joined" not in report
    rendered = report["rendered"]
    assert (rendered["streams"], rendered["segments"], len(rendered["runs"])) == (1, 4, 1)
    assert set(rendered["by_exercise"]) >= {"squat", "push_up", "jumping_jack"}
    assert rendered["predicted"] + rendered["predicted_unknown"] == len(rendered["runs"][0]["predicted"]) >= 1


def test_evaluate_sessions_robustness_resumes(data: Path, tmp_path: Path) -> None:
    counts, results = tmp_path / "counts.csv", tmp_path / "results.jsonl"
    counts.write_text("clip,count\nsquat,2\n")
    options = ("--data", data, "--robustness", "--counts", counts, "--results", results, "--transformation", "10_fps")
    done = run(*options)
    assert done.exit_code == 0, done.output
    for words in (
        "1 clips, and each transformed; 0 left out",
        "untouched",
        "10_fps",
        "1 of 1",
        "count error",
        "on clips, a prediction",
    ):
        assert words in done.output, words
    kept = results.read_text()
    assert len(kept.splitlines()) == 2
    report = json.loads(run(*options, "--json").stdout)
    assert results.read_text() == kept
    assert set(report["robustness"]["transformations"]) == {"untouched", "10_fps"}
    assert report["robustness"]["runs"][0]["count"] == 2


def test_evaluate_sessions_only_counted_clips_are_analysed(data: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.csv"
    options = ("--data", data, "--robustness", "--transformation", "untouched", "--counts", counts, "--only-counted")
    counts.write_text("clip,count\nother,2\n")
    assert json.loads(run(*options, "--json").stdout)["robustness"]["clips"] == 0
    counts.write_text("clip,count\nsquat,2\n")
    report = json.loads(run(*options, "--clips-per-exercise", "1", "--json").stdout)["robustness"]
    assert (report["clips"], list(report["transformations"])) == (1, ["untouched"])
    assert report["transformations"]["untouched"]["counted"] == 1


def test_evaluate_sessions_untrimmed_videos_resume(data: Path, tmp_path: Path) -> None:
    table, results = data / "untrimmed.csv", tmp_path / "results.jsonl"
    table.write_text("path,segments\nsquat.mp4,0.3-4 squat\nno.mp4,0-1 squat\n")
    options = ("--untrimmed", table, "--results", results)
    done = run(*options)
    assert done.exit_code == 0, done.output
    for words in ("Recorded videos; 1 left out", "no.mp4: no such file", "first name", "of 1 sets"):
        assert words in done.output, words
    kept = results.read_text()
    assert len(kept.splitlines()) == 1
    # A result that is kept is shown, whatever the video.
    results.write_text(json.dumps({**json.loads(kept), "predicted": [PREDICTED]}) + "\n")
    report = json.loads(run(*options, "--json").stdout)["untrimmed"]
    assert report["first_name"] == {"sets": 1, "named": 1, "median_s": 0.2, "p90_s": 0.2}
    assert run("--data", data, "--robustness", "--results", results).exit_code == ExitCode.FAILED


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--robustness"], ExitCode.USAGE, "give --data FOLDER, and neither --rendered nor --untrimmed, with"),
        (["--rendered", "1", "--transformation", "pan"], ExitCode.USAGE, "give --robustness with"),
        (["--rendered", "1", "--only-counted"], ExitCode.USAGE, "give --counts FILE with --only-counted"),
        ([], ExitCode.USAGE, "give --data FOLDER, --untrimmed FILE, --rendered N, or several"),
        (["--rendered", "0"], ExitCode.USAGE, "--rendered"),
        (["--data", "no/such/folder"], ExitCode.USAGE, "does not exist"),
        (["--rendered", "1", "--bundle", "nope"], ExitCode.BAD_BUNDLE, "nope"),
    ],
)
def test_evaluate_sessions_invalid_arguments_are_refused(arguments: list[str], code: ExitCode, message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.output


def test_evaluate_sessions_missing_split_is_refused(data: Path) -> None:
    done = run("--data", data, "--split", "val")
    assert done.exit_code == ExitCode.FAILED
    assert "no clip is in split 'val'; available: test" in done.output
