"""Files with several video tracks, and with pictures that are none."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

import fitsense
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

SMALL, LARGE = (160, 96), (320, 192)


def write(path: Path, sizes: Sequence[tuple[int, int]], default: int | None = None, *, cover: bool = False) -> Path:
    """A file with a second of video of each size, one of them marked as the default."""
    with av.open(str(path), "w") as container:
        if cover:
            picture = io.BytesIO()
            Image.new("RGB", (640, 640)).save(picture, "png")
            art = container.add_stream("png", rate=1)
            assert isinstance(art, av.VideoStream)
            art.width, art.height, art.pix_fmt = 640, 640, "rgb24"
            art.disposition = Disposition.attached_pic
        streams = []
        for number, (width, height) in enumerate(sizes):
            stream = container.add_stream("libx264", rate=10)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        if cover:
            packet = av.Packet(picture.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = art, 0, 0, Fraction(1, 10)
            container.mux(packet)
        for at in range(10):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(np.zeros((stream.height, stream.width, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = at, Fraction(1, 10)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def size_of(path: Path, track: int | None = None) -> tuple[int, int]:
    with VideoSource(path, DecodeConfig(track=track)) as source:
        assert len(list(source)) == 10
        return source.info.width, source.info.height


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("sizes", "default", "expected"),
    [
        ((SMALL, LARGE), 1, LARGE),
        ((LARGE, SMALL), 1, SMALL),
        ((LARGE, SMALL), 0, LARGE),
    ],
)
def test_source_several_tracks_reads_default_one(
    suffix: str, sizes: list[tuple[int, int]], default: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    assert size_of(write(tmp_path / f"film{suffix}", sizes, default)) == expected


def test_source_without_default_track_reads_largest_one(tmp_path: Path) -> None:
    assert size_of(write(tmp_path / "film.ts", (SMALL, LARGE, SMALL))) == LARGE


def test_source_track_option_selects_track(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mkv", (SMALL, LARGE), 1)
    assert size_of(path, 0) == SMALL
    assert size_of(path, 1) == LARGE


@pytest.mark.parametrize("track", [2, -1])
def test_source_missing_track_is_refused(track: int, tmp_path: Path) -> None:
    path = write(tmp_path / "film.mkv", (SMALL, LARGE))
    with pytest.raises(fitsense.InvalidInputError, match=r"0: h264 160 x 96, 1: h264 320 x 192\), got"):
        VideoSource(path, DecodeConfig(track=track))


def test_tracks_leave_out_attached_pictures(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", (SMALL,), 0, cover=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert size_of(path) == SMALL
    assert size_of(path, 0) == SMALL


def test_analyze_track_option_selects_track(model: fitsense.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "film.mkv", (SMALL, LARGE))
    assert list(fitsense.analyze(path, model=model, track=1))[-1].type == "fitsense.session.ended"
    with pytest.raises(fitsense.InvalidInputError, match="track"):
        fitsense.analyze(path, model=model, track=2)
    with pytest.raises(fitsense.InvalidInputError, match="track: expected none for a source of frames"):
        fitsense.analyze([], model=model, track=0)
