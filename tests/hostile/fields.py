"""Offsets of the numeric fields in a file's headers, which the generator falsifies."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import attrs

Subject = Literal["size", "clock", "table", "picture", "other"]
SUBJECTS: tuple[Subject, ...] = ("size", "clock", "table", "picture", "other")

_MIN_MP4 = 8
_MP4_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf", b"udta"}
_MP4_SUBJECTS: Mapping[bytes, Subject] = {
    **dict.fromkeys((b"mvhd", b"mdhd", b"stts", b"elst", b"ctts", b"tfdt", b"mehd"), "clock"),
    **dict.fromkeys((b"stsz", b"stco", b"stsc", b"stss", b"trun", b"tfhd", b"trex", b"mfro", b"tfra"), "table"),
    **dict.fromkeys((b"tkhd", b"stsd"), "picture"),
}
_EBML_PARENTS = {
    0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x55B0,
    0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7,
}  # fmt: skip
_EBML_BLOCKS = {0xA3, 0xA1}
_EBML_SUBJECTS: Mapping[int, Subject] = {
    **dict.fromkeys((0x2AD7B1, 0x4489, 0xE7, 0x23E383, 0x9B, 0xB3), "clock"),
    **dict.fromkeys((0x53AC, 0xF1, 0xF7, 0xD7, 0x83), "table"),
    **dict.fromkeys((0xB0, 0xBA, 0x54B0, 0x54BA, 0x54AA, 0x54BB, 0x54B2), "picture"),
}
_AVI_SUBJECTS: Mapping[bytes, Subject] = {b"avih": "clock", b"strh": "clock", b"strf": "picture", b"idx1": "table"}
_TS_PACKET = 188
# An .avi's index and an .mp4's sample tables are long; the first words say the most.
_MAX_WORDS = 24


@attrs.frozen
class Field:
    """A number in a file.

    :param subject: what it is about.
    :param at: its first bit, counted from the file's start.
    :param bits: how many it has.
    :param little: whether its bytes come least first; they are then whole bytes.
    """

    subject: Subject
    at: int
    bits: int
    little: bool = False

    def read(self, content: bytes | bytearray) -> int:
        """The number."""
        first, last = self.at // 8, -(-(self.at + self.bits) // 8)
        if self.little:
            return int.from_bytes(content[first:last], "little")
        behind = last * 8 - self.at - self.bits
        return int.from_bytes(content[first:last], "big") >> behind & (1 << self.bits) - 1

    def write(self, content: bytearray, value: int) -> None:
        """Put another number there, without what does not fit."""
        first, last = self.at // 8, -(-(self.at + self.bits) // 8)
        value &= (1 << self.bits) - 1
        if self.little:
            content[first:last] = value.to_bytes(last - first, "little")
            return
        behind = last * 8 - self.at - self.bits
        around = int.from_bytes(content[first:last], "big") & ~(((1 << self.bits) - 1) << behind)
        content[first:last] = (around | value << behind).to_bytes(last - first, "big")


def fields(content: bytes, suffix: str, size: tuple[int, int]) -> list[Field]:
    """The numbers of an undamaged file.

    :param suffix: the file's, such as ``.mp4``.
    :param size: width and height of its pictures, to be found where the codec keeps them.
    """
    found = list(_READERS[suffix](content))
    return [*found, *_sizes_in_codecs(content, size)]


def _bytes(subject: Subject, at: int, length: int, little: bool = False) -> Field:
    return Field(subject, at * 8, length * 8, little)


def _mp4(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    end = len(content) if end is None else end
    while start + _MIN_MP4 <= end:
        length, name = struct.unpack_from(">I4s", content, start)
        if length < _MIN_MP4 or start + length > end:
            return
        yield _bytes("size", start, 4)
        if name in _MP4_PARENTS:
            yield from _mp4(content, start + 8, start + length)
        elif name == b"stsd":
            yield from _sample_description(content, start, length)
        elif name != b"mdat":
            subject = _MP4_SUBJECTS.get(name, "other")
            for at in range(start + 8, min(start + length - 3, start + 8 + 4 * _MAX_WORDS), 4):
                yield _bytes(subject, at, 4)
        start += length


def _sample_description(content: bytes, start: int, length: int) -> Iterator[Field]:
    """Its count, the entry's size, the picture's size, and the configuration of the codec."""
    yield _bytes("table", start + 12, 4)
    yield _bytes("size", start + 16, 4)
    yield from (_bytes("picture", start + 16 + at, 2) for at in (32, 34, 82))
    for at in range(start + 16 + 86, min(start + length, start + 16 + 86 + 4 * _MAX_WORDS)):
        yield _bytes("other", at, 1)


def _mkv(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    end = len(content) if end is None else end
    while start < end:
        id_length = _vint_length(content[start])
        name = int.from_bytes(content[start : start + id_length], "big")
        at = start + id_length
        if at >= end:
            return
        size_length = _vint_length(content[at])
        length = int.from_bytes(content[at : at + size_length], "big") & (1 << 7 * size_length) - 1
        inside = at + size_length
        yield _bytes("size", at, size_length)
        if name in _EBML_PARENTS:
            yield from _mkv(content, inside, min(end, inside + length))
        elif name in _EBML_BLOCKS:
            yield _bytes("clock", inside + 1, 2)
            yield _bytes("table", inside + 3, 1)
        elif 0 < length <= 8:
            yield _bytes(_EBML_SUBJECTS.get(name, "other"), inside, length)
        start = inside + length


def _vint_length(first: int) -> int:
    return 9 - first.bit_length() if first else 8


def _avi(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    end = len(content) if end is None else end
    while start + 8 <= end:
        name, length = struct.unpack_from("<4sI", content, start)
        yield _bytes("size", start + 4, 4, little=True)
        if name in (b"RIFF", b"LIST"):
            yield from _avi(content, start + 12, min(end, start + 8 + length))
        elif name in _AVI_SUBJECTS:
            for at in range(start + 8, min(start + 8 + length - 3, start + 8 + 4 * _MAX_WORDS), 4):
                yield _bytes(_AVI_SUBJECTS[name], at, 4, little=True)
        start += 8 + length + length % 2


def _gif(content: bytes) -> Iterator[Field]:
    yield from (_bytes("picture", at, 2, little=True) for at in (6, 8))
    yield _bytes("table", 10, 1)
    at = 13 + _colours(content[10])
    while at < len(content):
        if content[at] == 0x21:
            if content[at + 1] == 0xF9:
                yield _bytes("clock", at + 4, 2, little=True)
            at += 2
        elif content[at] == 0x2C:
            yield from (_bytes("picture", at + offset, 2, little=True) for offset in (1, 3, 5, 7))
            yield _bytes("table", at + 9, 1)
            at += 10 + _colours(content[at + 9])
            yield _bytes("other", at, 1)
            at += 1
        else:
            return
        while content[at]:
            yield _bytes("size", at, 1)
            at += content[at] + 1
        at += 1


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _ts(content: bytes) -> Iterator[Field]:
    for start in range(0, len(content), _TS_PACKET):
        yield Field("table", start * 8 + 11, 13)
        yield _bytes("other", start + 3, 1)
        payload = start + 4
        if content[start + 3] & 0x20:
            yield _bytes("size", start + 4, 1)
            if content[start + 4] and content[start + 5] & 0x10:
                yield Field("clock", (start + 6) * 8, 33)
            payload += 1 + content[start + 4]
        if not content[start + 1] & 0x40:
            continue
        if content[payload : payload + 3] == b"\0\0\1":
            yield _bytes("size", payload + 4, 2)
            yield _bytes("clock", payload + 9, 5)
        elif content[payload] == 0:
            yield Field("size", (payload + 2) * 8 + 4, 12)
            yield from (_bytes("table", at, 1) for at in range(payload + 9, payload + 22))


def _sizes_in_codecs(content: bytes, size: tuple[int, int]) -> Iterator[Field]:
    """Width and height as VP8, VP9, JPEG, MPEG-4 and MPEG-2 write them into their own headers."""
    width, height = size
    for found in re.finditer(rb"\x9d\x01\x2a", content):
        yield from (_bytes("picture", found.end() + offset, 2, little=True) for offset in (0, 2))
    for found in re.finditer(rb"\x49\x83\x42", content):
        yield from (Field("picture", found.end() * 8 + offset, 16) for offset in (4, 20))
    for found in re.finditer(rb"\xff\xc0\x00\x11\x08", content):
        yield from (_bytes("picture", found.end() + offset, 2) for offset in (0, 2))
    for found in re.finditer(rb"\x00\x00\x01\xb3", content):
        yield from (Field("picture", found.end() * 8 + offset, 12) for offset in (0, 12))
    sought = f"1{width:013b}1{height:013b}1"
    for layer in re.finditer(rb"\x00\x00\x01\x20", content):
        header = "".join(f"{byte:08b}" for byte in content[layer.end() : layer.end() + 40])
        if (at := header.find(sought)) >= 0:
            yield from (Field("picture", layer.end() * 8 + at + offset, 13) for offset in (1, 15))


_READERS: Mapping[str, Callable[[bytes], Iterator[Field]]] = {
    ".mp4": _mp4,
    ".mov": _mp4,
    ".mkv": _mkv,
    ".webm": _mkv,
    ".avi": _avi,
    ".gif": _gif,
    ".ts": _ts,
}
