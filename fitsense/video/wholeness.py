"""Completeness of files, by the structure of their containers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

# A file of an hour has some thousand parts at its top level; a hostile one may have millions.
_MAX_PARTS = 20_000
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
# Elements of a Matroska segment: SeekHead, Info, Cluster, Tracks, Cues, Attachments, Chapters, Tags, Void, CRC-32.
_MATROSKA_PARTS = {
    0x114D9B74,
    0x1549A966,
    0x1F43B675,
    0x1654AE6B,
    0x1C53BB6B,
    0x1941A469,
    0x1043A770,
    0x1254C367,
    0xEC,
    0xBF,
}


class SeekableFile(Protocol):
    """A binary file that can seek."""

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset; return the position from the beginning."""

    def tell(self) -> int:
        """Current position."""


# Reads a part's header and returns the end of the part; None for an invalid header.
_Header = Callable[[SeekableFile], int | None]


def is_whole(file: SeekableFile) -> bool | None:
    """True if nothing is missing at the end of an ISO base media, Matroska or AVI file.

    :param file: the file; its position changes.
    :returns: None if the container does not say: for fragmented files, unknown sizes, and other containers.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _walk(file, size, _box)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _walk_avi(file, size)
    if head[:4] == _EBML.to_bytes(4, "big"):
        return _walk_matroska(file, size)
    return None


def _walk(file: SeekableFile, end: int, header: _Header) -> bool | None:
    """True if consecutive parts end where the file does."""
    for _ in range(_MAX_PARTS):
        at = file.tell()
        if at >= end:
            return at == end
        until = header(file)
        if until is None:
            return None
        if until > end:
            return False
        file.seek(until)
    return None


def _box(file: SeekableFile) -> int | None:
    at = file.tell()
    header = file.read(16)
    length, kind = int.from_bytes(header[:4], "big"), header[4:8]
    if not (len(kind) == 4 and kind.isalnum()) or kind == b"moof":
        return None
    if length == 0:
        return file.seek(0, os.SEEK_END)
    if length == 1:
        length = int.from_bytes(header[8:16], "big")
    return at + length if length >= 8 else None


def _chunk(file: SeekableFile) -> int | None:
    at = file.tell()
    header = file.read(8)
    length, kind = int.from_bytes(header[4:8], "little"), header[:4]
    return at + 8 + length + length % 2 if len(header) == 8 and kind.isalnum() else None


def _walk_avi(file: SeekableFile, size: int) -> bool | None:
    """Check an .avi: one or more RIFF chunks, each with lists."""
    while (at := file.tell()) < size:
        until = _chunk(file)
        if until is None:
            return None
        if until > size + 1:
            return False
        file.seek(at + 12)
        if (whole := _walk(file, min(until, size), _chunk)) is not True:
            return whole
    return True


def _walk_matroska(file: SeekableFile, size: int) -> bool | None:
    header = _element(file)
    if header is None or header[1] is None:
        return None
    file.seek(header[1])
    segment = _element(file)
    if segment is None or segment[0] != _SEGMENT or segment[1] is None:
        return None
    return False if segment[1] > size else _walk(file, segment[1], _matroska_part)


def _matroska_part(file: SeekableFile) -> int | None:
    element = _element(file)
    return None if element is None or element[0] not in _MATROSKA_PARTS else element[1]


def _element(file: SeekableFile) -> tuple[int, int | None] | None:
    """Read an EBML element's header: its identity, and its end or None if unknown. Moves to the content."""
    first = file.read(1)
    identity_bytes = 9 - first[0].bit_length() if first else 9
    if identity_bytes > 4:
        return None
    identity = int.from_bytes(first + file.read(identity_bytes - 1), "big")
    first = file.read(1)
    length_bytes = 9 - first[0].bit_length() if first else 9
    if length_bytes > 8:
        return None
    value = int.from_bytes(first + file.read(length_bytes - 1), "big")
    length = value & ((1 << 7 * length_bytes) - 1)
    unknown = length == (1 << 7 * length_bytes) - 1
    return identity, None if unknown else file.tell() + length
