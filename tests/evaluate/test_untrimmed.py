"""Untrimmed streams: their truth, their frames, and what the shipped model makes of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest

import fitsense
from fitsense._internal.progress import ItemT
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.data.manifest import read_manifest
from fitsense.errors import InvalidInputError
from fitsense.evaluate.kept_results import digest_of_analysis
from fitsense.evaluate.segment_metrics import PredictedSegment, Segment
from fitsense.evaluate.untrimmed import (
    JoinedVideo,
    Piece,
    RenderedVideo,
    StreamRun,
    StreamRuns,
    joined_videos,
    rendered_videos,
    session_quality,
)
from fitsense.session.config import SessionConfig
from fitsense.synthetic.figures import EXERCISES, Bout, FigureVideo, random_video, sample
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from tests.conftest import encode

KNOWN = (*EXERCISES, IDLE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of two exercises in two shapes, of idle time, of a stranger's exercise, and a broken one."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for group, seed, size in (("squat", 1, (320, 182)), ("jumping_jack", 5, (182, 320)), (IDLE, 3, (240, 182))):
        video = FigureVideo(
            bouts=(Bout(group, 0 if group == IDLE else 2, 3.0 if group == IDLE else 1.5),),
            camera=sample().camera,
            size=size,
            rate_hz=10.0,
            seed=seed,
        )
        encode(folder / f"{group}.mp4", video, rate=10)
        rows.append({"path": f"{group}.mp4", "group": group, "split": "test"})
    (folder / "broken.mp4").write_text("no video")
    rows.append({"path": "broken.mp4", "group": "squat", "split": "test"})
    rows.append({"path": "squat.mp4", "group": "burpee", "split": "foreign"})
    rows.append({"path": "jumping_jack.mp4", "group": "", "split": "foreign"})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def joined(folder: Path) -> JoinedVideo:
    streams, _ = joined_videos(read_manifest(folder, ["test"]).items, KNOWN, 182)
    assert len(streams) == 1
    return streams[0]


def test_joined_videos_make_one_set_per_clip_between_pauses(folder: Path, joined: JoinedVideo) -> None:
    streams, skipped = joined_videos(read_manifest(folder, ["test"]).items, KNOWN, 182)
    assert [(Path(skip.path).name, "cannot be opened" in skip.reason) for skip in skipped] == [("broken.mp4", True)]
    assert streams == [joined]
    assert [piece.exercise == IDLE for piece in joined.pieces] == [True, False, True, False, True]
    for piece in joined.pieces:
        if piece.exercise == IDLE:
            assert piece.path == folder / f"{IDLE}.mp4"
            assert 4.0 <= piece.duration_s <= 8.0
        else:
            assert piece.path == folder / f"{piece.exercise}.mp4"
            assert piece.duration_s == pytest.approx(9.0, abs=0.2)  # three times three seconds
    assert {segment.exercise for segment in joined.truth} == {"squat", "jumping_jack"}


def test_joined_videos_seed_changes_the_order_only(folder: Path) -> None:
    items = read_manifest(folder, ["test"]).items
    several = [joined_videos(items, KNOWN, 182, seed=seed)[0][0] for seed in range(6)]
    assert len({tuple(segment.exercise for segment in stream.truth) for stream in several}) == 2
    assert len({stream.duration_s for stream in several}) == 6


def test_joined_video_frames_show_whole_pictures_at_increasing_times(joined: JoinedVideo) -> None:
    frames = list(joined)
    # A body that a square would cut off has no landmarks.
    assert {frame.rgb.shape for frame in frames} == {(182, 320, 3), (320, 182, 3), (182, 240, 3)}
    steps = np.diff([frame.time_s for frame in frames])
    assert frames[0].time_s == 0.0
    assert steps.min() > 0
    assert steps.max() < 0.25
    assert joined.duration_s - 0.2 < frames[-1].time_s < joined.duration_s


def test_joined_video_segment_repeats_its_clip(folder: Path, joined: JoinedVideo) -> None:
    frames = list(joined)
    for segment in joined.truth:
        played = [frame for frame in frames if segment.start_s <= frame.time_s < segment.end_s]
        with VideoSource(folder / f"{segment.exercise}.mp4", DecodeConfig(short_side=182)) as source:
            clip = list(source)
        assert len(played) == pytest.approx(3 * len(clip), abs=2)
        for index in (0, 7, len(clip), 2 * len(clip) + 4):
            np.testing.assert_array_equal(played[index].rgb, clip[index % len(clip)].rgb)


def test_joined_video_seams_are_where_a_clip_begins_anew(joined: JoinedVideo) -> None:
    frames = list(joined)
    assert len(joined.seams) == 2 * len(joined.truth)
    for segment in joined.truth:
        played = [frame for frame in frames if segment.start_s <= frame.time_s < segment.end_s]
        for seam_s in (one for one in joined.seams if segment.start_s < one < segment.end_s):
            again = min(played, key=lambda frame: abs(frame.time_s - seam_s))
            np.testing.assert_array_equal(again.rgb, played[0].rgb)


@attrs.frozen
class Cut:
    """A video whose set may begin anew."""

    seams: Sequence[float]
    truth: Sequence[Segment] = (Segment("squat", 0.0, 10.0),)
    unlabelled: Sequence[tuple[float, float]] = ()
    duration_s: float = 10.0
    fingerprint: str = "cut"

    def __iter__(self) -> Iterator[Frame]:
        raise AssertionError("it is kept")


@pytest.mark.parametrize(("seams", "second", "found"), [([4.5], "squat", 1), ([8.0], "squat", 0), ([4.5], "lunge", 0)])
def test_session_quality_segments_of_one_exercise_that_meet_at_a_seam_are_one(
    model: fitsense.Model, tmp_path: Path, seams: Sequence[float], second: str, found: int
) -> None:
    parts = [PredictedSegment("squat", 0.0, 4.4, 2.7, 5.0), PredictedSegment(second, 4.5, 9.0, 7.2, 9.3)]
    kept = StreamRuns(tmp_path / "runs.jsonl")
    kept.add(StreamRun("cut", digest_of_analysis(model, SessionConfig()), parts))
    quality = session_quality(model, [Cut(seams)], kept=kept)
    assert quality["sets"]["found"] == found
    assert quality["predicted"] == 2 - found


def test_joined_videos_without_idle_clips_hold_the_last_picture(folder: Path) -> None:
    items = [item for item in read_manifest(folder, ["test"]).items if item.group != IDLE]
    stream = joined_videos(items, KNOWN, 182)[0][0]
    assert [piece.exercise == IDLE for piece in stream.pieces] == [False, True, False, True]
    frames = list(stream)
    for segment in stream.truth:
        held = [f for f in frames if segment.end_s <= f.time_s < segment.end_s + 4.0]
        before = [f for f in frames if f.time_s < segment.end_s][-1]
        assert len(held) == 60
        assert all(np.array_equal(frame.rgb, before.rgb) for frame in held)
    with pytest.raises(InvalidInputError, match="expected a video first"):
        JoinedVideo([Piece(IDLE, None, 3.0)], 182)


def test_joined_videos_unknown_exercises_are_skipped_or_labelled_unknown(folder: Path) -> None:
    items = read_manifest(folder, ["foreign"]).items
    streams, skipped = joined_videos(items, KNOWN, 182)
    assert streams == []
    assert sorted(skip.reason for skip in skipped) == ["no group", "the bundle does not know burpee"]
    streams, skipped = joined_videos(items, KNOWN, 182, with_unknown=True)
    assert skipped == []
    assert [segment.exercise for segment in streams[0].truth] == [UNKNOWN, UNKNOWN]


def test_joined_videos_of_many_clips_are_several(folder: Path) -> None:
    items = [item for item in read_manifest(folder, ["test"]).items if item.path.name != "broken.mp4"] * 7
    streams, _ = joined_videos(items, KNOWN, 182)
    assert sum(len(stream.truth) for stream in streams) == 14
    assert len(streams) > 1
    assert all(75.0 <= stream.duration_s < 120.0 for stream in streams[:-1])


def test_rendered_videos_are_determined_by_their_seed() -> None:
    streams = rendered_videos(5, KNOWN, seed=3)
    assert streams == rendered_videos(5, KNOWN, seed=3)
    assert streams[:2] == rendered_videos(2, KNOWN, seed=3)
    assert not any(stream in streams for stream in rendered_videos(5, KNOWN, seed=4))
    assert len({stream.video.camera.azimuth_deg for stream in streams}) == 5
    for stream in streams:
        assert {segment.exercise for segment in stream.truth} == set(EXERCISES)
        assert 60.0 <= stream.duration_s <= 120.0
        assert stream.truth[0].start_s > 4.0
        assert stream.duration_s - stream.truth[-1].end_s > 4.0
    assert {s.exercise for s in rendered_videos(1, ["squat", "lunge"])[0].truth} == {"squat"}
    with pytest.raises(InvalidInputError, match="expected one of squat"):
        rendered_videos(1, ["lunge"])


def test_rendered_video_set_is_found_in_time(model: fitsense.Model) -> None:
    video = FigureVideo(
        bouts=(Bout(IDLE, 0, 4.0), Bout("squat", 4, 2.2), Bout(IDLE, 0, 5.0)),
        camera=sample().camera,
        rate_hz=10.0,
        seed=5,
    )
    stream = RenderedVideo(video)
    assert stream.truth == [Segment("squat", 5.0, 5.0 + 4 * 2.2)]
    found = session_quality(model, [stream], SessionConfig(hop_s=0.5))
    assert (found["streams"], found["segments"], found["predicted"]) == (1, 1, 1)
    assert found["minutes"] == pytest.approx(stream.duration_s / 60)
    assert found["idle_minutes"] == pytest.approx((stream.duration_s - 8.8) / 60)
    assert found["f1"]["0.5"] == 1.0
    assert found["false_alarms"]["named"] == 0
    assert found["time"]["right"] > 0.8
    (predicted,) = found["runs"][0]["predicted"]
    # Nobody can hear of an answer before it has held for as long as it must, nor of a segment before it began.
    assert predicted["start_reported_s"] >= predicted["start_s"] + 1.5
    assert found["onset"]["median_s"] == pytest.approx(predicted["start_reported_s"] - 5.0)
    assert 1.0 < found["onset"]["median_s"] < 6.0
    assert predicted["end_reported_s"] >= predicted["end_s"]
    # It is the frame at hand that counts, so the times are those of frames.
    assert predicted["start_reported_s"] == pytest.approx(round(predicted["start_reported_s"] * 10) / 10)


@pytest.mark.slow
def test_evaluate_joined_videos_reports_progress(model: fitsense.Model, joined: JoinedVideo) -> None:
    seen: list[tuple[int, str]] = []

    class Noting:
        def __call__(self, items: Sequence[ItemT], description: str) -> Iterable[ItemT]:
            seen.append((len(items), description))
            return items

    config = SessionConfig(hop_s=2.0)
    found = session_quality(model, [joined], config, Noting())
    assert seen == [(1, "Streams")]
    assert sum(found["sets"].values()) == found["segments"] == 2
    assert sum(found["time"].values()) == pytest.approx(1.0)
    assert [segment["exercise"] for segment in found["runs"][0]["truth"]] == [s.exercise for s in joined.truth]
    assert session_quality(model, [joined], config) == found


def test_joined_video_clip_of_one_frame_is_held(tmp_path: Path) -> None:
    """A file of one frame, as photographs turned video are, neither ends a stretch early nor stops the stream."""
    encode(tmp_path / "one.mp4", [next(iter(random_video("squat", 1)))], rate=10)
    frames = list(JoinedVideo([Piece("squat", tmp_path / "one.mp4", 0.95)], 160))
    assert [frame.time_s for frame in frames] == pytest.approx([index / 10 for index in range(10)])
