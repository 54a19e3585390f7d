"""The wire format of protocol buffers: a message as a list of its fields, and back.

It is enough to change single fields of an ONNX graph: whatever else the message contains stays as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import attrs

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

_FIXED = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10


@attrs.frozen
class Field:
    """A field of a message.

    :param number: the field's number.
    :param kind: its wire type.
    :param value: an unsigned int of a varint, else the bytes.
    """

    number: int
    kind: int
    value: int | bytes

    @property
    def content(self) -> bytes:
        """The bytes of a string, of bytes, or of a message.

        :raises ValueError: the field is a number.
        """
        if not isinstance(self.value, bytes) or self.kind != BYTES:
            raise ValueError(f"field {self.number}: expected bytes, got a number")
        return self.value

    @property
    def text(self) -> str:
        """A string."""
        return self.content.decode("utf-8")


def parse(message: bytes) -> list[Field]:
    """Fields of a message, in their order.

    :raises ValueError: the bytes are no message.
    """
    fields, at = [], 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(message, at)
        elif kind in (BYTES, *_FIXED):
            size = _FIXED.get(kind)
            if size is None:
                size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError(f"field {number}: expected {size} bytes, got {len(message) - at}")
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(
                f"field {number}: expected a wire type of {VARINT}, {FIXED64}, {BYTES}, {FIXED32}, got {kind}"
            )
        fields.append(Field(number, kind, value))
    return fields


def serialise(fields: Iterable[Field]) -> bytes:
    """The message of some fields."""
    parts = []
    for field in fields:
        parts.append(_to_varint(field.number << 3 | field.kind))
        if isinstance(field.value, int):
            parts.append(_to_varint(field.value))
        else:
            parts += [_to_varint(len(field.value))] if field.kind == BYTES else []
            parts.append(field.value)
    return b"".join(parts)


def integer(number: int, value: int) -> Field:
    """A field with an int64."""
    return Field(number, VARINT, value & (1 << 64) - 1)


def text(number: int, value: str) -> Field:
    """A field with a string."""
    return Field(number, BYTES, value.encode("utf-8"))


def message(number: int, fields: Iterable[Field]) -> Field:
    """A field with a message."""
    return Field(number, BYTES, serialise(fields))


def integers(fields: Iterable[Field], number: int) -> list[int]:
    """The int64 values of a repeated field, packed or not."""
    values: list[int] = []
    for field in fields:
        if field.number != number:
            continue
        if isinstance(field.value, int):
            values.append(_signed(field.value))
            continue
        at = 0
        while at < len(field.value):
            value, at = _varint(field.value, at)
            values.append(_signed(value))
    return values


def packed(number: int, values: Sequence[int]) -> Field:
    """A repeated field of int64 values, packed."""
    return Field(number, BYTES, b"".join(_to_varint(value & (1 << 64) - 1) for value in values))


def int64s(raw: bytes) -> list[int]:
    """The int64 values of little-endian bytes."""
    return list(struct.unpack(f"<{len(raw) // 8}q", raw))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The varint at a position, and the position after it."""
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= len(message):
            raise ValueError("the message ends within a number")
        byte = message[at]
        value |= (byte & 0x7F) << (7 * shift)
        at += 1
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise ValueError(f"a number has more than {_MAX_VARINT_BYTES} bytes")


def _to_varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
