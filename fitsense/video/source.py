"""Frames of a file, a camera or a network stream: right way up, scaled and turned to RGB in one step."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import attrs
import av
import av.error
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from fitsense.errors import InvalidInputError, SourceError
from fitsense.imaging.frame_rate import RateLimiter
from fitsense.imaging.resize import scaled_size
from fitsense.types import Frame, UInt8Array
from fitsense.video.hwaccel import fault_of, hwaccel_of, why_on_cpu
from fitsense.video.opening import Input, can_reopen, name_of, open_input, reason_of
from fitsense.video.ordering import PROBED, DisplayOrder, are_reordered
from fitsense.video.orientation import Orientation
from fitsense.video.stopping import StopFlag
from fitsense.video.tracks import choose_track

# FFmpeg's AVFMT_NOTIMESTAMPS: a container without times.
_NO_TIMES = 0x80
# Who reads files of strangers must not let a few bytes ask for gigabytes: 8192 x 4608 pixels are 8K.
MAX_PIXELS = 8192 * 4608
# A larger step of a source's clock, in seconds, is a fault of the clock.
_MAX_BACK_S, _MAX_AHEAD_S = 1.0, 3600.0
# Where only some pictures have a time, it need not be theirs: all are counted, and those that are nearer than this, in
# seconds, only correct the count by a part of what it is off.
_COUNTED_S, _CORRECTION = 0.25, 0.1
# While frames are to be thinned, what decoders call non-reference frames are not even decoded, as long as the others
# are no further apart than so many of the least steps: every second frame of 24 a second.
_MAX_STEPS = 1.7
# Pictures that are to be so many times smaller are averages of many pixels, in which it does not show whether edges of
# blocks were smoothed, nor how sharp the colours are.
_MUCH_SMALLER = 3.0
# Packets of all streams that are looked at, at most, before the first is decoded.
_MAX_PROBED = 512
# A file that ends earlier than its header says, by more than this and a tenth of its length, is incomplete.
_SHORTFALL_S = 1.0
# Years in which a video may have been recorded.
_RECORDED = range(1990, 2200)


@attrs.frozen
class VideoInfo:
    """What a source says of itself.

    :param width: of the picture as it is to be seen, in pixels.
    :param height: likewise.
    :param rate_hz: average frames a second; None where unknown.
    :param duration_s: None for a stream without end, or where the header does not say.
    :param created_at: when it was recorded, with its time zone; None where the container's metadata do not say.
    """

    width: int
    height: int
    rate_hz: float | None
    duration_s: float | None
    created_at: datetime | None = None


@attrs.frozen
class SourceWarning:
    """What a host should know of a source, such as why it gave fewer frames than it should have.

    :param code: that of the ``session.warning`` which tells it, such as ``source_damaged`` or ``source_truncated``.
    :param message: for people to read.
    """

    code: str
    message: str


class VideoSource:
    """Iterates over a source's frames in presentation order. Use it as a context manager.

    :param source: a file's path, a URL (rtsp, http, …), ``camera:0``, a device's path, ``-`` for standard input, a
        FIFO's path, or a binary file object, which is read from its beginning if it is seekable and stays open.
    :param short_side: scale frames so that their short side has this many pixels; None to leave them.
    :param zoom: only a part of each frame will be looked at: scale them to so many times the `short_side`, as far as
        the source's own go.
    :param min_interval_s: frames that come sooner than this after one that was given are passed over, see
        :mod:`fitsense.imaging.frame_rate`; 0 to give all.
    :param timeout_s: a stream that cannot be opened within this many seconds, or then sends nothing for so long, is
        given up.
    :param options: FFmpeg's own, on top of ours: what protocols and formats may be used, and the like.
    :param hwaccel: a type of hardware to decode by, as FFmpeg calls it: ``cuda``, ``vaapi``, ``videotoolbox``,
        ``d3d11va``, …; or one of several such devices, as ``cuda:1``. None for the CPU.
    :param threads: of the decoder; None for as many as it likes. Each after the first delays the frames by one, and
        costs a little of the CPU's time.
    :param track: which of several video tracks to read: its number among them, from 0 and without attached pictures;
        None for the one that players take: the default one, or else the largest one.
    :param max_pixels: of a picture; larger ones are refused before memory is taken for them.
    :param stop: a flag that others may set, to end reading soon; it is looked at before each packet, also while the
        source is being opened.
    :raises SourceError: the source is missing, empty, or has no video that can be decoded; its pictures are too large;
        or it was stopped before there was a picture.
    :raises InvalidInputError: FFmpeg knows no such hardware, or there is no such track.

    Frames come with their presentation time, counted from the container's start; where the container gives none, or
    gives them in the order of decoding, by the order of display and the frame rate. What cannot be decoded is left
    out; after iteration, :attr:`warning` says whether anything was.

    Hardware that is not there, or does not decode this source, is no error: which it decodes depends on codec, profile
    and size, and the CPU gives the same pictures, only slower. :attr:`unaccelerated` says so.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        short_side: int | None = None,
        timeout_s: float = 15.0,
        *,
        zoom: float = 1.0,
        min_interval_s: float = 0.0,
        options: Mapping[str, str] | None = None,
        hwaccel: str | None = None,
        threads: int | None = None,
        track: int | None = None,
        max_pixels: int = MAX_PIXELS,
        stop: StopFlag | None = None,
    ) -> None:
        self.name = name_of(source)
        self._max_pixels = max_pixels
        self._stop = stop or StopFlag()
        self._closed = False
        self._short_side = short_side
        self._zoom = zoom
        self._shrinking, self._colouring = VideoReformatter(), VideoReformatter()
        self._thinning = RateLimiter(min_interval_s)
        self._max_step_s = _MAX_STEPS * min_interval_s
        self._timeout_s = timeout_s
        self._unaccelerated: SourceWarning | None = None
        self._input = self._open(source, options or {}, hwaccel)
        self._container = self._input.container
        try:
            self._stream = choose_track(self._container, self.name, track)
            self._stream.thread_type = "AUTO"
            if self._stream.codec_context is not None:
                self._check_size(self._stream.codec_context.width, self._stream.codec_context.height)
                self._stream.codec_context.options = self._decoding()
                self._stream.codec_context.thread_count = threads or 0
            self._start_s = (self._container.start_time or 0) / av.time_base
            self._has_times = not self._container.format.flags & _NO_TIMES
            self._order: DisplayOrder | None = None
            self._is_counted = False
            self._packets = self._probed(self._container.demux())
            self._damaged = 0
            self._trouble: SourceWarning | None = None
            self._broke: str | None = None
            self._end_s = 0.0
            # Until when the latest picture, and whatever other streams hold, is shown.
            self._shown_until_s = self._others_until_s = 0.0
            self._last_s: float | None = None
            self._step_s = 1.0 / (self._rate or 30.0)
            # The orientation is known only from a decoded frame.
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise SourceError(f"{self.name}: {self._why_no_frame()}")
            self._check_size(self._first.width, self._first.height)
            if hwaccel is not None and self._unaccelerated is None:
                self._note_hardware(hwaccel, why_on_cpu(self._stream.codec_context))
            width, height = _upright_size(self._first, self._stream)
            try:
                scaled_size(width, height, short_side or 1)
            except InvalidInputError as error:
                raise SourceError(f"{self.name}: {error}") from error
        except BaseException:
            self.close()
            raise
        created_at = _created_at(self._container.metadata) or _created_at(self._stream.metadata)
        self.info = VideoInfo(width, height, self._rate, self._duration_s(), created_at)

    @property
    def warning(self) -> SourceWarning | None:
        """What went wrong while decoding; None as long as nothing has."""
        return self._trouble

    @property
    def unaccelerated(self) -> SourceWarning | None:
        """Why the CPU decodes, though hardware was asked for; None where that does, or was not asked for."""
        return self._unaccelerated

    @property
    def read_error(self) -> str | None:
        """Why reading ended before the source did; None as long as it has not."""
        return self._broke

    @property
    def has_times(self) -> bool:
        """Whether the container says when its frames are to be seen; if not, their times come from a nominal rate."""
        return self._has_times

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the file or device, and the decoder with its threads and pictures, at once. In the thread that iterates;
        the iteration then ends."""
        if self._closed:
            return
        self._closed = True
        stream = vars(self).get("_stream")
        if stream is not None and stream.codec_context is not None:
            # It waits for the decoder's threads. PyAV frees a decoder without letting go of the interpreter, and would
            # wait for ever for a thread that has something to log, or a packet of Python's memory to free.
            stream.codec_context.flush_buffers()
        del stream
        self._input.close()
        # PyAV frees a decoder with the last object that refers to it: the stream, packets, and generators of these.
        for name in ("_first", "_decoded", "_packets", "_stream", "_container", "_input", "_shrinking", "_colouring"):
            vars(self).pop(name, None)

    def __iter__(self) -> Iterator[Frame]:
        if self._is_over:
            return
        frame, self._first = self._first, None
        before_s: float | None = None
        while frame is not None:
            time_s = self._media_time(frame)
            self._end_s = time_s + self._step_of(frame)
            self._shown_until_s = max(self._end_s, time_s + _duration_of(frame))
            if before_s is not None and time_s - before_s > self._max_step_s and self._decodes_all(before_s):
                frame = next(self._decoded, None)
                continue
            before_s = time_s
            if self._thinning.accept(time_s):
                try:
                    converted = Frame(self._convert(frame), time_s)
                except (av.error.FFmpegError, InvalidInputError, ValueError, MemoryError) as error:
                    self._note(f"a frame at {time_s:.1f} s cannot be converted, and what follows is left out: {error}")
                    return
                yield converted
            if self._is_over:
                return
            frame = next(self._decoded, None)
        if not self._is_over:
            self._note_shortfall()

    def items(self) -> Iterator[Frame | SourceWarning]:
        """Why hardware does not decode, if it should; the frames; and then the trouble, if there was any."""
        if self._unaccelerated is not None:
            yield self._unaccelerated
        yield from self
        if self._trouble is not None:
            yield self._trouble

    @property
    def _is_over(self) -> bool:
        return self._closed or self._stop.requested

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise SourceError(
                f"{self.name}: none of its frames can be decoded: expected pictures of at most {self._max_pixels} "
                f"pixels, got {width} x {height}"
            )

    def _why_no_frame(self) -> str:
        if self._stop.requested:
            return "it was stopped before one of its frames was decoded"
        # Decoders do not say which.
        return (
            "has a video stream, but none of its frames can be decoded (they are damaged, or of more than "
            f"{self._max_pixels} pixels)"
        )

    def _open(self, source: str | Path | BinaryIO, options: Mapping[str, str], hwaccel: str | None) -> Input:
        options = {**_decoder_limit(self._max_pixels), **options}
        if hwaccel is None:
            return open_input(source, self._timeout_s, options)
        device = hwaccel_of(hwaccel)
        if not can_reopen(source) and (fault := fault_of(hwaccel)) is not None:
            self._note_hardware(hwaccel, f"its device cannot be opened ({fault}); is its driver installed?")
            return open_input(source, self._timeout_s, options)
        try:
            return open_input(source, self._timeout_s, options, device)
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, av.error.FFmpegError) or isinstance(cause, av.error.ExitError):
                raise
            if not can_reopen(source):
                raise
            # PyAV opens the device with the source, and does not say which of them failed; the source alone shows it.
            opened = open_input(source, self._timeout_s, options)
            reason = reason_of(cause, self._timeout_s)
            self._note_hardware(hwaccel, f"its device cannot be opened ({reason}); is its driver installed?")
            return opened

    def _note_hardware(self, hwaccel: str, why: str | None) -> None:
        if why is not None:
            message = f"the source is decoded by the CPU and not by {hwaccel}: {why}"
            self._unaccelerated = SourceWarning("software_decoding", message)

    def _note(self, message: str) -> None:
        """Remember the first trouble."""
        if self._trouble is None:
            self._trouble = SourceWarning("source_damaged", message)

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        # Packets of other streams come too, so that a source which has hardly any of ours can be stopped.
        stream, opened = self._stream, self._input
        try:
            for packet in self._packets:
                if self._is_over:
                    break
                if packet.stream is not stream:
                    self._others_until_s = max(self._others_until_s, self._until_s(packet))
                    continue
                if self._order is not None and packet.size and not packet.is_discard:
                    self._order.send(packet)
                try:
                    frames = stream.decode(packet)
                except av.error.FFmpegError:
                    # One bad packet need not spoil the rest. Decoders name such errors as they please.
                    self._damaged += 1
                    continue
                for frame in frames:
                    if self._order is not None:
                        self._order.stamp(frame)
                    yield frame
        except IndexError:
            # PyAV, at the end, looks for a stream that appeared after the header; ours has been read to its end.
            pass
        except (av.error.FFmpegError, OSError) as error:
            self._broke = reason_of(error, self._timeout_s)
            self._note(f"the source cannot be read further than {self._end_s:.1f} s: {self._broke}")
        opened.raise_interruption()
        if self._damaged:
            self._note(f"{self._damaged} packets of the source could not be decoded and were left out")

    def _probed(self, packets: Iterable[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
        """The packets, once the first of them have shown what their times are."""
        stream, codec = self._stream, self._stream.codec_context
        may_reorder = codec is not None and codec.has_b_frames and not self._is_endless
        waiting: deque[av.Packet[Any]] = deque()
        stamps: list[int | None] = []
        failed: Exception | None = None
        try:
            for packet in packets:
                waiting.append(packet)
                if self._is_over:
                    break
                if packet.stream is stream and packet.size:
                    stamps.append(packet.pts)
                if len(waiting) >= _MAX_PROBED or len(stamps) >= (PROBED if may_reorder else 1):
                    break
                if are_reordered(stamps):
                    break
            else:
                packets = ()
        except (av.error.FFmpegError, OSError, IndexError) as error:
            failed = error
        self._is_counted = None in stamps
        if codec is not None and not self._is_counted:
            if may_reorder and len(stamps) > 1 and not are_reordered(stamps):
                self._order = DisplayOrder()
            else:
                self._skip_frames(codec)
        while waiting:
            yield waiting.popleft()
        if failed is not None:
            raise failed
        yield from packets

    def _skip_frames(self, codec: av.VideoCodecContext) -> None:
        """Let the decoder leave out what nothing refers to, where enough is left. Before anything is decoded: how much
        is decoded ahead depends on the number of threads, and what is seen must not. Not where the times of frames are
        counted, since those that are left out would not be."""
        if self._rate is not None and 2 / self._rate <= self._max_step_s:
            codec.skip_frame = "NONREF"

    def _decodes_all(self, since_s: float) -> bool:
        """Skip no frames any more. Where some were, and the source can go back, it goes on after a time, and this is
        true: otherwise the number of threads, which decode ahead, would decide how many more are missed."""
        if self._stream.codec_context.skip_frame == "DEFAULT":
            return False
        self._stream.codec_context.skip_frame = "DEFAULT"
        if not self._input.can_seek or not self.has_times or self._trouble is not None or self._damaged:
            return False
        assert self._stream.time_base is not None
        try:
            self._container.seek(math.floor((since_s + self._start_s) / self._stream.time_base), stream=self._stream)
        except (av.error.FFmpegError, OSError):
            return False
        self._packets = self._container.demux()
        self._decoded = (frame for frame in self._decode() if frame.time is None or self._since_start(frame) > since_s)
        return True

    def _decoding(self) -> dict[str, str]:
        """Options of the decoder, by what the header says of the frames' size."""
        codec, limit = self._stream.codec_context, _decoder_limit(self._max_pixels)
        if self._is_much_smaller(min(codec.width, codec.height)):
            return {**limit, "skip_loop_filter": "all"}
        return limit

    def _is_much_smaller(self, side: int) -> bool:
        """Whether hardly anything of frames with such a short side, in pixels, is to be left."""
        return self._short_side is not None and side >= _MUCH_SMALLER * self._short_side * self._zoom

    def _convert(self, frame: av.VideoFrame) -> UInt8Array:
        orientation = Orientation.of(frame)
        width, height = _upright_size(frame, self._stream)
        much_smaller = self._is_much_smaller(min(width, height))
        if self._short_side is not None:
            closer = min(math.ceil(self._short_side * self._zoom), width, height)
            width, height = scaled_size(width, height, max(self._short_side, closer))
        if orientation.transposed:
            width, height = height, width
        if much_smaller and frame.format.name == "yuv420p":
            # To turn what is small already to RGB takes a third less time than both in one step.
            frame = _scaled(self._shrinking, frame, width, height, "yuv420p")
        picture: UInt8Array = np.asarray(
            _scaled(self._colouring, frame, width, height, "rgb24").to_ndarray(), dtype=np.uint8
        )
        return orientation.shown(picture)

    def _media_time(self, frame: av.VideoFrame) -> float:
        """The frame's presentation time; counted on where the source's own clock is set back or leaps."""
        if frame.time is None:
            return self._end_s
        time_s = self._since_start(frame)
        if self._is_counted and self._last_s is not None and abs(time_s - self._end_s) <= _COUNTED_S:
            self._last_s = self._end_s + _CORRECTION * (time_s - self._end_s)
            return self._last_s
        if self._last_s is not None and not -_MAX_BACK_S <= time_s - self._last_s <= _MAX_AHEAD_S:
            self._note(f"the source's clock leaps from {self._last_s:.1f} s to {time_s:.1f} s; time is counted on")
            self._start_s += time_s - self._end_s
            time_s = self._end_s
        self._last_s = time_s
        return time_s

    def _since_start(self, frame: av.VideoFrame) -> float:
        return round((frame.time or 0.0) - self._start_s, 6)

    def _step_of(self, frame: av.VideoFrame) -> float:
        """How long after a frame the next one is due, in seconds."""
        return (_duration_of(frame) if frame.pts is None else 0.0) or self._step_s

    def _until_s(self, packet: av.Packet[Any]) -> float:
        """When what a packet holds ends, in seconds of media time; 0 where it does not say."""
        if packet.pts is None:
            return 0.0
        return float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._start_s

    @property
    def _rate(self) -> float | None:
        """Frames a second; None where unknown. FFmpeg's average is only nominal where the container has no times."""
        stream = self._stream
        rate = stream.average_rate if self.has_times else stream.guessed_rate or stream.average_rate
        return float(rate) if rate else None

    @property
    def _is_endless(self) -> bool:
        return self._input.is_live and self._container.duration is None

    def _duration_s(self) -> float | None:
        if not self.has_times:
            # FFmpeg's guess, by the size of the file.
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / av.time_base if self._container.duration is not None else None

    def _note_shortfall(self) -> None:
        stated_s = self.info.duration_s
        if self._trouble is not None or stated_s is None:
            return
        whole = self._input.is_whole()
        if whole is False:
            # FFmpeg takes an .avi that was cut for one of as many frames as it has bytes; its header knows better.
            stated_s = max(stated_s, self._stream.frames * self._step_s)
        enough_s = stated_s - max(_SHORTFALL_S, 0.1 * stated_s)
        if self._shown_until_s >= enough_s:
            return
        # What is stated may be the length of another stream, or of a last picture that lasts.
        if self._others_until_s >= enough_s if whole is None else whole:
            return
        self._trouble = SourceWarning(
            "source_truncated",
            f"the source ends after {self._end_s:.1f} s, and its header says {stated_s:.1f} s",
        )


def _decoder_limit(max_pixels: int) -> dict[str, str]:
    """FFmpeg's option for pictures of so many pixels; decoders count whole blocks and the edges that they put around
    them, up to 64 pixels more a side, and a long side is up to 16 short ones."""
    return {"max_pixels": str(max_pixels + 5 * 64 * math.isqrt(max_pixels) + 64 * 64)}


def _scaled(kept: VideoReformatter, frame: av.VideoFrame, width: int, height: int, pixels: str) -> av.VideoFrame:
    """A frame of that size and kind of pixels. What is kept need not be set up for each frame; the cores have more than
    one frame to work at."""
    return kept.reformat(frame, width, height, pixels, interpolation=Interpolation.AREA, threads=1)


def _upright_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    """Width and height as the picture is to be seen: square pixels, right way up."""
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if Orientation.of(frame).transposed else (width, height)


def _duration_of(frame: av.VideoFrame) -> float:
    """How long a frame is to be shown, in seconds; 0 where it does not say."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0


def _created_at(metadata: Mapping[str, str]) -> datetime | None:
    """When a source was recorded; Apple's tag knows the local time zone, FFmpeg's is in UTC."""
    for name in ("com.apple.quicktime.creationdate", "creation_time", "DATE_RECORDED"):
        try:
            found = datetime.fromisoformat(metadata[name].strip())
        except (KeyError, ValueError):
            continue
        # Recorders without a clock write the beginning of theirs: 1904, 1970 or 1980.
        if found.tzinfo is not None and found.year in _RECORDED:
            return found
    return None
