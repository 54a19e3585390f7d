"""Files that end before their header says, and files of which only some stream does."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fitsense.synthetic.figures import FigureVideo
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from fitsense.video.wholeness import is_whole
from tests.conftest import encode

SOUND_HZ = 8000


def with_sound(path: Path, video: FigureVideo, sound_s: float, last_s: float | None = None) -> Path:
    """A video with sound of another length; its last picture may last longer than the others."""
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = video.size[0], video.size[1] // 2 * 2, "yuv420p"
        stream.options = {"bf": "0", "tune": "zerolatency"}
        codec = {".webm": "libopus", ".flv": "mp3", ".avi": "pcm_s16le"}.get(path.suffix, "aac")
        rate = {".webm": 48000, ".flv": 44100}.get(path.suffix, SOUND_HZ)
        sound = container.add_stream(codec, rate=rate, layout="mono") if sound_s else None
        for number, frame in enumerate(video):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb[: stream.height]), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            for packet in stream.encode(picture):
                if last_s is not None and number == len(video) - 1:
                    packet.duration = round(last_s / packet.time_base)
                container.mux(packet)
        container.mux(stream.encode(None))
        if sound is not None:
            assert isinstance(sound, av.AudioStream)
            samples = av.AudioFrame.from_ndarray(np.zeros((1, round(rate * sound_s)), np.int16), "s16", "mono")
            samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def trouble_of(path: Path) -> str | None:
    with VideoSource(path, DecodeConfig(short_side=64)) as source:
        assert list(source)
        return None if source.warning is None else source.warning.code


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".flv", ".avi"])
def test_source_with_longer_sound_is_not_truncated(suffix: str, squats: FigureVideo, tmp_path: Path) -> None:
    assert trouble_of(with_sound(tmp_path / f"film{suffix}", squats, 20.0)) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_source_with_long_last_picture_is_not_truncated(suffix: str, squats: FigureVideo, tmp_path: Path) -> None:
    assert trouble_of(with_sound(tmp_path / f"film{suffix}", squats, 0.0, last_s=9.0)) is None


def test_source_intact_with_wrong_duration_is_not_truncated(squats: FigureVideo, tmp_path: Path) -> None:
    """The stated duration is longer than the video where subtitles continue or the last picture of a screen recording
    lasts.
    """
    path = encode(tmp_path / "film.mkv", squats, rate=10)
    lengthened = tmp_path / "long.mkv"
    lengthen(path, lengthened)
    assert trouble_of(lengthened) is None


def lengthen(source: Path, target: Path) -> None:
    """Copy a Matroska file, with a duration of a minute in its header."""
    content = bytearray(source.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", 60_000.0)
    target.write_bytes(content)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("sound_s", [0.0, 20.0])
def test_source_cut_file_is_truncated(suffix: str, sound_s: float, squats: FigureVideo, tmp_path: Path) -> None:
    path = with_sound(tmp_path / f"film{suffix}", squats, sound_s)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert is_whole(io.BytesIO(path.read_bytes())) is False
    assert trouble_of(path) == "source_truncated"


def test_source_without_end_is_truncated(squats: FigureVideo, tmp_path: Path) -> None:
    """A download that reserved its room and broke off: the rest is zeros."""
    path = encode(tmp_path / "film.mkv", squats, rate=10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    assert is_whole(io.BytesIO(path.read_bytes())) is None
    assert trouble_of(path) in ("source_truncated", "source_damaged")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_is_whole_intact_file_is_true(suffix: str, squats: FigureVideo, tmp_path: Path) -> None:
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = encode(tmp_path / f"film{suffix}", squats, codec, rate=10)
    assert is_whole(io.BytesIO(path.read_bytes())) is True


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1a",
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
        b"RIFF\x04\0\0\0AVI ",
        b"RIFF\0\0\0\0AVI " + b"\0" * 20,
        b"\0\0\0\x08ftyp\0\0\0\x04mdat",
        b"\0\0\0\x01ftyp",
        b"\0\0\0\x08ftyp\0\0\0\x08moof",
        b"GIF89a" + b"\0" * 20,
    ],
)
def test_is_whole_other_data_is_none_or_false(content: bytes) -> None:
    assert is_whole(io.BytesIO(content)) is not True or content[4:8] == b"\x04\0\0\0"


def test_is_whole_too_many_parts_is_none() -> None:
    assert is_whole(io.BytesIO(b"\0\0\0\x08ftyp" + b"\0\0\0\x08free" * 30_000)) is None
