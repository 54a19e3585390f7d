"""Recorded videos with labelled segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitsense.errors import InvalidInputError
from fitsense.evaluate.labelled_videos import labelled_videos
from fitsense.evaluate.segment_metrics import Segment
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from tests.conftest import encode

KNOWN = ("squat", "bicep_curl", "no_exercise", "unknown")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 6 s."""
    folder = tmp_path_factory.mktemp("untrimmed")
    video = FigureVideo((Bout("squat", 3, 2.0),), camera=sample().camera, size=(160, 90), rate_hz=10.0)
    encode(folder / "video.mp4", video, rate=10)
    (folder / "manifest.csv").write_text(
        "path,exercise,group,split\na.mp4,hammer_curl,bicep_curl,train\nb.mp4,side_plank,,extra\n"
    )
    return folder


def table(folder: Path, *rows: str, header: str = "path,segments") -> Path:
    file = folder / "untrimmed.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_labelled_videos_time_in_no_segment_is_unlabelled(folder: Path) -> None:
    file = table(folder, "video.mp4,0.5-2 no_exercise;2-3 squat;3.5-5 hammer_curl")
    (video,), skipped = labelled_videos(file, KNOWN, short_side=64)
    assert skipped == []
    assert video.truth == [Segment("squat", 2.0, 3.0), Segment("bicep_curl", 3.5, 5.0)]
    assert video.unlabelled == [(0.0, 0.5), (3.0, 3.5), (5.0, pytest.approx(6.0, abs=0.2))]
    assert {frame.rgb.shape[0] for frame in video} == {64}


def test_labelled_videos_exercises_without_group_are_unknown(folder: Path) -> None:
    file = table(folder, "video.mp4,0-3 side_plank;3-6.5 stretch", header="path,segments_s")
    (video,), _ = labelled_videos(file, KNOWN)
    assert [segment.exercise for segment in video.truth] == ["unknown", "unknown"]
    # Half a second after the video's end is an inexact label.
    assert video.truth[-1].end_s == video.duration_s
    assert video.unlabelled == []


def test_labelled_videos_missing_file_is_skipped(folder: Path) -> None:
    videos, (skipped,) = labelled_videos(table(folder, "none.mp4,0-3 squat"), KNOWN)
    assert (videos, skipped.path, skipped.reason) == ([], "none.mp4", "no such file")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "line 2: expected segments such as"),
        ("0-3", "got '0-3'"),
        ("3 squat", "expected 'start-end label'"),
        ("0-3 squat;2-4 squat", "without overlap, got '2-4 squat'"),
        ("3-2 squat", "expected 'start-end label'"),
        ("0-9 squat", "within the video's 6.0 s, got an end at 9 s"),
    ],
)
def test_labelled_videos_malformed_segments_are_refused(folder: Path, cell: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        labelled_videos(table(folder, f"video.mp4,{cell}"), KNOWN)
    assert message in str(caught.value)


def test_labelled_videos_fingerprint_follows_file_and_size(folder: Path) -> None:
    file = table(folder, "video.mp4,0-3 squat")
    one, same, other = (labelled_videos(file, KNOWN, short_side=side)[0][0].fingerprint for side in (64, 64, 80))
    assert one == same != other
