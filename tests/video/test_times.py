"""Times of pictures in containers that give none, or give them in the order of decoding."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.ordering import DisplayOrder, are_reordered
from fitsense.video.source import VideoSource
from tests.conftest import encode

# Minimum interval between pictures in seconds, as for the shipped bundle.
STEP_S = 0.05
RATE_HZ = 30
B_FRAMES = {"bf": "3", "x264-params": "b-adapt=0"}

# How it is packed, by whom it is encoded, and at what time the first picture is shown.
PACKINGS = {
    "h264.avi": ("avi", "libx264", B_FRAMES),
    "pyramid.avi": ("avi", "libx264", {"bf": "8", "x264-params": "b-adapt=0:b-pyramid=normal"}),
    "mpeg4.avi": ("avi", "mpeg4", {"bf": "2"}),
    "h264.mxf": ("mxf", "libx264", B_FRAMES),
    "raw.h264": ("h264", "libx264", B_FRAMES),
    "plain.h264": ("h264", "libx264", {"bf": "0"}),
    "raw.hevc": ("hevc", "libx265", {"bf": "3", "preset": "ultrafast", "x265-params": "log-level=none"}),
    "raw.m4v": ("m4v", "mpeg4", {"bf": "2"}),
    "raw.m2v": ("mpeg2video", "mpeg2video", {"bf": "2"}),
    "h264.vob": ("vob", "libx264", B_FRAMES),
    "mpeg2.mpg": ("mpeg", "mpeg2video", {"bf": "2"}),
    "h264.ts": ("mpegts", "libx264", B_FRAMES),
    "h264.mkv": ("matroska", "libx264", B_FRAMES),
    "h264.flv": ("flv", "libx264", B_FRAMES),
}


@pytest.fixture(scope="module")
def video() -> FigureVideo:
    return FigureVideo(bouts=(Bout("squat", 1, 2.0),), rate_hz=float(RATE_HZ), size=(160, 96))


def pack(path: Path, video: FigureVideo, container: str, codec: str, options: dict[str, str]) -> Path:
    """Encode at a constant rate, which elementary streams need."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE_HZ)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = video.size
        stream.pix_fmt = "yuv420p"
        stream.options = dict(options)
        for number, frame in enumerate(video):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, RATE_HZ)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", PACKINGS)
def test_source_any_packing_keeps_order_and_rate(name: str, video: FigureVideo, tmp_path: Path) -> None:
    container, codec, options = PACKINGS[name]
    path = pack(tmp_path / name, video, container, codec, options)
    with VideoSource(path) as source:
        assert source.info.rate_hz == RATE_HZ
        read = list(source)
        assert source.warning is None
    np.testing.assert_allclose(np.diff([frame.time_s for frame in read]), 1 / RATE_HZ, atol=0.01)
    assert 0 <= read[0].time_s < 2.5 / RATE_HZ
    assert len(read) == len(video)
    for shown, drawn in zip(read, video, strict=True):
        assert np.abs(shown.rgb.astype(int) - drawn.rgb).mean() < 10


@pytest.mark.parametrize("name", [name for name in PACKINGS if "mpeg2" not in name and "m2v" not in name])
def test_source_thinned_any_packing_keeps_duration(name: str, video: FigureVideo, tmp_path: Path) -> None:
    container, codec, options = PACKINGS[name]
    path = pack(tmp_path / name, video, container, codec, options)
    with VideoSource(path, DecodeConfig(min_interval_s=STEP_S)) as source:
        times = [frame.time_s for frame in source]
    assert times[-1] - times[0] == pytest.approx(len(video) / RATE_HZ, abs=0.15)
    assert STEP_S - 1e-3 <= min(np.diff(times)) <= max(np.diff(times)) < 2.6 * STEP_S


def test_raw_stream_uses_stated_rate(video: FigureVideo, tmp_path: Path) -> None:
    """FFmpeg calls each elementary stream one of 25 pictures a second."""
    path = pack(tmp_path / "raw.h264", video, "h264", "libx264", B_FRAMES)
    with VideoSource(path) as source:
        assert source.info.duration_s is None
        assert list(source)[-1].time_s == pytest.approx((len(video) - 1) / RATE_HZ)


def test_mp4_without_composition_offsets_is_in_order(video: FigureVideo, tmp_path: Path) -> None:
    """Some muxers leave out the table of presentation times of reordered frames."""
    path = encode(tmp_path / "film.mp4", video, codec_options=B_FRAMES)
    content = bytearray(path.read_bytes())
    for table in (b"ctts", b"elst"):
        content[(at := content.index(table)) : at + 4] = b"free"
    path.write_bytes(content)
    with VideoSource(path) as source:
        read = list(source)
    np.testing.assert_allclose(np.diff([frame.time_s for frame in read]), 1 / RATE_HZ, atol=0.002)
    assert len(read) == len(video)


def test_are_reordered_decreasing_times_is_true() -> None:
    assert are_reordered([0, 3, None, 1])
    assert not are_reordered([None, 0, 1, None, 1, 2])
    assert not are_reordered([])


def test_display_order_after_lost_packets_recovers() -> None:
    order = DisplayOrder()
    given = []
    for stamp in range(60):
        packet: av.Packet[Any] = av.Packet(1)
        packet.pts = stamp
        order.send(packet)
        # The decoder gives nothing of the first five.
        if stamp >= 5:
            frame = av.VideoFrame(16, 16, "gray")
            frame.pts = stamp
            order.stamp(frame)
            given.append(frame.pts)
    assert given[-1] == 59
    assert given == sorted(given)


def test_display_order_without_packets_left_gives_no_time() -> None:
    frame = av.VideoFrame(16, 16, "gray")
    frame.pts = 7
    DisplayOrder().stamp(frame)
    assert frame.pts is None


@contextlib.contextmanager
def kept_scheduling() -> Iterator[None]:
    """Restore the thread's scheduling policy: SVT-AV1 gives a caller who is root real-time priority, for good.

    The process would then starve the others of the tests, and itself where threads wait for each other by spinning.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def test_raw_stream_without_a_frame_rate_warns_of_its_times(video: FigureVideo, tmp_path: Path) -> None:
    with kept_scheduling():
        path = pack(tmp_path / "raw.obu", video, "obu", "libsvtav1", {"preset": "12"})
    with VideoSource(path) as source:
        assert source.rate_assumed is not None
        (warning,) = [item for item in source.items() if not isinstance(item, Frame)]
    assert warning.code == "frame_rate_assumed"
    assert "25 frames a second" in warning.message


@pytest.mark.parametrize("name", ["raw.h264", "raw.m4v", "h264.mkv"])
def test_stream_with_a_frame_rate_assumes_none(name: str, video: FigureVideo, tmp_path: Path) -> None:
    with VideoSource(pack(tmp_path / name, video, *PACKINGS[name])) as source:
        assert source.rate_assumed is None
