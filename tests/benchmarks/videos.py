"""Videos of the benchmarks: rendered people before a textured wall, with the movement of a hand-held camera.

They are rendered once, into a cache folder, with a usual encoding: H.264 with B-frames, at a usual bit rate.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import IDLE
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from fitsense.types import UInt8Array

FOLDER = Path(os.environ.get("FITSENSE_BENCHMARKS") or Path(tempfile.gettempdir()) / "fitsense-benchmarks")
RATE = 30

_VERSION = 2
"""Version of the pictures, part of the names of files."""
# The wall's texture and the sensor's grain, in levels of 255; together they give the bit rate of ordinary videos.
_TEXTURE = 10.0
_GRAIN = 3.0
_GRAINS = 8
# Amplitude of the sway of the camera, in pixels.
_SWAY = 12.0


@attrs.frozen
class BenchmarkVideo:
    """A video file that is rendered on demand.

    :param size: (width, height) in pixels.
    :param loops: number of repetitions of the encoded 15 s.
    """

    size: tuple[int, int]
    loops: int

    @property
    def path(self) -> Path:
        """The file; renders it if it is missing."""
        path = FOLDER / f"{self.size[0]}x{self.size[1]}-{self.loops}-v{_VERSION}.mp4"
        if not path.exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
                made = Path(folder) / "video.mp4"
                if self.loops == 1:
                    _encode(made, self.size)
                else:
                    _repeat(attrs.evolve(self, loops=1).path, made, self.loops)
                made.rename(path)
        return path


FULL_HD = BenchmarkVideo((1920, 1080), 4)
"""A minute, for files."""
FULL_HD_PART = attrs.evolve(FULL_HD, loops=1)
"""A quarter of it, for slow benchmarks."""
HD = BenchmarkVideo((1280, 720), 4)
"""A minute, for streams."""
HD_LONG = attrs.evolve(HD, loops=20)
"""Five minutes, for memory that may grow."""


def about(path: Path) -> str:
    """Describe a video file, in words: size, codec, bit rate and duration."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        b_frames = "B-frames" if stream.codec_context.has_b_frames else "no B-frames"
        assert container.duration is not None
        seconds = container.duration / av.time_base
        megabits = path.stat().st_size * 8 / seconds / 1e6
        size = f"{stream.codec_context.width}x{stream.codec_context.height}"
        codec = stream.codec_context.codec.canonical_name
        return f"{size} {codec} with {b_frames}, {megabits:.1f} Mbit/s, {seconds:.0f} s"


def _filmed(video: FigureVideo) -> Iterator[UInt8Array]:
    """Add the effects of a camera to a rendered video: texture of the wall, sway and grain."""
    random = np.random.default_rng(0)
    width, height = video.size
    margin = round(2 * _SWAY) + 2
    wall = _texture(random, height + margin, width + margin) * _TEXTURE
    grains = [random.normal(0.0, _GRAIN, (height, width)).astype(np.float32) for _ in range(_GRAINS)]
    for index, frame in enumerate(video):
        turn = 2 * np.pi * index / len(video)
        shown = _shifted(wall, _SWAY * (1 + np.sin(2 * turn)), _SWAY * (1 + np.sin(3 * turn)), height, width)
        shown += np.roll(grains[index % _GRAINS], int(random.integers(height)), axis=0)
        yield np.clip(frame.rgb + shown[..., None], 0, 255).astype(np.uint8)


def _texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Noise of several scales, float32 (height, width), of standard deviation 1."""
    total = np.zeros((height, width), np.float32)
    for cell, weight in ((3, 1.0), (8, 1.5), (32, 2.0), (128, 2.0)):
        coarse = random.normal(0.0, weight, (height // cell + 1, width // cell + 1)).astype(np.float32)
        total += coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    return np.asarray(total / total.std(), dtype=np.float32)


def _shifted(wall: NDArray[np.float32], right: float, down: float, height: int, width: int) -> NDArray[np.float32]:
    """A part of `wall`, shifted with subpixel accuracy."""
    row, column = int(down), int(right)
    part = wall[row : row + height + 1, column : column + width + 1]
    part = part[:-1] + np.float32(down - row) * (part[1:] - part[:-1])
    return np.asarray(part[:, :-1] + np.float32(right - column) * (part[:, 1:] - part[:, :-1]))


def _encode(path: Path, size: tuple[int, int]) -> None:
    bouts = (Bout("squat", 5, 2.2), Bout(IDLE, 0, 3.0))
    video = attrs.evolve(sample(), bouts=bouts, size=size, rate_hz=float(RATE))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "medium", "crf": "23"}
        stream.thread_type = "AUTO"
        for picture in _filmed(video):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _repeat(once: Path, path: Path, loops: int) -> None:
    """Write the packets of a file several times."""
    with av.open(str(once)) as source, av.open(str(path), "w") as container:
        stream = source.streams.video[0]
        copied = container.add_stream_from_template(stream)
        packets = list(source.demux(stream))
        assert stream.time_base is not None
        length = round(stream.frames / RATE / stream.time_base)
        for loop in range(loops):
            for packet in packets:
                if packet.pts is None or packet.dts is None:
                    continue
                again = av.Packet(bytes(packet))
                again.pts = packet.pts + loop * length
                again.dts = packet.dts + loop * length
                again.time_base = packet.time_base
                again.duration = packet.duration
                again.is_keyframe = packet.is_keyframe
                again.stream = copied
                container.mux(again)
