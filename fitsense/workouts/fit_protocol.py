"""An encoder of the FIT binary protocol: header, definitions, messages, checksum.

Little endian. A definition precedes the first message of a kind, and each message whose strings have other lengths.
Protocol version 1.0, without compressed timestamps and developer fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import attrs

from fitsense.errors import InvalidInputError

Value = int | float | str | None

_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
# Smaller timestamps are relative to the start of a device.
_FIRST_TIME = 0x10000000

_PROTOCOL_VERSION = 0x10
_PROFILE_VERSION = 21171
_HEADER = struct.Struct("<BBHI4s")
_MAX_STRING_BYTES = 254


@attrs.frozen
class BaseType:
    """A base type of FIT.

    :param code: number of the base type.
    :param format: format of :mod:`struct`; empty for text.
    :param invalid: value that means no value.
    """

    code: int
    format: str
    invalid: int


ENUM = BaseType(0x00, "B", 0xFF)
UINT8 = BaseType(0x02, "B", 0xFF)
UINT16 = BaseType(0x84, "H", 0xFFFF)
UINT32 = BaseType(0x86, "I", 0xFFFFFFFF)
STRING = BaseType(0x07, "", 0)


@attrs.frozen
class Field:
    """A field of a message: its number, its base type, and the factor between a value and the stored integer."""

    number: int
    type: BaseType
    scale: int = 1


@attrs.frozen
class Kind:
    """A kind of message: its name, number, and fields by name."""

    name: str
    number: int
    fields: Mapping[str, Field]


@attrs.frozen
class Message:
    """A message; fields without an entry have no value."""

    kind: Kind
    values: Mapping[str, Value]


def fit_time(time: datetime) -> int:
    """Seconds since FIT's epoch, rounded.

    :raises InvalidInputError: the time is outside FIT's range, 1998 to 2126.
    """
    seconds = round((time - _EPOCH).total_seconds())
    if not _FIRST_TIME <= seconds < UINT32.invalid:
        raise InvalidInputError(f"FIT: expected a time from 1998 to 2126, got {time.isoformat()}")
    return seconds


def encode(messages: Iterable[Message]) -> bytes:
    """Encode a FIT file with at most 16 kinds of message.

    :raises InvalidInputError: a value is out of range of its field.
    """
    definitions: dict[str, bytes] = {}
    body = bytearray()
    for message in messages:
        kind = message.kind
        stored = {name: _stored(kind, name, message.values.get(name)) for name in kind.fields}
        shape = b"".join(
            bytes((field.number, len(stored[name]), field.type.code)) for name, field in kind.fields.items()
        )
        local = list(definitions).index(kind.name) if kind.name in definitions else len(definitions)
        if definitions.get(kind.name) != shape:
            definitions[kind.name] = shape
            body += struct.pack("<BBBHB", 0x40 | local, 0, 0, kind.number, len(kind.fields)) + shape
        body += bytes((local,)) + b"".join(stored.values())
    header = _HEADER.pack(_HEADER.size + 2, _PROTOCOL_VERSION, _PROFILE_VERSION, len(body), b".FIT")
    content = header + struct.pack("<H", crc16(header)) + body
    return content + struct.pack("<H", crc16(content))


def crc16(content: bytes) -> int:
    """The checksum of FIT, CRC-16/ARC."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def _stored(kind: Kind, name: str, value: Value) -> bytes:
    field = kind.fields[name]
    if field.type is STRING:
        # Truncate between characters.
        text = str(value or "").replace("\0", "").encode("utf-8", errors="replace")[:_MAX_STRING_BYTES]
        return text.decode("utf-8", errors="ignore").encode("utf-8") + b"\0"
    if value is None:
        number = field.type.invalid
    else:
        assert not isinstance(value, str)
        number = round(value * field.scale)
        if not 0 <= number < field.type.invalid:
            maximum = (field.type.invalid - 1) / field.scale
            raise InvalidInputError(f"FIT: {kind.name}.{name}: expected 0 to {maximum:g}, got {value!r}")
    return struct.pack("<" + field.type.format, number)
