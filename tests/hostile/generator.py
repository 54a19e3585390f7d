"""Damaged and falsified video files, each reproducible from a seed video, a kind of damage and a number.

The seed videos are rendered figures, encoded by one thread, so that the same PyAV gives the same bytes.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path, PurePath

import attrs
import av
import numpy as np
from numpy.random import Generator

from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import UInt8Array
from tests.hostile.fields import SUBJECTS, Field, Subject, fields

SIZE = (96, 64)
"""Width and height of the seed videos' pictures."""
# Of 1/25 s, from picture to picture.
_TICKS = 3
_HEADER = 512
# H.264's sequence parameter set, up to what follows it in a transport stream or in an .mp4's header. The picture's size
# is in numbers of no fixed length, so that all of it is replaced.
_H264_HEADER = re.compile(rb"\x67\x64\x00[\s\S]{5,60}?(?=\x00\x00\x01|\x00\x00\x00\x01|\x01\x00.\x68)")
# Values at the limits of integer types.
_ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 62)


@attrs.frozen
class Recipe:
    """Encoding of a seed video.

    :param options: the container's.
    """

    codec: str
    pix_fmt: str
    options: Mapping[str, str] = attrs.field(factory=dict)


SEEDS: Mapping[str, Recipe] = {
    "h264.mp4": Recipe("libx264", "yuv420p"),
    "fragments.mp4": Recipe("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "hevc.mov": Recipe("libx265", "yuv420p", {"movflags": "faststart"}),
    "mjpeg.mov": Recipe("mjpeg", "yuvj420p"),
    "h264.mkv": Recipe("libx264", "yuv420p"),
    "ffv1.mkv": Recipe("ffv1", "yuv420p"),
    "mpeg4.avi": Recipe("mpeg4", "yuv420p"),
    "mjpeg.avi": Recipe("mjpeg", "yuvj420p"),
    "vp8.webm": Recipe("libvpx", "yuv420p"),
    "vp9.webm": Recipe("libvpx-vp9", "yuv420p"),
    "figure.gif": Recipe("gif", "rgb8"),
    "h264.ts": Recipe("libx264", "yuv420p"),
    "mpeg2.ts": Recipe("mpeg2video", "yuv420p"),
}
"""By name; the suffix is the damaged files'."""


@attrs.frozen
class Case:
    """A hostile file.

    :param video: one of :data:`SEEDS`.
    :param kind: one of :data:`KINDS`.
    :param seed: of the damage.
    """

    video: str
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.video} {self.kind} {self.seed}"

    @classmethod
    def numbered(cls, number: int) -> Case:
        """The case of a number: all kinds of all seed videos take turns."""
        videos, kinds = list(SEEDS), list(KINDS)
        return cls(videos[number % len(videos)], kinds[number // len(videos) % len(kinds)], number)

    @property
    def suffix(self) -> str:
        """The file's, such as ``.mp4``."""
        return PurePath(self.video).suffix

    def content(self) -> bytes:
        """The file's bytes."""
        return KINDS[self.kind](self, np.random.default_rng(self.seed))


@functools.cache
def whole(video: str) -> bytes:
    """A seed video, undamaged."""
    recipe, clock = SEEDS[video], Fraction(1, 25)
    options = {"fflags": "+bitexact", **recipe.options}
    private = {"x265-params": "log-level=none:pools=none:frame-threads=1"} if recipe.codec == "libx265" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / video
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(recipe.codec, rate=25, options=private)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = SIZE
            stream.pix_fmt = recipe.pix_fmt
            stream.codec_context.time_base = clock
            stream.codec_context.gop_size = 12
            stream.codec_context.thread_count = 1
            for number, frame in enumerate(_figure()):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts, picture.time_base = _TICKS * number, clock
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path.read_bytes()


@functools.cache
def _figure() -> list[UInt8Array]:
    video = FigureVideo(bouts=(Bout("squat", 3, 1.5),), size=SIZE, rate_hz=10.0, seed=3)
    return [np.ascontiguousarray(frame.rgb) for frame in video]


def _flips(case: Case, random: Generator) -> bytes:
    """Flip one to 64 bits, half of them near an end of the file, where headers are."""
    content = bytearray(whole(case.video))
    for _ in range(2 ** int(random.integers(0, 7))):
        content[_place(random, len(content))] ^= 1 << int(random.integers(8))
    return bytes(content)


def _odd_bytes(case: Case, random: Generator) -> bytes:
    """A few bytes near an end become ones that programs forget."""
    content = bytearray(whole(case.video))
    for _ in range(int(random.integers(1, 9))):
        at, length = _place(random, len(content), always=True), int(random.choice([1, 2, 4]))
        content[at : at + length] = bytes([int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))]) * length
    return bytes(content)


def _place(random: Generator, length: int, *, always: bool = False) -> int:
    """An offset; of those near an end of the file, if `always`, else half the time."""
    if not always and random.random() < 0.5:
        return int(random.integers(length))
    near = int(random.integers(min(_HEADER, length)))
    return near if random.random() < 0.5 else length - 1 - near


def _chunk(random: Generator, length: int) -> slice:
    """From a few bytes to a third of the file."""
    size = int(min(length / 3, 2 ** random.uniform(2, np.log2(length))))
    start = int(random.integers(length - size))
    return slice(start, start + size)


def _truncated(case: Case, random: Generator) -> bytes:
    content = whole(case.video)
    return content[: int(random.integers(1, len(content)))]


def _cut(case: Case, random: Generator) -> bytes:
    """Without a chunk."""
    content = bytearray(whole(case.video))
    del content[_chunk(random, len(content))]
    return bytes(content)


def _repeated(case: Case, random: Generator) -> bytes:
    """With a chunk up to sixty-four times."""
    content = bytearray(whole(case.video))
    chunk = _chunk(random, len(content))
    content[chunk] = content[chunk] * 2 ** int(random.integers(1, 7))
    return bytes(content)


def _moved(case: Case, random: Generator) -> bytes:
    """With a chunk somewhere else."""
    content = bytearray(whole(case.video))
    chunk = _chunk(random, len(content))
    moved = content[chunk]
    del content[chunk]
    at = int(random.integers(len(content)))
    content[at:at] = moved
    return bytes(content)


def _noise(case: Case, random: Generator) -> bytes:
    """A chunk becomes noise, or nothing but zeros."""
    content = bytearray(whole(case.video))
    chunk = _chunk(random, len(content))
    length = chunk.stop - chunk.start
    content[chunk] = random.bytes(length) if random.random() < 0.7 else bytes(length)
    return bytes(content)


def _spliced(case: Case, random: Generator) -> bytes:
    """The beginning of this video and the end of another, each cut anywhere."""
    one, other = whole(case.video), whole(str(random.choice(list(SEEDS))))
    return one[: int(random.integers(1, len(one)))] + other[int(random.integers(len(other))) :]


def _joined(case: Case, random: Generator) -> bytes:
    """Several times the same file, and perhaps another."""
    other = whole(str(random.choice(list(SEEDS))))
    return whole(case.video) * int(random.integers(1, 4)) + other


def _lying_about(subject: Subject | None, case: Case, random: Generator) -> bytes:
    """Replace one to four numbers of a subject, or of any, by invalid ones."""
    content = bytearray(whole(case.video))
    among = _fields(case.video, subject) or _fields(case.video, None)
    for _ in range(int(random.choice([1, 1, 2, 4]))):
        field = among[int(random.integers(len(among)))]
        value = field.read(content)
        match int(random.integers(4)):
            case 0:
                value += int(random.integers(-3, 4))
            case 1:
                value = (1 << int(random.integers(field.bits + 1))) - 1
            case 2:
                value = int.from_bytes(random.bytes(8), "big")
            case _:
                value = _ODD[int(random.integers(len(_ODD)))]
        field.write(content, value)
    return bytes(content)


def _giant(case: Case, random: Generator) -> bytes:
    """Wherever the picture's size is written, there is another one, mostly an absurd one."""
    content = bytearray(whole(case.video))
    sizes = [2 ** random.uniform(6, 16) for _ in range(2)]
    # Squares, as long pictures are soon refused.
    width, height = (int(side) for side in (sizes if random.random() < 0.3 else sizes[:1] * 2))
    for field in _fields(case.video, "picture"):
        value = field.read(content)
        if field.bits > 8 and value in (SIZE[0], SIZE[0] - 1):
            field.write(content, width)
        elif field.bits > 8 and value in (SIZE[1], SIZE[1] - 1):
            field.write(content, height)
    made = parameter_set(-(-width // 16), -(-height // 16))
    for found in re.finditer(_H264_HEADER, content):
        length = found.end() - found.start()
        content[found.start() : found.end()] = made[:length].ljust(length, b"\0")
    return bytes(content)


@functools.cache
def _fields(video: str, subject: Subject | None) -> list[Field]:
    found = fields(whole(video), PurePath(video).suffix, SIZE)
    return [field for field in found if subject in (None, field.subject)]


def parameter_set(width: int, height: int) -> bytes:
    """An H.264 sequence parameter set with the given numbers of macroblocks (16 x 16 pixels) across and down."""
    exp_golomb = [0, 1, 0, 0]
    bits = "".join(map(_exp_golomb, exp_golomb)) + "00" + "".join(map(_exp_golomb, [0, 0, 2, 4])) + "0"
    bits += _exp_golomb(width - 1) + _exp_golomb(height - 1) + "11001"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    payload = bytes([0x64, 0, 62]) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return b"\x67" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def _exp_golomb(value: int) -> str:
    binary = f"{value + 1:b}"
    return "0" * (len(binary) - 1) + binary


KINDS: Mapping[str, Callable[[Case, Generator], bytes]] = {
    "flips": _flips,
    "odd-bytes": _odd_bytes,
    "truncated": _truncated,
    "cut": _cut,
    "repeated": _repeated,
    "moved": _moved,
    "noise": _noise,
    "spliced": _spliced,
    "joined": _joined,
    "lies": functools.partial(_lying_about, None),
    "giant": _giant,
    **{f"lies-{subject}": functools.partial(_lying_about, subject) for subject in SUBJECTS if subject != "other"},
}
"""The kinds of damage, by name."""
