"""Checks untrusted still images before they are decoded, and removes parts that are expensive to parse.

A scan of a JPEG covers the whole picture, however short it is: 200 KB of scans took 19 s. Pillow reads segments and
EXIF in Python, and each of 60,000 entries of an EXIF block may refer to all of its data. So the decoder receives only
the parts that the pixels need, and the orientation is read here.
"""

from __future__ import annotations

import re
import struct

import attrs

from fitsense.errors import InvalidInputError

MAX_SCANS = 32
"""Largest number of scans in a JPEG. Encoders write 1, or about 10 for progressive files."""
MAX_PARTS = 1024
"""Largest number of segments in a JPEG, and of chunks in a WebP file."""

# A marker other than those within the data of a scan: stuffing (00), TEM (01), restarts (D0 to D7), padding (FF).
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
# SOF0 to SOF15, except DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Tables, frames, scans, restart intervals, and the two segments that define the colour space (JFIF, Adobe).
_NEEDED = frozenset(range(0xC0, 0xD0)) | {0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xEE}
_EXIF_HEADER = b"Exif\0\0"
_ORIENTATION, _SHORT = 0x0112, 3
_ORIENTATIONS = range(1, 9)
_VP8X_ANIMATION = 0x02
_VP8_START, _VP8L_SIGNATURE = b"\x9d\x01\x2a", 0x2F
_WEBP_SIDE = 0x3FFF


@attrs.frozen
class StillImage:
    """A checked image.

    :param content: the file, reduced to the parts that the pixels need.
    :param width: width in pixels, as stored.
    :param height: height in pixels, as stored.
    :param orientation: EXIF orientation, 1 to 8.
    """

    content: bytes
    width: int
    height: int
    orientation: int


def read_still_image(content: bytes) -> StillImage:
    """Check a JPEG or WebP file without decoding it.

    :raises InvalidInputError: the file has another format, is animated or damaged, or has more parts than an encoder
        writes.
    """
    try:
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError) as error:
        raise InvalidInputError("expected a whole JPEG or WebP file, got one that ends within its header") from error
    raise InvalidInputError(f"expected a JPEG or WebP file, got what cannot be decoded: {content[:12]!r}")


def _jpeg(content: bytes) -> StillImage:
    kept = [b"\xff\xd8"]
    size: tuple[int, int] | None = None
    orientation = 1
    scans = 0
    at = 2
    for _ in range(MAX_PARTS):
        marker = _MARKER.search(content, at)
        if scans:
            kept.append(content[at : marker.start() if marker else len(content)])
        if marker is None:
            break
        if marker[1][0] == _END:
            kept.append(content[marker.start() : marker.end()])
            break
        code, start = marker[1][0], marker.start()
        if code == _START:
            at = marker.end()
            continue
        (length,) = struct.unpack_from(">H", content, start + 2)
        at = start + 2 + length
        if code in _FRAMES:
            height, width = struct.unpack_from(">HH", content, start + 5)
            size = max(size or (0, 0), (width, height), key=lambda size: size[0] * size[1])
        elif code == _EXIF and content.startswith(_EXIF_HEADER, start + 4):
            orientation = _orientation(content[start + 4 + len(_EXIF_HEADER) : at])
        elif code == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise InvalidInputError(f"expected a JPEG of at most {MAX_SCANS} scans, got more; save it as baseline")
        if code in _NEEDED:
            kept.append(content[start:at])
    else:
        raise InvalidInputError(f"expected a JPEG of at most {MAX_PARTS} segments, got more")
    if size is None or not scans:
        raise InvalidInputError("expected a whole JPEG, got one without a picture; it cannot be decoded")
    return StillImage(b"".join(kept), *size, orientation)


def _webp(content: bytes) -> StillImage:
    image: bytes | None = None
    size = (0, 0)
    orientation = 1
    at = 12
    for _ in range(MAX_PARTS):
        if at + 8 > len(content):
            break
        name, length = struct.unpack_from("<4sI", content, at)
        payload = content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if (name == b"VP8X" and payload[0] & _VP8X_ANIMATION) or name in (b"ANIM", b"ANMF"):
            raise InvalidInputError("expected a WebP file of one picture, got an animation; send its pictures")
        if name in (b"VP8 ", b"VP8L") and image is None:
            size = _lossy_size(payload) if name == b"VP8 " else _lossless_size(payload)
            image = name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
        elif name == b"EXIF":
            orientation = _orientation(payload.removeprefix(_EXIF_HEADER))
    else:
        raise InvalidInputError(f"expected a WebP file of at most {MAX_PARTS} chunks, got more")
    if image is None:
        raise InvalidInputError("expected a whole WebP file, got one without a picture; it cannot be decoded")
    return StillImage(b"RIFF" + struct.pack("<I", 4 + len(image)) + b"WEBP" + image, *size, orientation)


def _lossy_size(payload: bytes) -> tuple[int, int]:
    start, width, height = struct.unpack_from("<3sHH", payload, 3)
    if start != _VP8_START:
        raise InvalidInputError("expected a WebP file with a key frame; it cannot be decoded")
    return width & _WEBP_SIDE, height & _WEBP_SIDE


def _lossless_size(payload: bytes) -> tuple[int, int]:
    signature, bits = struct.unpack_from("<BI", payload)
    if signature != _VP8L_SIGNATURE:
        raise InvalidInputError("expected a lossless WebP picture; it cannot be decoded")
    return (bits & _WEBP_SIDE) + 1, (bits >> 14 & _WEBP_SIDE) + 1


def _orientation(exif: bytes) -> int:
    """The orientation in the first EXIF directory; 1 if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        for number in range(min(count, MAX_PARTS)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * number)
            if tag == _ORIENTATION and kind == _SHORT and value in _ORIENTATIONS:
                return int(value)
    except struct.error:
        pass
    return 1
