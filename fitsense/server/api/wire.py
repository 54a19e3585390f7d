"""Binary WebSocket messages: a header of ten bytes and an encoded picture.

::

    byte   0       1        2 … 9                10 …
           version format   timestamp            picture
           uint8   uint8    int64, big-endian
           1       see      microseconds of
                   Format   media time
"""

from __future__ import annotations

import enum
import struct

import attrs

from fitsense.errors import InvalidInputError
from fitsense.types import MAX_SECONDS

VERSION = 1
_HEADER = struct.Struct("!BBq")
HEADER_BYTES = _HEADER.size


class Format(enum.IntEnum):
    """Encoding of a picture."""

    IMAGE = 1
    """A whole JPEG or WebP file."""
    H264 = 2
    """One access unit as an Annex B byte stream, parameter sets before each key frame."""
    VP8 = 3
    """One frame, as WebRTC and WebCodecs produce it."""


@attrs.frozen
class Message:
    """A parsed message.

    :param time_s: presentation time in seconds of media time.
    :param content: the encoded picture.
    """

    format: Format
    time_s: float
    content: bytes


def parse(data: bytes) -> Message:
    """Parse a message.

    :raises InvalidInputError: the message is too short, of another version or format, or its time is out of range.
    """
    if len(data) <= HEADER_BYTES:
        raise InvalidInputError(
            f"message: expected a header of {HEADER_BYTES} bytes and a picture, got {len(data)} bytes"
        )
    version, number, microseconds = _HEADER.unpack_from(data)
    if version != VERSION:
        raise InvalidInputError(f"message: expected version {VERSION}, got {version}")
    try:
        format = Format(number)
    except ValueError:
        known = ", ".join(f"{one.value} ({one.name})" for one in Format)
        raise InvalidInputError(f"message: expected a format of {known}, got {number}") from None
    time_s = microseconds / 1e6
    if abs(time_s) > MAX_SECONDS:
        raise InvalidInputError(f"message: expected a timestamp within {MAX_SECONDS:.0e} s, got {time_s:.0f} s")
    return Message(format, time_s, data[HEADER_BYTES:])


def pack(format: Format, time_s: float, content: bytes) -> bytes:
    """Build a message that :func:`parse` reads."""
    return _HEADER.pack(VERSION, format, round(time_s * 1e6)) + content
