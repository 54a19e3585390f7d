"""Labels and counts of transformed clips."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.data.manifest import ClipItem
from fitsense.evaluate import robustness as measured
from fitsense.evaluate.robustness import Trials, read_counts, robustness, select_clips
from fitsense.evaluate.transformations import TRANSFORMATIONS, UNTOUCHED
from fitsense.session.config import SessionConfig
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from fitsense.types import Frame
from tests.conftest import encode

RATE_HZ = 15


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Seven seconds in which the picture changes little by little."""
    video = list(FigureVideo((Bout("squat", 1, 2.0),), camera=sample().camera, size=(160, 90), rate_hz=RATE_HZ))
    pictures = itertools.cycle([*video, *reversed(video)])
    return [Frame(next(pictures).rgb, index / RATE_HZ) for index in range(7 * RATE_HZ)]


def changed(before: Frame, after: Frame) -> float:
    """Share of the pixels that differ visibly."""
    return float((np.abs(before.rgb.astype(int) - after.rgb).max(axis=2) > 24).mean())


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_transformation_of_any_kind_keeps_order_size_and_input(name: str, frames: list[Frame]) -> None:
    before = [frame.rgb.copy() for frame in frames]
    once, again = ([*TRANSFORMATIONS[name].apply(iter(frames))] for _ in range(2))
    times = [frame.time_s for frame in once]
    assert times == sorted(set(times))
    assert {frame.rgb.shape for frame in once} == {frames[0].rgb.shape}
    assert all(a.time_s == b.time_s for a, b in zip(once, again, strict=True))
    # libx264 repeats itself but for a few macroblocks in one of a thousand videos, whatever its threads and options.
    assert all(np.abs(a.rgb.astype(int) - b.rgb).mean() < 1 for a, b in zip(once, again, strict=True))
    assert all(np.array_equal(frame.rgb, rgb) for frame, rgb in zip(frames, before, strict=True))
    assert list(TRANSFORMATIONS[name].apply(iter(()))) == []


@pytest.mark.parametrize(
    ("name", "seconds", "count"), [("half_speed", 14, 105), ("double_speed", 3.5, 105), ("10_fps", 7, 70)]
)
def test_transformation_of_time_keeps_pictures(name: str, seconds: float, count: int, frames: list[Frame]) -> None:
    after = list(TRANSFORMATIONS[name].apply(iter(frames)))
    assert len(after) == count
    assert after[-1].time_s == pytest.approx(seconds, abs=0.25)
    assert all(any(one.rgb is frame.rgb for frame in frames) for one in after[::10])


@pytest.mark.parametrize(
    ("name", "spans", "edge_s"),
    [
        ("passer_by", [(2.0, 5.5)], 0.4),
        ("caption", [(second, second + 0.5) for second in range(7)], 0.01),
        ("picture_in_picture", [(0.0, 7.0)], 0.0),
        ("mirror", [(0.0, 7.0)], 0.0),
    ],
)
def test_transformation_of_contents_changes_part_of_the_picture_at_its_times(
    name: str, spans: list[tuple[float, float]], edge_s: float, frames: list[Frame]
) -> None:
    shares = []
    for before, after in zip(frames, TRANSFORMATIONS[name].apply(iter(frames)), strict=True):
        assert after.time_s == before.time_s
        share = changed(before, after)
        assert share < 0.4
        if any(start_s + edge_s < before.time_s < end_s - edge_s for start_s, end_s in spans):
            shares.append(share)
        if not any(start_s - 0.01 <= before.time_s <= end_s + 0.01 for start_s, end_s in spans):
            assert share == 0
    assert np.mean(shares) > 0.02


def test_transformation_of_the_camera_moves_the_whole_picture(frames: list[Frame]) -> None:
    for name, most in (("shake", 0.02), ("pan", 0.08)):
        width = frames[0].rgb.shape[1]
        shifts = set()
        for before, after in zip(frames, TRANSFORMATIONS[name].apply(iter(frames)), strict=True):
            reach = round(most * width) + 1
            errors = {}
            for shift in range(-reach, reach + 1):
                columns = np.clip(np.arange(width) + shift, 0, width - 1)
                errors[shift] = int(np.abs(before.rgb[40:60, columns].astype(int) - after.rgb[40:60]).sum())
            shifts.add(min(errors, key=lambda one: errors[one]))
        assert max(shifts) - min(shifts) >= round(most * width)


def test_compression_is_decoded_and_loses_detail(frames: list[Frame]) -> None:
    after = list(TRANSFORMATIONS["compression"].apply(iter(frames)))
    assert [frame.time_s for frame in after] == [frame.time_s for frame in frames]
    apart = [np.abs(a.rgb.astype(int) - b.rgb).mean() for a, b in zip(after, frames, strict=True)]
    assert 1 < np.mean(apart) < 20


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> ClipItem:
    folder = tmp_path_factory.mktemp("clips")
    video = FigureVideo(bouts=(Bout("squat", 3, 2.0),), camera=sample().camera, rate_hz=10.0)
    return ClipItem(encode(folder / "squat.mp4", video, rate=10), "squat", "test", "one", 0)


def test_robustness_of_clips_compares_with_the_untouched_and_the_truth(
    item: ClipItem, model: fitsense.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = ClipItem(tmp_path / "bad.mp4", "squat", "test", "two", 0)
    bad.path.write_bytes(b"nothing")
    file = tmp_path / "results.jsonl"
    names = ("10_fps", "mirror")
    arguments = (model, [item, bad], SessionConfig())
    report = robustness(*arguments, counts={"squat": 3}, names=names, trials=Trials(file))
    assert (report["clips"], len(report["skipped_files"])) == (1, 1)
    (run,) = report["runs"]
    assert set(run["found"]) == {UNTOUCHED, *names}
    untouched = report["transformations"][UNTOUCHED]
    assert (untouched["flipped"], untouched["count_changed"], untouched["counted"]) == (0, 0, 1)
    found = run["found"][UNTOUCHED]["repetitions"]
    assert untouched["count_error"] == pytest.approx(abs(found - 3) / 3)

    # An interrupted run goes on where it was, and a result of another configuration is not taken over.
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])
    done = []
    analyse = measured._analyse

    def noting(*given: Any) -> Any:
        done.append(given[2])
        return analyse(*given)

    monkeypatch.setattr(measured, "_analyse", noting)
    assert robustness(*arguments, counts={"squat": 3}, names=names, trials=Trials(file)) == report
    assert done == [json.loads(lines[2])["transformation"], UNTOUCHED][: len(done)]
    assert file.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("per_exercise", "counts", "groups"), [(None, {"a3": 1, "b0": 2}, "ab"), (2, None, "aabb"), (9, None, "aaaaabbb")]
)
def test_select_clips_takes_a_number_of_each_exercise(
    per_exercise: int | None, counts: dict[str, int] | None, groups: str
) -> None:
    items = [
        ClipItem(Path(f"{group}{index}.mp4"), group, "test", f"{group}{index}", 0)
        for group, number in (("a", 5), ("b", 3))
        for index in range(number)
    ]
    chosen = select_clips(items, counts, per_exercise, seed=1)
    assert "".join(item.group for item in chosen) == groups
    assert chosen == [item for item in items if item in chosen]
    assert chosen == select_clips(items, counts, per_exercise, seed=1)


def test_read_trials_of_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text('{"some": "thing"}\n')
    with pytest.raises(fitsense.InvalidInputError, match="line 1: expected a result of evaluate-sessions"):
        Trials(file)


def test_read_counts_of_wrong_numbers_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "counts.csv"
    file.write_text("clip,count\na,3\nb,-1\n")
    with pytest.raises(fitsense.InvalidInputError, match=r"line 3: count: expected a number from 0 on, got '-1'"):
        read_counts(file)


def test_robustness_of_an_unknown_transformation_lists_the_known_ones(item: ClipItem, model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"expected one of shake, pan, .*, got earthquake"):
        robustness(model, [item], SessionConfig(), names=["earthquake"])
