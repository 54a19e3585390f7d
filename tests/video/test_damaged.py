"""Video files that are cut off, damaged, or made of several."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fitsense
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from tests.conftest import encode
from tests.helpers.video_files import CONTAINERS
from tests.hostile.fields import fields


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_source_truncated_file_gives_frames_and_warns(suffix: str, squats: FigureVideo, tmp_path: Path) -> None:
    codec, pix_fmt = CONTAINERS[suffix]
    # An .mp4 whose index comes first, as those made for the web, can be read as far as it goes.
    path = encode(tmp_path / f"whole{suffix}", squats, codec, pix_fmt, rate=10, options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with VideoSource(path) as source:
        read = list(source)
        assert source.warning is not None
        assert source.warning.code in ("source_truncated", "source_damaged")
    assert 5 < len(read) < len(squats)


def test_source_truncated_between_fragments_gives_frames(squats: FigureVideo, tmp_path: Path) -> None:
    fragmented = {"movflags": "empty_moov", "frag_duration": "1000000"}
    path = encode(tmp_path / "a.mp4", squats, rate=10, options=fragmented)
    content = path.read_bytes()
    headers = [found.start() for found in re.finditer(b"moof", content)]
    assert len(headers) > 3
    for at in (headers[-1] + 20, headers[-1] - 4, headers[-1] - 500):
        path.write_bytes(content[:at])
        with VideoSource(path) as source:
            assert len(list(source)) > len(squats) // 2


def test_source_mp4_without_index_is_refused(squats_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(squats_file.read_bytes()[:2000])
    with pytest.raises(fitsense.SourceError, match="cannot be opened as video"):
        VideoSource(path)


def test_source_damaged_packets_are_left_out(squats: FigureVideo, tmp_path: Path) -> None:
    path = encode(tmp_path / "whole.avi", squats, "mpeg4", rate=10)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(range(250)) * 8
    path.write_bytes(content)
    with VideoSource(path) as source:
        read = list(source)
    assert len(read) > len(squats) // 2
    assert read[-1].time_s > 5


def test_source_damaged_picture_is_left_out(frames: list[Frame], tmp_path: Path) -> None:
    """A .gif's decoder calls that "operation not permitted"."""
    path = encode(tmp_path / "a.gif", frames, "gif", "rgb8", rate=10)
    content = bytearray(path.read_bytes())
    code_sizes = [field for field in fields(bytes(content), ".gif", (320, 182)) if field.subject == "other"]
    assert len(code_sizes) == len(frames)
    code_sizes[15].write(content, 0xFF)
    path.write_bytes(content)
    with VideoSource(path) as source:
        assert len(list(source)) == len(frames) - 1
        assert source.warning is not None
    assert source.warning.message.startswith("1 packet ")


def test_source_late_streams_are_ignored(frames: list[Frame], tmp_path: Path) -> None:
    """Further streams appear in the middle of a file, as in transport streams with other programs."""
    parts = [
        encode(tmp_path / f"{pid}.ts", frames, rate=10, options={"mpegts_start_pid": str(pid)}).read_bytes()
        for pid in range(256, 1256, 100)
    ]
    # Padding, so that they are not among what is looked at in advance, at both ends.
    padding = (b"\x47\x1f\xff\x10" + bytes(184)) * 8_000
    path = tmp_path / "all.ts"
    path.write_bytes(parts[0] + padding + b"".join(parts[1:]) + padding + parts[0])
    with VideoSource(path, DecodeConfig(short_side=64)) as source:
        read = list(source)
        assert source.read_error is None
    assert len(read) == 2 * len(frames)


def test_source_clock_jump_continues_time_and_warns(frames: list[Frame], tmp_path: Path) -> None:
    """Two transport streams, one after the other in one file, as cameras write them."""
    one = encode(tmp_path / "one.ts", frames, rate=10).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(one + one)
    with VideoSource(path) as source:
        times = [frame.time_s for frame in source]
        assert source.warning is not None
    assert "leaps" in source.warning.message
    assert len(times) >= 55
    assert times == sorted(times)
    assert times[-1] == pytest.approx(6.0, abs=0.5)


def test_source_time_out_of_range_keeps_earlier_frames(frames: list[Frame], tmp_path: Path) -> None:
    late = [*frames[:20], Frame(frames[20].rgb, 5e5), *(Frame(f.rgb, 5e5 + f.time_s) for f in frames[21:])]
    path = encode(tmp_path / "leap.mkv", late, rate=10)
    events = list(fitsense.analyze(path))
    assert events[-1].type == "fitsense.session.ended"
    assert "fitsense.session.warning" in [event.type for event in events]
