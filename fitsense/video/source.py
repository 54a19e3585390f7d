"""Frames of a file, a camera or a network stream: upright, scaled, and in RGB."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import av
import av.error

from fitsense._internal.closing import Closing
from fitsense._internal.redaction import redact
from fitsense._internal.stopping import StopFlag
from fitsense.errors import InvalidInputError, SourceError
from fitsense.imaging.frame_rate import RateLimiter
from fitsense.imaging.resize import scaled_size
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.conversion import FrameConverter, upright_size
from fitsense.video.hwaccel import open_accelerated, software_reason
from fitsense.video.opening import name_of, open_input, reason_of
from fitsense.video.ordering import DisplayOrder, are_reordered
from fitsense.video.probing import Probe
from fitsense.video.timing import MediaClock, creation_time
from fitsense.video.tracks import choose_track

_LOGGER = logging.getLogger("fitsense.video")

# FFmpeg's AVFMT_NOTIMESTAMPS: a container without timestamps.
_NO_TIMES = 0x80
# While frames are thinned, the decoder skips non-reference frames, as long as the others are no further apart than this
# many minimum intervals: every second frame of 24 a second.
_MAX_INTERVALS = 1.7
# A file that ends earlier than its header says, by more than this many seconds and a tenth of its length, is truncated.
_SHORTFALL_S = 1.0


@attrs.frozen
class VideoInfo:
    """Properties of a source, from its header.

    :param width: width of the upright picture in pixels.
    :param height: height likewise.
    :param rate_hz: average frames per second; None if unknown.
    :param duration_s: length in seconds; None for an endless stream, or if the header does not say.
    :param created_at: time of recording, with a time zone; None if the container's metadata do not say.
    """

    width: int
    height: int
    rate_hz: float | None
    duration_s: float | None
    created_at: datetime | None = None


@attrs.frozen
class SourceWarning:
    """A condition of a source that hosts should know, such as the reason for missing frames.

    :param code: code of the ``session.warning``, such as ``source_damaged`` or ``source_truncated``.
    :param message: human-readable description.
    """

    code: str
    message: str


class VideoSource(Closing):
    """Iterates over a source's frames in presentation order. Use it as a context manager.

    :param source: a file's path, a URL (rtsp, http, …), ``camera:0``, a device's path, ``-`` for standard input, a
        FIFO's path, or a binary file object, which is read from its beginning if it is seekable and stays open.
    :param decode: how to decode and scale; None for the defaults.
    :param timeout_s: longest time in seconds to open a stream, and then to wait for its next packet.
    :param stop: flag that ends reading soon; checked before each packet, also while the source is being opened.
    :raises SourceError: the source is missing, empty, or has no video that can be decoded; its pictures are too large;
        or reading was stopped before the first picture.
    :raises InvalidInputError: FFmpeg knows no such hardware, or there is no such track.

    Media times are presentation times from the container's start; if the container has none, or has them in decoding
    order, they follow from the display order and the frame rate. Frames that cannot be decoded are left out; after the
    iteration, :attr:`warning` reports them.

    Hardware that is missing, or cannot decode the source, is no error: support depends on codec, profile and size, and
    the CPU decodes the same pictures more slowly. :attr:`unaccelerated` gives the reason.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        decode: DecodeConfig | None = None,
        *,
        timeout_s: float = 15.0,
        stop: StopFlag | None = None,
    ) -> None:
        self.name = name_of(source)
        self._config = config = decode or DecodeConfig()
        self._stop = stop or StopFlag()
        self._closed = False
        self._timeout_s = timeout_s
        self._converter = FrameConverter(config.short_side, config.zoom)
        self._rate_limiter = RateLimiter(config.min_interval_s)
        self._max_step_s = _MAX_INTERVALS * config.min_interval_s
        self._unaccelerated: SourceWarning | None = None
        self._warning: SourceWarning | None = None
        self._read_error: str | None = None
        self._first: av.VideoFrame | None = None
        self._damaged = 0
        self._open(source)
        try:
            self._set_up_decoder()
            size = self._first_size()
        except BaseException:
            self.close()
            raise
        created_at = creation_time(self._container.metadata) or creation_time(self._stream.metadata)
        self.info = VideoInfo(*size, self._rate, self._duration_s(), created_at)
        _LOGGER.debug("opened %s: %s", redact(self.name), self.info)

    @property
    def warning(self) -> SourceWarning | None:
        """The first fault met while decoding; None if there was none so far."""
        return self._warning

    @property
    def unaccelerated(self) -> SourceWarning | None:
        """Reason for decoding by the CPU although hardware was requested; None otherwise."""
        return self._unaccelerated

    @property
    def rate_assumed(self) -> SourceWarning | None:
        """Reason why media times may run too fast or too slow: neither container nor codec states a frame rate."""
        codec = self._stream.codec_context
        if self._has_times or self._rate is None or (codec is not None and codec.framerate):
            return None
        message = f"the source states no frame rate; times are those of {self._rate:g} frames a second"
        return SourceWarning("frame_rate_assumed", message)

    @property
    def read_error(self) -> str | None:
        """Reason for the end of reading before the end of the source; None if all was read."""
        return self._read_error

    @property
    def has_times(self) -> bool:
        """True if the container has timestamps; if not, times follow from a nominal frame rate."""
        return self._has_times

    def close(self) -> None:
        """Free the file or device, and the decoder with its threads and pictures; ends the iteration.

        Call it in the thread that iterates.
        """
        if self._closed:
            return
        self._closed = True
        stream = vars(self).get("_stream")
        if stream is not None and stream.codec_context is not None:
            # Waits for the decoder's threads. PyAV frees a decoder without releasing the GIL, and would deadlock with a
            # thread that has something to log, or a packet of Python's memory to free.
            stream.codec_context.flush_buffers()
        del stream
        self._input.close()
        # PyAV frees a decoder with the last object that refers to it: the stream, packets, and generators of these.
        for name in ("_first", "_decoded", "_packets", "_stream", "_container", "_input", "_converter"):
            vars(self).pop(name, None)

    def __iter__(self) -> Iterator[Frame]:
        if self._is_over:
            return
        frame, self._first = self._first, None
        before_s: float | None = None
        while frame is not None:
            time_s, jump = self._clock.advance(frame)
            if jump is not None:
                self._warn(jump)
            if before_s is not None and time_s - before_s > self._max_step_s and self._decode_all_frames(before_s):
                frame = next(self._decoded, None)
                continue
            before_s = time_s
            if self._rate_limiter.accept(time_s):
                try:
                    converted = Frame(self._converter.convert(frame, self._stream), time_s)
                except (av.error.FFmpegError, InvalidInputError, ValueError, MemoryError) as error:
                    self._warn(f"a frame at {time_s:.1f} s cannot be converted, and what follows is left out: {error}")
                    return
                yield converted
            if self._is_over:
                return
            frame = next(self._decoded, None)
        if not self._is_over:
            self._warn_if_truncated()
        # Where a file is cut off, its last packet is damaged, too: the missing part says more.
        if self._damaged == 1:
            self._warn("1 packet of the source could not be decoded and was left out")
        elif self._damaged:
            self._warn(f"{self._damaged} packets of the source could not be decoded and were left out")

    def items(self) -> Iterator[Frame | SourceWarning]:
        """Frames and warnings: :attr:`unaccelerated`, :attr:`rate_assumed`, the frames, and last :attr:`warning`."""
        for warning in (self._unaccelerated, self.rate_assumed):
            if warning is not None:
                yield warning
        yield from self
        if self._warning is not None:
            yield self._warning

    @property
    def _is_over(self) -> bool:
        return self._closed or self._stop.requested

    def _open(self, source: str | Path | BinaryIO) -> None:
        options = {**_decoder_limit(self._config.max_pixels), **self._config.options}
        if self._config.hwaccel is None:
            self._input = open_input(source, self._timeout_s, options)
        else:
            self._input, reason = open_accelerated(source, self._timeout_s, options, self._config.hwaccel)
            self._set_unaccelerated(reason)
        self._container = self._input.container

    def _set_up_decoder(self) -> None:
        self._stream = choose_track(self._container, self.name, self._config.track)
        self._stream.thread_type = "AUTO"
        codec = self._stream.codec_context
        if codec is not None:
            self._check_size(codec.width, codec.height)
            codec.options = _decoder_limit(self._config.max_pixels)
            if self._converter.is_large_reduction(min(codec.width, codec.height)):
                codec.options = {**codec.options, "skip_loop_filter": "all"}
            codec.thread_count = self._config.threads or 0
        self._has_times = not self._container.format.flags & _NO_TIMES
        self._order: DisplayOrder | None = None
        self._clock = MediaClock((self._container.start_time or 0) / av.time_base, self._rate)
        self._packets = self._probed(self._container.demux())
        self._decoded = self._decode()

    def _first_size(self) -> tuple[int, int]:
        """Width and height of the upright picture; from the first frame, since the header does not contain the
        orientation."""
        self._first = next(self._decoded, None)
        if self._first is None:
            raise SourceError(f"{self.name}: {self._no_frame_reason()}")
        self._check_size(self._first.width, self._first.height)
        if self._config.hwaccel is not None and self._unaccelerated is None:
            self._set_unaccelerated(software_reason(self._stream.codec_context))
        width, height = upright_size(self._first, self._stream)
        try:
            scaled_size(width, height, self._config.short_side or 1)
        except InvalidInputError as error:
            raise SourceError(f"{self.name}: {error}") from error
        return width, height

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._config.max_pixels:
            raise SourceError(
                f"{self.name}: none of its frames can be decoded: expected pictures of at most "
                f"{self._config.max_pixels} pixels, got {width} x {height}"
            )

    def _no_frame_reason(self) -> str:
        if self._stop.requested:
            return "it was stopped before one of its frames was decoded"
        # Decoders do not say which.
        return (
            "has a video stream, but none of its frames can be decoded (they are damaged, or of more than "
            f"{self._config.max_pixels} pixels)"
        )

    def _set_unaccelerated(self, reason: str | None) -> None:
        if reason is not None:
            message = f"the source is decoded by the CPU and not by {self._config.hwaccel}: {reason}"
            self._unaccelerated = SourceWarning("software_decoding", message)

    def _warn(self, message: str) -> None:
        """Keep the first fault."""
        if self._warning is None:
            self._warning = SourceWarning("source_damaged", message)

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        # Packets of other streams are demuxed too, so that a source with hardly any video packets can be stopped.
        stream, opened = self._stream, self._input
        try:
            for packet in self._packets:
                if self._is_over:
                    break
                if packet.stream is not stream:
                    self._clock.skip(packet)
                    continue
                if self._order is not None and packet.size and not packet.is_discard:
                    self._order.send(packet)
                try:
                    frames = stream.decode(packet)
                except av.error.FFmpegError:
                    # The other packets may be fine. Decoders raise various errors for a bad one.
                    self._damaged += 1
                    continue
                for frame in frames:
                    if self._order is not None:
                        self._order.stamp(frame)
                    yield frame
        except IndexError:
            # At the end, PyAV looks up a stream that appeared after the header; this one has been read to its end.
            pass
        except (av.error.FFmpegError, OSError) as error:
            self._read_error = reason_of(error, self._timeout_s)
            self._warn(f"the source cannot be read further than {self._clock.end_s:.1f} s: {self._read_error}")
        opened.raise_interruption()

    def _probed(self, packets: Iterable[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
        """The packets, after inspecting the first of them for the kind of their timestamps."""
        stream, codec = self._stream, self._stream.codec_context
        may_reorder = codec is not None and bool(codec.has_b_frames) and not self._is_endless
        probe = Probe.of(packets, stream, may_reorder, lambda: self._is_over)
        self._clock.is_counted = None in probe.stamps
        if codec is not None and not self._clock.is_counted:
            if may_reorder and len(probe.stamps) > 1 and not are_reordered(probe.stamps):
                self._order = DisplayOrder()
            else:
                self._skip_frames(codec)
        yield from probe.packets()

    def _skip_frames(self, codec: av.VideoCodecContext) -> None:
        """Make the decoder skip non-reference frames, if enough others are left.

        Only before decoding: decoders read ahead by their number of threads, on which results must not depend. Not if
        frames are counted, since skipped ones would not be.
        """
        if self._rate is not None and 2 / self._rate <= self._max_step_s:
            codec.skip_frame = "NONREF"

    def _decode_all_frames(self, since_s: float) -> bool:
        """Stop skipping frames; whether decoding starts again after the frame at `since_s`.

        It does if frames were skipped and the source can seek: otherwise, the number of threads, which read ahead,
        would determine how many more frames are missed.
        """
        if self._stream.codec_context.skip_frame == "DEFAULT":
            return False
        self._stream.codec_context.skip_frame = "DEFAULT"
        if not self._input.can_seek or not self.has_times or self._warning is not None or self._damaged:
            return False
        assert self._stream.time_base is not None
        clock = self._clock
        try:
            self._container.seek(math.floor((since_s + clock.start_s) / self._stream.time_base), stream=self._stream)
        except (av.error.FFmpegError, OSError):
            return False
        self._packets = self._container.demux()
        self._decoded = (frame for frame in self._decode() if frame.time is None or clock.since_start(frame) > since_s)
        return True

    @property
    def _rate(self) -> float | None:
        """Frames per second; None if unknown. FFmpeg's average is only nominal if the container has no timestamps."""
        stream = self._stream
        rate = stream.average_rate if self.has_times else stream.guessed_rate or stream.average_rate
        return float(rate) if rate else None

    @property
    def _is_endless(self) -> bool:
        return self._input.is_live and self._container.duration is None

    def _duration_s(self) -> float | None:
        if not self.has_times:
            # FFmpeg guesses it from the file size.
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / av.time_base if self._container.duration is not None else None

    def _warn_if_truncated(self) -> None:
        stated_s = self.info.duration_s
        if self._warning is not None or stated_s is None:
            return
        whole = self._input.is_whole()
        if whole is False:
            # For a truncated .avi, FFmpeg derives the number of frames from the file size; the header has the true one.
            stated_s = max(stated_s, self._stream.frames * self._clock.step_s)
        enough_s = stated_s - max(_SHORTFALL_S, 0.1 * stated_s)
        if self._clock.shown_until_s >= enough_s:
            return
        # The header may state the length of another stream, or of a long last picture.
        if self._clock.others_until_s >= enough_s if whole is None else whole:
            return
        self._warning = SourceWarning(
            "source_truncated",
            f"the source ends after {self._clock.end_s:.1f} s, and its header says {stated_s:.1f} s",
        )


def _decoder_limit(max_pixels: int) -> dict[str, str]:
    """FFmpeg's option that limits the picture size.

    Decoders count whole blocks and their padding, up to 64 pixels more on each side; a long side may be 16 short ones.
    """
    return {"max_pixels": str(max_pixels + 5 * 64 * math.isqrt(max_pixels) + 64 * 64)}
