"""Decoding of untrusted pictures within limits."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fitsense.errors import InvalidInputError
from fitsense.server.api.wire import Format, Message, parse
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.synthetic.figures import FigureVideo
from tests.server.api.test_websocket import encoded
from tests.server.conftest import image

PIXELS = 400 * 300


@pytest.fixture(scope="module")
def whole(squats: FigureVideo) -> dict[Format, list[bytes]]:
    """Undamaged messages of each format."""
    frames = list(squats)[:6]
    return {
        Format.IMAGE: [image(frame.rgb, "WEBP" if index % 2 else "JPEG") for index, frame in enumerate(frames)],
        Format.H264: [parse(message).content for message in encoded(frames, "libx264", Format.H264)],
        Format.VP8: [parse(message).content for message in encoded(frames, "libvpx", Format.VP8)],
    }


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    array = np.frombuffer(content, np.uint8).copy()
    at = random.integers(0, len(array), max(1, len(array) // 200))
    array[at] = random.integers(0, 256, len(at))
    return array.tobytes()


def cut(content: bytes, random: np.random.Generator) -> bytes:
    return content[: 1 + int(random.integers(0, len(content)))]


def spliced(content: bytes, random: np.random.Generator) -> bytes:
    start, end = sorted(random.integers(0, len(content), 2))
    return content[:end] + content[start:]


def headed(content: bytes, random: np.random.Generator) -> bytes:
    return random.bytes(int(random.integers(1, 24))) + content[int(random.integers(0, 24)) :]


DAMAGES: list[Callable[[bytes, np.random.Generator], bytes]] = [flipped, cut, spliced, headed]


@given(st.sampled_from(Format), st.sampled_from(DAMAGES), st.integers(0, 2**32))
def test_decoder_damaged_picture_is_bounded_or_refused(
    whole: dict[Format, list[bytes]],
    kind: Format,
    damage: Callable[[bytes, np.random.Generator], bytes],
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    decoder = Decoder(64, 2.0, PIXELS)
    for number, content in enumerate(whole[kind]):
        # The first of a video is mostly left as it is, so that what follows is looked at.
        harmed = damage(content, random) if random.random() < (0.2 if number == 0 else 0.8) else content
        try:
            frames = decoder.decode(Message(kind, number / 10, harmed))
        except InvalidInputError:
            continue
        for frame in frames:
            assert min(frame.rgb.shape[:2]) <= 128
            assert frame.rgb.size <= 3 * PIXELS
    decoder.flush()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_decoder_image_is_scaled_and_rotated(kind: str) -> None:
    random = np.random.default_rng(3)
    rgb = random.integers(0, 256, (200, 300, 3), np.uint8)
    (frame,) = Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 1.5, image(rgb, kind)))
    assert (frame.rgb.shape, frame.time_s) == ((50, 75, 3), 1.5)
    # A smaller one is left as it is, and a region is looked at more closely.
    (frame,) = Decoder(500, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, image(rgb, kind)))
    assert frame.rgb.shape == (200, 300, 3)
    (frame,) = Decoder(20, 100.0, PIXELS).decode(Message(Format.IMAGE, 0, image(rgb, kind)))
    assert frame.rgb.shape == (80, 120, 3)
    with pytest.raises(InvalidInputError, match="at most 120000 pixels, got 401 x 300"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, image(np.zeros((300, 401, 3), np.uint8), kind)))
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(turned, kind, exif=exif)
    (frame,) = Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, turned.getvalue()))
    assert frame.rgb.shape == (75, 50, 3)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_decoder_other_image_format_is_refused(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(file, kind)
    with pytest.raises(InvalidInputError, match="cannot be decoded"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, file.getvalue()))


def test_decoder_huge_image_is_refused_before_decoding() -> None:
    content = bytearray(image(np.zeros((16, 16, 3), np.uint8), "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(InvalidInputError, match=r"65535 x 65535|cannot be decoded"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, bytes(content)))


@pytest.mark.parametrize("kind", [Format.H264, Format.VP8])
def test_decoder_large_video_is_refused(kind: Format, whole: dict[Format, list[bytes]]) -> None:
    with pytest.raises(InvalidInputError, match="at most 1000 pixels"):
        Decoder(50, 1.0, 1000).decode(Message(kind, 0.0, whole[kind][0]))


@pytest.mark.parametrize(("kind", "codec"), [(Format.H264, "libx264"), (Format.VP8, "libvpx")])
def test_decoder_video_gives_one_frame_per_chunk(kind: Format, codec: str, squats: FigureVideo) -> None:
    frames = list(squats)[:8]
    decoder = Decoder(64, 1.0, PIXELS)
    decoded = [frame for message in encoded(frames, codec, kind) for frame in decoder.decode(parse(message))]
    decoded += decoder.flush()
    assert [frame.time_s for frame in decoded] == pytest.approx([frame.time_s for frame in frames])
    assert decoder.flush() == []


def segment(code: int, payload: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(payload) + 2).to_bytes(2, "big") + payload


def chunk(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\0" * (len(payload) % 2)


def exif_of(orientation: int, entries: int = 0, data: bytes = b"") -> bytes:
    """EXIF with an orientation, behind entries that each refer to all of the data."""
    count = entries + 1
    first = 8 + 2 + 12 * count
    refers = b"".join(
        (0x1000 + number).to_bytes(2, "big") + b"\0\7" + len(data).to_bytes(4, "big") + first.to_bytes(4, "big")
        for number in range(entries)
    )
    ours = b"\x01\x12\0\3\0\0\0\1" + orientation.to_bytes(2, "big") + b"\0\0"
    return b"MM\0*\0\0\0\x08" + count.to_bytes(2, "big") + refers + ours + data


def with_exif(content: bytes, exif: bytes) -> bytes:
    if content.startswith(b"RIFF"):
        return content[:12] + content[12:] + chunk(b"EXIF", exif)
    return content[:2] + segment(0xE1, b"Exif\0\0" + exif) + content[2:]


def progressive(rgb: np.ndarray[Any, Any], scans: int) -> bytes:
    """A JPEG with additional scans that refine nothing."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last = content.rindex(b"\xff\xda")
    head = content[last : last + 2 + int.from_bytes(content[last + 2 : last + 4], "big")]
    return content[:-2] + (head + b"\0" * 8) * scans + content[-2:]


def test_decoder_image_with_many_scans_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    decoder = Decoder(50, 1.0, PIXELS)
    (frame,) = decoder.decode(Message(Format.IMAGE, 0.0, progressive(rgb, 20)))
    assert frame.rgb.shape == (50, 75, 3)
    monkeypatch.setattr(Image, "open", None)
    for scans in (40, 9000):
        with pytest.raises(InvalidInputError, match="expected a JPEG of at most 32 scans, got more"):
            decoder.decode(Message(Format.IMAGE, 0.0, progressive(rgb, scans)))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_decoder_image_with_many_parts_is_refused_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = image(np.zeros((20, 20, 3), np.uint8), kind)
    parts = b"\xff\xfe\0\2" * 100_000 if kind == "JPEG" else chunk(b"none", b"") * 100_000
    head = 2 if kind == "JPEG" else 12
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(InvalidInputError, match=r"at most 1024 (segments|chunks), got more"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0.0, content[:head] + parts + content[head:]))


def test_decoder_webp_animation_is_refused() -> None:
    file = io.BytesIO()
    pictures = [Image.fromarray(np.full((20, 20, 3), grey, np.uint8)) for grey in (0, 90)]
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:])
    with pytest.raises(InvalidInputError, match="a WebP file of one picture, got an animation"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0.0, file.getvalue()))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_decoder_image_with_large_exif_is_rotated(kind: str, orientation: int) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:24, :32] = 255
    content = image(rgb, kind)
    # Pillow would copy the data for each entry: 60 MB for JPEG, 3 GB for WebP.
    harmful = exif_of(orientation, 1000, b"x" * (50_000 if kind == "JPEG" else 3_000_000))
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = ImageOps.exif_transpose(_with(Image.open(io.BytesIO(content)), exif))
    (frame,) = Decoder(500, 1.0, PIXELS).decode(Message(Format.IMAGE, 0.0, with_exif(content, harmful)))
    assert np.array_equal(frame.rgb, np.asarray(expected.convert("RGB")))


def _with(picture: Image.Image, exif: Image.Exif) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif)
    return Image.open(file)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_decoder_damaged_image_error_has_no_memory_address(kind: str) -> None:
    content = image(np.zeros((20, 20, 3), np.uint8), kind)
    # A whole header before what is no picture: Pillow's own words are "cannot identify image file <_io.BytesIO …>".
    for start in (2, len(content) // 2) if kind == "JPEG" else (20,):
        damaged = content[:start] + bytes(len(content) - start)
        with pytest.raises(InvalidInputError) as error:
            Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0.0, damaged))
        assert "0x" not in str(error.value)


def test_decoder_data_after_image_is_ignored() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    content = image(rgb, "JPEG")
    # A phone's short film behind the picture, in which a scan's marker appears by chance.
    (alone,), (followed,) = (
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0.0, content + more)) for more in (b"", b"\xff\xda" * 99)
    )
    assert np.array_equal(alone.rgb, followed.rgb)


def test_decoder_video_with_many_slices_is_refused_before_decoding(whole: dict[Format, list[bytes]]) -> None:
    decoder = Decoder(50, 1.0, PIXELS)
    first, second = whole[Format.H264][:2]
    assert len(decoder.decode(Message(Format.H264, 0.0, first))) == 1
    # Each slice would be decoded, however often it is repeated: 25 KB took a second at 1080p.
    for many in (second * 300, first + b"\0\0\1\x09\xf0" * 1100):
        with pytest.raises(InvalidInputError, match="at most 256 slices and 1024 NAL units, got more"):
            decoder.decode(Message(Format.H264, 0.1, many))
    assert len(decoder.decode(Message(Format.H264, 0.1, second))) == 1
