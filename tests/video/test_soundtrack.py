"""Sound of a file beside pictures that are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fitsense.events.timeline import Timeline
from fitsense.types import Frame
from fitsense.video.overlay import write_overlay
from fitsense.video.source import VideoSource

RATE_HZ, AUDIO_HZ = 10, 16_000
BEEP_S = (1.0, 1.4)


def record(path: Path, codec: str, *, start_s: float = 0.0, sound_until_s: float = 3.0) -> Path:
    """Three seconds of grey pictures with a beep; the file's times begin at `start_s`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE_HZ)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream(codec, rate=AUDIO_HZ, layout="mono")
        assert isinstance(audio, av.AudioStream)
        for index in range(3 * RATE_HZ):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            picture.pts, picture.time_base = round((start_s + index / RATE_HZ) * 1000), Fraction(1, 1000)
            container.mux(video.encode(picture))
            at_s = np.arange(AUDIO_HZ // RATE_HZ) / AUDIO_HZ + index / RATE_HZ
            if at_s[0] >= sound_until_s:
                continue
            beeps = (BEEP_S[0] <= at_s) & (at_s < BEEP_S[1])
            wave = np.where(beeps, np.sin(2 * np.pi * 800 * at_s), 0.0)
            sound = av.AudioFrame.from_ndarray((wave * 20_000).astype(np.int16)[None], format="s16", layout="mono")
            sound.rate, sound.pts = AUDIO_HZ, round((start_s + index / RATE_HZ) * AUDIO_HZ)
            sound.time_base = Fraction(1, AUDIO_HZ)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def overlay(source: Path, path: Path) -> Path:
    with VideoSource(source) as frames:
        write_overlay(path, frames, Timeline([]), RATE_HZ, sound=source)
    return path


def beep(path: Path) -> tuple[float, float]:
    """Start and end of the beep in seconds."""
    loud: list[float] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", AUDIO_HZ)
        for decoded in container.decode(audio=0):
            for frame in resampler.resample(decoded):
                levels = np.abs(frame.to_ndarray()[0].astype(int))
                assert frame.time is not None
                loud += (frame.time + np.flatnonzero(levels > 8000) / AUDIO_HZ).tolist()
    return min(loud), max(loud)


@pytest.mark.parametrize(
    ("codec", "suffix", "into", "kept"),
    [
        ("aac", ".mp4", ".mp4", "aac"),
        ("aac", ".mkv", ".mov", "aac"),
        ("pcm_s16le", ".avi", ".mp4", "aac"),
        ("flac", ".mkv", ".mkv", "aac"),
        ("mp3", ".mkv", ".mkv", "mp3"),
    ],
)
def test_overlay_keeps_sound_in_time(codec: str, suffix: str, into: str, kept: str, tmp_path: Path) -> None:
    written = overlay(record(tmp_path / f"source{suffix}", codec), tmp_path / f"overlay{into}")
    with av.open(str(written)) as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams.audio] == [kept]
    assert beep(written) == pytest.approx(BEEP_S, abs=0.08)


def test_overlay_sound_starts_with_the_container(tmp_path: Path) -> None:
    source = record(tmp_path / "late.ts", "mp2", start_s=5.0)
    with VideoSource(source) as frames:
        assert next(iter(frames)).time_s < 0.2
    assert beep(overlay(source, tmp_path / "overlay.mp4")) == pytest.approx(BEEP_S, abs=0.12)


def test_overlay_of_a_file_without_sound_has_none(tmp_path: Path) -> None:
    written = overlay(record(tmp_path / "source.mkv", "aac", sound_until_s=0.0), tmp_path / "overlay.mp4")
    with av.open(str(written)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3 * RATE_HZ


def test_overlay_of_fewer_pictures_has_no_more_sound(tmp_path: Path) -> None:
    source = record(tmp_path / "source.mp4", "aac")
    frames: Sequence[Frame] = [Frame(np.zeros((48, 64, 3), np.uint8), index / RATE_HZ) for index in range(RATE_HZ)]
    path = tmp_path / "overlay.mp4"
    write_overlay(path, frames, Timeline([]), RATE_HZ, sound=source)
    with av.open(str(path)) as container:
        assert max(frame.time or 0.0 for frame in container.decode(audio=0)) < 1.3


def test_overlay_damaged_sound_leaves_the_pictures(tmp_path: Path) -> None:
    source = record(tmp_path / "source.mkv", "flac")
    with av.open(str(source)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    content = bytearray(source.read_bytes())
    for position, size in places[len(places) // 2 :]:
        assert position is not None
        content[position + 8 : position + size] = b"\xff" * max(0, size - 8)
    source.write_bytes(bytes(content))
    with VideoSource(source) as frames:
        assert write_overlay(tmp_path / "overlay.mp4", frames, Timeline([]), RATE_HZ, sound=source) == 3 * RATE_HZ
