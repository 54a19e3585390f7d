from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import av
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.files import Pipeline, by_hand, by_tutorial
from tests.benchmarks.measuring import Benchmark, Goal, Measured, SkippedError, alternate, half_quartile_range
from tests.benchmarks.streams import Lateness, Trial, analyze, decode, largest, trial
from tests.benchmarks.videos import RATE, BenchmarkVideo, about


def run(arguments: Sequence[str]) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_list_shows_measurements_and_comparisons() -> None:
    listed = run(["--list"])
    for benchmark in BENCHMARKS.values():
        assert benchmark.name in listed
        assert benchmark.compares in listed
    assert {
        "file.of_ceiling",
        "file.over_eager_pipeline",
        "window.x3d_s.over_eager",
        "streams.sustained",
        "file.of_ceiling.landmarks",
        "streams.sustained.landmarks",
        "person.landmarks_per_s",
        "cold_start_s",
    } <= set(BENCHMARKS)


def test_run_single_measurement_is_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    output = run(["import_s", "--rounds", "2", "--json", str(file)])
    written = json.loads(file.read_text())
    assert list(written["figures"]) == ["import_s"]
    figure = written["figures"]["import_s"]
    assert figure["value"] > 0
    assert figure["spread"] >= 0
    assert figure["rounds"] == 2
    assert (figure["unit"], figure["goal"]) == ("s", "<= 0.15")
    assert isinstance(figure["met"], bool)
    assert written["machine"]["cores"] >= 1
    assert written["machine"]["versions"]["av"]
    assert "import_s" in output


def test_run_names_select_by_prefix() -> None:
    listed = run(["--list", "window.x3d_s", "cold_start_s"])
    names = [line.split()[0] for line in listed.splitlines()]
    assert "window.x3d_s.over_eager" in names
    assert "cold_start_s" in names
    assert all(name.startswith("window.x3d_s.") or name == "cold_start_s" for name in names)
    refused = CliRunner().invoke(main, ["window.x3d"])
    assert refused.exit_code == 2
    assert "got window.x3d" in refused.output


def test_run_unavailable_measurement_is_skipped_with_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure(rounds: int) -> Measured:
        raise SkippedError("there is no moon: wait for night")

    monkeypatch.setitem(BENCHMARKS, "import_s", Benchmark("import_s", "nothing", measure))
    file = tmp_path / "figures.json"
    assert "skipped: there is no moon: wait for night" in run(["import_s", "--json", str(file)])
    assert json.loads(file.read_text())["skipped"] == {"import_s": "there is no moon: wait for night"}


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=9))
def test_result_lies_within_its_rounds(values: list[float]) -> None:
    figure = Benchmark("a", "b", lambda rounds: Measured(values), goal=Goal(least=1.0)).figure()
    assert min(values) - 1e-4 <= figure.value <= max(values) + 1e-4
    assert 0 <= half_quartile_range(values) <= (max(values) - min(values)) / 2 + 1e-9
    assert figure.rounds == len(values)


def test_goal_at_its_bounds_is_met() -> None:
    assert Goal(least=0.8).met(0.8)
    assert not Goal(least=0.8).met(0.79)
    assert Goal(most=1.5).met(1.5)
    assert not Goal(most=1.5).met(1.51)
    assert (str(Goal(least=0.8)), str(Goal(most=400.0))) == (">= 0.8", "<= 400")


def test_rounds_alternate() -> None:
    done: list[str] = []
    alternate(lambda: done.append("one"), lambda: done.append("other"), rounds=3)
    assert done == ["one", "other"] * 3


@given(most=st.integers(0, 200), guess=st.integers(1, 200))
def test_search_finds_the_largest_in_few_trials(most: int, guess: int) -> None:
    tried: list[int] = []

    def holds(count: int) -> bool:
        tried.append(count)
        return count <= most

    assert largest(holds, guess) == most
    assert min(tried) >= 1
    assert len(tried) <= 3 + 2 * math.log2(1 + abs(most - guess))


@pytest.fixture(scope="module")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkVideo]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.benchmarks.videos.FOLDER", tmp_path_factory.mktemp("video_file"))
        yield BenchmarkVideo((160, 90), 2)


def test_footage_is_made_once_and_loops_without_gap(video_file: BenchmarkVideo) -> None:
    path = video_file.path
    made = path.stat().st_mtime_ns
    assert video_file.path == path
    assert path.stat().st_mtime_ns == made
    assert "160x90 h264 with B-frames" in about(path)
    assert "30 s" in about(path)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 2 * 15 * RATE
    assert np.allclose(np.diff(times), 1 / RATE, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [by_hand, by_tutorial])
def test_libraries_only_gives_the_same_predictions(
    video_file: BenchmarkVideo, model: fitsense.Model, pipeline: Pipeline
) -> None:
    path = attrs.evolve(video_file, loops=1).path
    answers = np.concatenate(pipeline(path, model, model.run))
    session, predictions = fitsense.Session(model), []
    with VideoSource(path, DecodeConfig(short_side=model.short_side)) as source:
        for frame in source:
            seen = session.prepare(frame)
            predictions += model.predict(seen.windows)
            session.complete(seen, predictions[len(predictions) - len(seen.windows) :])
    ours = np.stack([prediction.exercise for prediction in predictions])
    assert len(answers) - len(ours) in (0, 1), "the last window ends with the file"
    same = answers[: len(ours)].argmax(axis=1) == ours.argmax(axis=1)
    assert same.mean() >= 0.7


def test_trial_measures_latency_and_cost(video_file: BenchmarkVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.streams._TRIAL_S", 1.0)
    found = trial(decode, video_file.path, 2)
    assert found.count == 2
    assert 0 < found.share < 1
    assert 0 <= found.p50_s <= found.p95_s


@pytest.mark.slow
def test_trial_predictions_follow_their_windows(
    video_file: BenchmarkVideo, model: fitsense.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.benchmarks.streams._TRIAL_S", 4.5)
    # A slow machine must not end the trial early.
    monkeypatch.setattr("tests.benchmarks.streams._HOPELESS_S", 600.0)
    lateness = Lateness()
    now_s = time.monotonic()
    origins_s = [now_s + 0.5, now_s + 1.0]
    analyze(model, video_file.path, origins_s, lateness)
    assert sorted(lateness.media_s) == origins_s
    # None before its time, and up to the end.
    assert min(lateness.frames) >= 0
    assert min(lateness.media_s.values()) > 4.3
    # Of the windows that ended by then, each of which tells something: no other events.
    assert 4 <= len(lateness.answers) <= 12
    assert min(lateness.answers) > 0


def test_trial_late_or_dropped_frames_are_not_sustained() -> None:
    good = Trial(4, dropped=0.0, p50_s=0.1, p95_s=0.5, share=0.1)
    assert good.sustained
    assert not attrs.evolve(good, p95_s=0.51).sustained
    assert not attrs.evolve(good, dropped=0.02).sustained
