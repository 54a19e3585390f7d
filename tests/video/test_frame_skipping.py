"""Frames that a decoder may skip, since fewer are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fitsense.imaging.frame_rate import RateLimiter
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from tests.conftest import encode


@pytest.mark.parametrize("b_frames", [0, 3])
def test_source_min_interval_equals_thinning_all_frames(tmp_path: Path, b_frames: int) -> None:
    """Frames are the file's own and none are too far apart, whether or not the decoder may skip some."""
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), rate_hz=30.0, size=(160, 96))
    path = encode(tmp_path / "film.mp4", video, codec_options={"bf": str(b_frames)})
    with VideoSource(path) as source:
        whole = {frame.time_s: frame.rgb for frame in source}
    step_s = 0.05
    with VideoSource(path, DecodeConfig(min_interval_s=step_s)) as source:
        some = list(source)
    times = [frame.time_s for frame in some]
    assert all(np.array_equal(frame.rgb, whole[frame.time_s]) for frame in some)
    assert len(whole) / 3 <= len(some) <= len(whole) / 2 + 1
    assert max(np.diff(times)) < 2.6 * step_s
    if not b_frames:
        thinning = RateLimiter(step_s)
        assert times == [time_s for time_s in whole if thinning.accept(time_s)]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_source_sparse_reference_frames_skip_none(tmp_path: Path, name: str) -> None:
    """Of four frames three may be skipped here: 8 a second would be left. It is seen too late, and so done again."""
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), rate_hz=24.0, size=(160, 96))
    options = {"bf": "3", "x264-params": "b-adapt=0:b-pyramid=none"}
    path = encode(tmp_path / name, video, codec_options=options)
    times = {}
    for threads in (1, 2, 4):
        with VideoSource(path, DecodeConfig(min_interval_s=0.05, threads=threads)) as source:
            times[threads] = [frame.time_s for frame in source]
    assert times[1] == times[2] == times[4]
    assert max(np.diff(times[1])) < 0.09
    assert times[1][-1] == pytest.approx(4.0, abs=0.1)


def test_source_hole_is_filled_for_any_thread_count(tmp_path: Path) -> None:
    """In the last second, in which there are fewer frames, none can be spared."""
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), rate_hz=30.0, size=(160, 96))
    frames = [frame for at, frame in enumerate(video) if frame.time_s < 3.0 or at % 2 == 0]
    path = encode(tmp_path / "film.mp4", frames, codec_options={"bf": "1", "x264-params": "b-adapt=0"})
    found = []
    for threads in (1, 4):
        with VideoSource(path, DecodeConfig(min_interval_s=0.05, threads=threads)) as source:
            found.append([(frame.time_s, frame.rgb.tobytes()) for frame in source])
    assert found[0] == found[1]
    steps = np.diff([time_s for time_s, _ in found[0]])
    assert len(found[0]) == pytest.approx(45 + 15, abs=3)
    assert max(steps) < 0.09
