"""Decodes and scales pushed pictures, with limits on size and complexity that no header can evade."""

from __future__ import annotations

import io
import math
import re
from fractions import Fraction

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation
from PIL import Image, UnidentifiedImageError

from fitsense.errors import InvalidInputError
from fitsense.imaging.resize import scale, scaled_size
from fitsense.server.api.wire import Format, Message
from fitsense.server.engine.images import read_still_image
from fitsense.types import Frame

_CODECS = {Format.H264: "h264", Format.VP8: "vp8"}
_MICROSECOND = Fraction(1, 1_000_000)
# Limit of the zoom into a small region, so that queued frames do not fill the memory.
_MAX_ZOOM = 4.0
# Limits for an H.264 access unit: a slice of any length may cover the whole picture, and each unit takes memory.
_MAX_SLICES, _MAX_UNITS = 256, 1024
_UNIT = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)
_UNIT_TYPE, _SLICE_TYPES = 0x1F, (1, 2, 3, 4, 5, 20, 21)
# By EXIF orientation.
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoder:
    """Decodes the messages of one connection. Keeps the state of a video codec; not thread-safe.

    :param short_side: length in pixels to which the short side of a larger picture is scaled.
    :param zoom: factor on `short_side`, because the session uses only a part of each picture.
    :param max_pixels: size limit of a picture.
    """

    def __init__(self, short_side: int, zoom: float, max_pixels: int) -> None:
        self._short_side = math.ceil(short_side * min(zoom, _MAX_ZOOM))
        self._max_pixels = max_pixels
        self._format: Format | None = None
        self._codec: VideoCodecContext | None = None

    def decode(self, message: Message) -> list[Frame]:
        """Decode a message.

        :return: one frame for an image; zero or more frames for video.
        :raises InvalidInputError: the message cannot be decoded or is too large.
        """
        try:
            if message.format is Format.IMAGE:
                return [self._image(message)]
            if self._format is not message.format:
                self._codec, self._format = self._open(message.format), message.format
            assert self._codec is not None
            if message.format is Format.H264:
                _check_units(message.content)
            packet = av.Packet(message.content)
            packet.pts, packet.time_base = round(message.time_s * 1e6), _MICROSECOND
            return [self._converted(frame) for frame in self._codec.decode(packet)]
        except av.error.FFmpegError as error:
            raise InvalidInputError(
                f"picture at {message.time_s:.3f} s: expected {message.format.name}, which begins with a key frame and "
                f"has at most {self._max_pixels} pixels; it cannot be decoded: {error.strerror}"
            ) from error
        except InvalidInputError as error:
            raise InvalidInputError(f"picture at {message.time_s:.3f} s: {error}") from error
        except Exception as error:
            # Pillow's parsers raise all kinds of exceptions.
            raise InvalidInputError(f"picture at {message.time_s:.3f} s: it cannot be decoded: {error}") from error

    def flush(self) -> list[Frame]:
        """Return the frames that the codec still holds and close it."""
        codec, self._codec, self._format = self._codec, None, None
        try:
            return [self._converted(frame) for frame in codec.decode(None)] if codec is not None else []
        except (av.error.FFmpegError, InvalidInputError):
            return []

    def _image(self, message: Message) -> Frame:
        still = read_still_image(message.content)
        self._check(still.width, still.height)
        try:
            opened = Image.open(io.BytesIO(still.content), formats=("JPEG", "WEBP"))
        except UnidentifiedImageError as error:
            # Pillow's message contains only the address of a buffer.
            raise InvalidInputError("expected a JPEG or WebP file; it cannot be decoded") from error
        with opened as image:
            self._check(*image.size)
            width, height = self._size(*image.size)
            # Decode a JPEG at a half, a quarter or an eighth of its size where possible.
            image.draft("RGB", (width, height))
            upright = image.convert("RGB")
        if (transposition := _TRANSPOSITIONS.get(still.orientation)) is not None:
            upright = upright.transpose(transposition)
        rgb = np.asarray(upright, dtype=np.uint8)
        return Frame(scale(rgb, *self._size(rgb.shape[1], rgb.shape[0])), message.time_s)

    def _converted(self, frame: av.VideoFrame) -> Frame:
        self._check(frame.width, frame.height)
        width, height = self._size(frame.width, frame.height)
        scaled = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
        if frame.pts is None:
            raise InvalidInputError("expected a picture with a time, and the codec gave none")
        return Frame(np.asarray(scaled.to_ndarray(), dtype=np.uint8), frame.pts / 1e6)

    def _check(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise InvalidInputError(
                f"expected at most {self._max_pixels} pixels, got {width} x {height}; send smaller ones"
            )

    def _size(self, width: int, height: int) -> tuple[int, int]:
        return scaled_size(width, height, min(self._short_side, width, height))

    def _open(self, format: Format) -> VideoCodecContext:
        codec = av.CodecContext.create(_CODECS[format], "r")
        assert isinstance(codec, VideoCodecContext)
        codec.options = {"max_pixels": str(self._max_pixels)}
        # Frame threads would delay each frame.
        codec.thread_count = 1
        return codec


def _check_units(content: bytes) -> None:
    """Refuse an access unit with more parts than an encoder writes.

    :raises InvalidInputError: the access unit has too many slices or NAL units.
    """
    units = content.count(b"\0\0\1")
    if units <= _MAX_UNITS:
        slices = sum(unit[1][0] & _UNIT_TYPE in _SLICE_TYPES for unit in _UNIT.finditer(content))
        if slices <= _MAX_SLICES:
            return
    raise InvalidInputError(
        f"expected an access unit of at most {_MAX_SLICES} slices and {_MAX_UNITS} NAL units, got more"
    )
