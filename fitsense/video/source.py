"""Frames of a file, a camera or a network stream: right way up, scaled and turned to RGB in one step."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

import attrs
import av
import av.error
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.reformatter import Interpolation, VideoReformatter

from fitsense.errors import InvalidInputError, SourceError
from fitsense.pictures import scaled_size
from fitsense.thinning import Thinning
from fitsense.types import Frame, UInt8Array
from fitsense.video.hardware import hwaccel_of, why_on_cpu

_URL = re.compile(r"[a-z][a-z0-9+]+://", re.IGNORECASE)
_CAMERA = re.compile(r"camera:(.+)")
# FFmpeg's AVFMT_NOTIMESTAMPS: a container without times.
_NO_TIMES = 0x80
# Who reads files of strangers must not let a few bytes ask for gigabytes: 8192 x 4608 pixels are 8K.
_MOST_PIXELS = {"max_pixels": str(8192 * 4608)}
# PyAV looks up streams that appear late in a table that was made before, so that they must not be many.
_MOST_STREAMS = {"max_streams": "64"}
# A larger step of a source's clock, in seconds, is a fault of the clock.
_MOST_BACK_S, _MOST_AHEAD_S = 1.0, 3600.0
# While frames are to be thinned, what decoders call non-reference frames are not even decoded, as long as the others
# are no further apart than so many of the least steps: every second frame of 24 a second.
_MOST_STEPS = 1.7
# Pictures that are to be so many times smaller are averages of many pixels, in which it does not show whether edges of
# blocks were smoothed, nor how sharp the colours are.
_MUCH_SMALLER = 3.0
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
class Trouble:
    """What a host should know of a source, such as why it gave fewer frames than it should have.

    :param code: that of the ``session.warning`` which tells it, such as ``source_damaged`` or ``source_truncated``.
    :param message: for people to read.
    """

    code: str
    message: str


class VideoSource:
    """Iterates over a source's frames in presentation order. Use it as a context manager.

    :param source: a file's path, a URL (rtsp, http, …), ``camera:0`` or a device's path.
    :param short_side: scale frames so that their short side has this many pixels; None to leave them.
    :param zoom: only a part of each frame will be looked at: scale them to so many times the `short_side`, as far as
        the source's own go.
    :param least_step_s: frames that come sooner than this after one that was given are passed over, see
        :mod:`fitsense.thinning`; 0 to give all.
    :param timeout_s: a stream that cannot be opened within this many seconds, or then sends nothing for so long, is
        given up.
    :param options: FFmpeg's own, on top of ours: what protocols and formats may be used, and the like.
    :param hwaccel: a type of hardware to decode by, as FFmpeg calls it: ``cuda``, ``vaapi``, ``videotoolbox``,
        ``d3d11va``, …; or one of several such devices, as ``cuda:1``. None for the CPU.
    :param threads: of the decoder; None for as many as it likes. Each after the first delays the frames by one, and
        costs a little of the CPU's time.
    :raises SourceError: the source is missing, empty, or has no video that can be decoded.
    :raises InvalidInputError: FFmpeg knows no such hardware.

    Frames come with their presentation time, counted from the container's start. What cannot be decoded is left
    out; after iteration, :attr:`trouble` says whether anything was.

    Hardware that is not there, or does not decode this source, is no error: which it decodes depends on codec, profile
    and size, and the CPU gives the same pictures, only slower. :attr:`unaccelerated` says so.
    """

    def __init__(
        self,
        source: str | Path,
        short_side: int | None = None,
        timeout_s: float = 15.0,
        *,
        zoom: float = 1.0,
        least_step_s: float = 0.0,
        options: Mapping[str, str] | None = None,
        hwaccel: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.name = str(source)
        self._short_side = short_side
        self._zoom = zoom
        self._shrinking, self._colouring = VideoReformatter(), VideoReformatter()
        self._thinning = Thinning(least_step_s)
        self._most_step_s = _MOST_STEPS * least_step_s
        self._timeout_s = timeout_s
        self._unaccelerated: Trouble | None = None
        self._container = self._open(options or {}, hwaccel)
        try:
            if not self._container.streams.video:
                raise SourceError(f"{self.name}: has no video stream")
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            if self._stream.codec_context is not None:
                self._stream.codec_context.options = self._decoding()
                self._stream.codec_context.thread_count = threads or 0
                rate_hz = _rate(self._stream)
                if rate_hz is not None and 2 / rate_hz <= self._most_step_s:
                    # Before anything is decoded: how much is decoded ahead depends on the number of threads, and what
                    # is seen must not.
                    self._stream.codec_context.skip_frame = "NONREF"
            self._start_s = (self._container.start_time or 0) / av.time_base
            self._packets = self._container.demux(self._stream)
            self._damaged = 0
            self._trouble: Trouble | None = None
            self._broke: str | None = None
            self._end_s = 0.0
            self._last_s: float | None = None
            self._step_s = 1.0 / float(self._stream.average_rate or 30)
            # The rotation is known only from a decoded frame.
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise SourceError(f"{self.name}: has a video stream, but none of its frames can be decoded")
            if hwaccel is not None and self._unaccelerated is None:
                self._note_hardware(hwaccel, why_on_cpu(self._stream.codec_context))
            width, height = _upright_size(self._first, self._stream)
            try:
                scaled_size(width, height, short_side or 1)
            except InvalidInputError as error:
                raise SourceError(f"{self.name}: {error}") from error
        except BaseException:
            self._container.close()
            raise
        created_at = _created_at(self._container.metadata) or _created_at(self._stream.metadata)
        self.info = VideoInfo(width, height, _rate(self._stream), self._duration_s(), created_at)

    @property
    def trouble(self) -> Trouble | None:
        """What went wrong while decoding; None as long as nothing has."""
        return self._trouble

    @property
    def unaccelerated(self) -> Trouble | None:
        """Why the CPU decodes, though hardware was asked for; None where that does, or was not asked for."""
        return self._unaccelerated

    @property
    def broke(self) -> str | None:
        """Why reading ended before the source did; None as long as it has not."""
        return self._broke

    @property
    def has_times(self) -> bool:
        """Whether the container says when its frames are to be seen; if not, their times come from a nominal rate."""
        return not self._container.format.flags & _NO_TIMES

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
        """Free the file or device."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        frame, self._first = self._first, None
        before_s: float | None = None
        while frame is not None:
            time_s = self._media_time(frame)
            self._end_s = time_s + self._step_s
            if before_s is not None and time_s - before_s > self._most_step_s and self._decodes_all(before_s):
                frame = next(self._decoded, None)
                continue
            before_s = time_s
            if self._thinning.keeps(time_s):
                try:
                    converted = Frame(self._convert(frame), time_s)
                except (av.error.FFmpegError, InvalidInputError, ValueError, MemoryError) as error:
                    self._note(f"a frame at {time_s:.1f} s cannot be converted, and what follows is left out: {error}")
                    return
                yield converted
            frame = next(self._decoded, None)
        self._note_shortfall()

    def told(self) -> Iterator[Frame | Trouble]:
        """Why hardware does not decode, if it should; the frames; and then the trouble, if there was any."""
        if self._unaccelerated is not None:
            yield self._unaccelerated
        yield from self
        if self._trouble is not None:
            yield self._trouble

    def _open(self, options: Mapping[str, str], hwaccel: str | None) -> av.container.InputContainer:
        if hwaccel is None:
            return _open(self.name, self._timeout_s, options)
        try:
            return _open(self.name, self._timeout_s, options, hwaccel_of(hwaccel))
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, av.error.FFmpegError) or isinstance(cause, av.error.ExitError):
                raise
            # PyAV opens the device with the source, and does not say which of them failed; the source alone shows it.
            container = _open(self.name, self._timeout_s, options)
            reason = _reason(cause, self._timeout_s)
            self._note_hardware(hwaccel, f"its device cannot be opened ({reason}); is its driver installed?")
            return container

    def _note_hardware(self, hwaccel: str, why: str | None) -> None:
        if why is not None:
            message = f"the source is decoded by the CPU and not by {hwaccel}: {why}"
            self._unaccelerated = Trouble("software_decoding", message)

    def _note(self, message: str) -> None:
        """Remember the first trouble."""
        if self._trouble is None:
            self._trouble = Trouble("source_damaged", message)

    def _decode(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._packets:
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    # One bad packet need not spoil the rest. Decoders name such errors as they please.
                    self._damaged += 1
        except IndexError:
            # PyAV, at the end, looks for a stream that appeared after the header; ours has been read to its end.
            pass
        except (av.error.FFmpegError, OSError) as error:
            self._broke = _reason(error, self._timeout_s)
            self._note(f"the source cannot be read further than {self._end_s:.1f} s: {self._broke}")
        if self._damaged:
            self._note(f"{self._damaged} packets of the source could not be decoded and were left out")

    def _decodes_all(self, since_s: float) -> bool:
        """Skip no frames any more. Where some were, and the source can go back, it goes on after a time, and this is
        true: otherwise the number of threads, which decode ahead, would decide how many more are missed."""
        if self._stream.codec_context.skip_frame == "DEFAULT":
            return False
        self._stream.codec_context.skip_frame = "DEFAULT"
        if is_live(self.name) or not self.has_times or self._trouble is not None or self._damaged:
            return False
        assert self._stream.time_base is not None
        try:
            self._container.seek(math.floor((since_s + self._start_s) / self._stream.time_base), stream=self._stream)
        except (av.error.FFmpegError, OSError):
            return False
        self._packets = self._container.demux(self._stream)
        self._decoded = (frame for frame in self._decode() if frame.time is None or self._since_start(frame) > since_s)
        return True

    def _decoding(self) -> dict[str, str]:
        """Options of the decoder, by what the header says of the frames' size."""
        codec = self._stream.codec_context
        if self._is_much_smaller(min(codec.width, codec.height)):
            return {**_MOST_PIXELS, "skip_loop_filter": "all"}
        return _MOST_PIXELS

    def _is_much_smaller(self, side: int) -> bool:
        """Whether hardly anything of frames with such a short side, in pixels, is to be left."""
        return self._short_side is not None and side >= _MUCH_SMALLER * self._short_side * self._zoom

    def _convert(self, frame: av.VideoFrame) -> UInt8Array:
        quarter_turns = round(frame.rotation / 90)
        width, height = _upright_size(frame, self._stream)
        much_smaller = self._is_much_smaller(min(width, height))
        if self._short_side is not None:
            closer = min(math.ceil(self._short_side * self._zoom), width, height)
            width, height = scaled_size(width, height, max(self._short_side, closer))
        if quarter_turns % 2:
            width, height = height, width
        if much_smaller and frame.format.name == "yuv420p":
            # To turn what is small already to RGB takes a third less time than both in one step.
            frame = _scaled(self._shrinking, frame, width, height, "yuv420p")
        picture: UInt8Array = np.asarray(
            _scaled(self._colouring, frame, width, height, "rgb24").to_ndarray(), dtype=np.uint8
        )
        if quarter_turns % 4:
            # FFmpeg states the rotation counter-clockwise, and so does numpy.
            picture = np.ascontiguousarray(np.rot90(picture, quarter_turns))
        return picture

    def _media_time(self, frame: av.VideoFrame) -> float:
        """The frame's presentation time; counted on where the source's own clock is set back or leaps."""
        if frame.time is None:
            return self._end_s
        time_s = self._since_start(frame)
        if self._last_s is not None and not -_MOST_BACK_S <= time_s - self._last_s <= _MOST_AHEAD_S:
            self._note(f"the source's clock leaps from {self._last_s:.1f} s to {time_s:.1f} s; time is counted on")
            self._start_s += time_s - self._end_s
            time_s = self._end_s
        self._last_s = time_s
        return time_s

    def _since_start(self, frame: av.VideoFrame) -> float:
        return round((frame.time or 0.0) - self._start_s, 6)

    def _duration_s(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / av.time_base if self._container.duration is not None else None

    def _note_shortfall(self) -> None:
        stated_s = self.info.duration_s
        if self._trouble is None and stated_s is not None:
            missing_s = stated_s - self._end_s
            if missing_s > max(_SHORTFALL_S, 0.1 * stated_s):
                self._trouble = Trouble(
                    "source_truncated",
                    f"the source ends after {self._end_s:.1f} s, and its header says {stated_s:.1f} s",
                )


def is_live(source: str) -> bool:
    """Whether `source` is a camera or a network stream rather than a file."""
    return bool(_URL.match(source) or _CAMERA.fullmatch(source) or source.startswith("/dev/"))


def _open(
    name: str, timeout_s: float, more: Mapping[str, str], hwaccel: HWAccel | None = None
) -> av.container.InputContainer:
    camera = _CAMERA.fullmatch(name)
    file, format_name, options = name, None, {}
    if camera or name.startswith("/dev/video"):
        device = camera[1] if camera else name
        if sys.platform == "darwin":
            file, format_name = device, "avfoundation"
            options = {"framerate": "30"}
        elif sys.platform == "win32":
            file, format_name = f"video={device}", "dshow"
        else:
            file, format_name = f"/dev/video{device}" if device.isdigit() else device, "v4l2"
    elif name.startswith("rtsp"):
        options = {"rtsp_transport": "tcp"}
    elif not _URL.match(name):
        path = Path(name)
        if not path.exists():
            raise SourceError(f"{name}: no such file")
        if path.is_dir():
            raise SourceError(f"{name}: is a folder; give a video file")
        if path.stat().st_size == 0:
            raise SourceError(f"{name}: is empty (0 bytes)")
        # A name with a colon or a leading minus is still a file.
        file = f"file:{path}"
    options = {**options, **_MOST_PIXELS, **_MOST_STREAMS, **more}
    try:
        try:
            return _container(file, format_name, options, timeout_s, hwaccel)
        except (av.error.EOFError, av.error.InvalidDataError):
            # A fragmented .mp4 whose recording broke off in a fragment's header: its index cannot be completed, but
            # what comes before can be read without.
            return _container(file, format_name, {**options, "fflags": "+ignidx"}, timeout_s, hwaccel)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{name}: cannot be opened as video: {_reason(error, timeout_s)}") from error


def _container(
    file: str, format_name: str | None, options: dict[str, str], timeout_s: float, hwaccel: HWAccel | None
) -> av.container.InputContainer:
    return av.open(
        file, format=format_name, options=options, timeout=timeout_s, metadata_errors="replace", hwaccel=hwaccel
    )


def _scaled(kept: VideoReformatter, frame: av.VideoFrame, width: int, height: int, pixels: str) -> av.VideoFrame:
    """A frame of that size and kind of pixels. What is kept need not be set up for each frame; the cores have more than
    one frame to work at."""
    return kept.reformat(frame, width, height, pixels, interpolation=Interpolation.AREA, threads=1)


def _upright_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    """Width and height as the picture is to be seen: square pixels, right way up."""
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def _rate(stream: av.VideoStream) -> float | None:
    return float(stream.average_rate) if stream.average_rate else None


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


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {timeout_s:g} s"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
