"""Pictures of strangers: decoded, or refused; never more than they may be."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fitsense.errors import InvalidInputError
from fitsense.server.decoding import Decoder
from fitsense.server.framing import Format, Message, parse
from fitsense.testing.figures import FigureVideo
from tests.server.conftest import image
from tests.server.test_websocket import encoded

PIXELS = 400 * 300


@pytest.fixture(scope="module")
def whole(squats: FigureVideo) -> dict[Format, list[bytes]]:
    """What is to be damaged: a few messages of each format."""
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
def test_damaged_pictures_are_decoded_within_bounds_or_refused(
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
def test_images_are_scaled_turned_and_of_bounded_size(kind: str) -> None:
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
def test_other_kinds_of_images_are_refused(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(file, kind)
    with pytest.raises(InvalidInputError, match="cannot be decoded"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, file.getvalue()))


def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded() -> None:
    content = bytearray(image(np.zeros((16, 16, 3), np.uint8), "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(InvalidInputError, match=r"65535 x 65535|cannot be decoded"):
        Decoder(50, 1.0, PIXELS).decode(Message(Format.IMAGE, 0, bytes(content)))


@pytest.mark.parametrize("kind", [Format.H264, Format.VP8])
def test_video_that_is_too_large_is_refused(kind: Format, whole: dict[Format, list[bytes]]) -> None:
    with pytest.raises(InvalidInputError, match="at most 1000 pixels"):
        Decoder(50, 1.0, 1000).decode(Message(kind, 0.0, whole[kind][0]))


@pytest.mark.parametrize(("kind", "codec"), [(Format.H264, "libx264"), (Format.VP8, "libvpx")])
def test_video_gives_a_frame_for_each_chunk_at_its_time(kind: Format, codec: str, squats: FigureVideo) -> None:
    frames = list(squats)[:8]
    decoder = Decoder(64, 1.0, PIXELS)
    decoded = [frame for message in encoded(frames, codec, kind) for frame in decoder.decode(parse(message))]
    decoded += decoder.flush()
    assert [frame.time_s for frame in decoded] == pytest.approx([frame.time_s for frame in frames])
    assert decoder.flush() == []
