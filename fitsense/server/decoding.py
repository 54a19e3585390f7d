"""Pictures that clients push, decoded and scaled: of bounded size, whatever their headers say."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation
from PIL import Image, ImageOps

from fitsense.errors import InvalidInputError
from fitsense.pictures import scale, scaled_size
from fitsense.server.framing import Format, Message
from fitsense.types import Frame

_CODECS = {Format.H264: "h264", Format.VP8: "vp8"}
_MICROSECOND = Fraction(1, 1_000_000)
# Somebody who looks at a small region sees it at most so many times closer; what waits must not fill the memory.
_MOST_ZOOM = 4.0


class Decoder:
    """Turns one client's messages into frames. Keeps what a video codec needs; one thread at a time may use it.

    :param short_side: what a picture's short side is scaled to, in pixels, if it is longer.
    :param zoom: only a part of each picture will be looked at: scale to so many times the `short_side`.
    :param pixels: of a picture, at most.
    """

    def __init__(self, short_side: int, zoom: float, pixels: int) -> None:
        self._short_side = math.ceil(short_side * min(zoom, _MOST_ZOOM))
        self._pixels = pixels
        self._format: Format | None = None
        self._codec: VideoCodecContext | None = None

    def decode(self, message: Message) -> list[Frame]:
        """The frames that a message completes: one of an image; of video none, one or more.

        :raises InvalidInputError: it cannot be decoded, or is too large.
        """
        try:
            if message.format is Format.IMAGE:
                return [self._image(message)]
            if self._format is not message.format:
                self._codec, self._format = self._open(message.format), message.format
            assert self._codec is not None
            packet = av.Packet(message.content)
            packet.pts, packet.time_base = round(message.time_s * 1e6), _MICROSECOND
            return [self._converted(frame) for frame in self._codec.decode(packet)]
        except av.error.FFmpegError as error:
            raise InvalidInputError(
                f"picture at {message.time_s:.3f} s: expected {message.format.name}, which begins with a key frame and "
                f"has at most {self._pixels} pixels; it cannot be decoded: {error.strerror}"
            ) from error
        except (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError) as error:
            # Pillow's parsers raise whatever they meet.
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(f"picture at {message.time_s:.3f} s: it cannot be decoded: {error}") from error

    def flush(self) -> list[Frame]:
        """The frames that the codec still holds; none can be decoded afterwards."""
        codec, self._codec, self._format = self._codec, None, None
        try:
            return [self._converted(frame) for frame in codec.decode(None)] if codec is not None else []
        except (av.error.FFmpegError, InvalidInputError):
            return []

    def _image(self, message: Message) -> Frame:
        with Image.open(io.BytesIO(message.content), formats=("JPEG", "WEBP")) as image:
            self._check(*image.size)
            width, height = self._size(*image.size)
            # JPEG can be decoded at a half, a quarter or an eighth of its size.
            image.draft("RGB", (width, height))
            upright = ImageOps.exif_transpose(image).convert("RGB")
        rgb = np.asarray(upright, dtype=np.uint8)
        return Frame(scale(rgb, *self._size(rgb.shape[1], rgb.shape[0])), message.time_s)

    def _converted(self, frame: av.VideoFrame) -> Frame:
        self._check(frame.width, frame.height)
        width, height = self._size(frame.width, frame.height)
        scaled = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
        if frame.pts is None:
            raise InvalidInputError("picture: expected one with a time, and the codec gave none")
        return Frame(np.asarray(scaled.to_ndarray(), dtype=np.uint8), frame.pts / 1e6)

    def _check(self, width: int, height: int) -> None:
        if width * height > self._pixels:
            raise InvalidInputError(
                f"picture: expected at most {self._pixels} pixels, got {width} x {height}; send smaller ones"
            )

    def _size(self, width: int, height: int) -> tuple[int, int]:
        return scaled_size(width, height, min(self._short_side, width, height))

    def _open(self, kind: Format) -> VideoCodecContext:
        codec = av.CodecContext.create(_CODECS[kind], "r")
        assert isinstance(codec, VideoCodecContext)
        codec.options = {"max_pixels": str(self._pixels)}
        # Threads that decode several pictures at once give each of them late.
        codec.thread_count = 1
        return codec
