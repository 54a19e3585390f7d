"""Live sources: cameras and streams, which do not wait, and which come and go."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import get_args

import attrs

from fitsense._internal.backoff import Backoff
from fitsense._internal.threads import WorkerThread, handed_over
from fitsense.errors import InvalidInputError, SourceError
from fitsense.types import Frame
from fitsense.video.frame_queue import FrameQueue, Policy
from fitsense.video.source import MAX_PIXELS, SourceWarning, VideoInfo, VideoSource
from fitsense.video.stopping import StopFlag

# How soon whoever waits for something else notices that it is to stop.
_POLL_S = 0.1
# How long closing waits for the reader, which cannot be woken while it waits for a packet.
_PATIENCE_S = 1.0
# A source whose times run ahead of the clock by more than this has set its own; segmented streams are ahead by less.
_MAX_AHEAD_S = 60.0
# Media time never stands still, not even when a source comes back before its time.
_MIN_STEP_S = 0.001


@attrs.frozen
class LiveConfig:
    """How a live source is read.

    :param policy: what to do when analysis is slower than the source: ``latest`` drops the oldest of the frames that
        wait and says how many; ``all`` drops none, falls behind, and says how far.
    :param queue_size: frames that may wait for analysis.
    :param timeout_s: a source that sends nothing for so many seconds is taken for lost. It is also how long a
        source may take to open, and, while nothing comes, how long the thread that reads it may outlive it.
    :param first_delay_s: longest pause before the first attempt to reach a lost source again.
    :param max_delay_s: longest pause between two attempts.
    :param reconnect_timeout_s: for how long to try; 0 to take the end of a stream for the end, ``math.inf`` to try for
        ever.
    :param warning_interval_s: least time between two warnings of dropped frames, or of falling behind.
    """

    policy: Policy = attrs.field(default="latest", validator=attrs.validators.in_(get_args(Policy)))
    queue_size: int = 32
    timeout_s: float = 10.0
    first_delay_s: float = 0.5
    max_delay_s: float = 10.0
    reconnect_timeout_s: float = 300.0
    warning_interval_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        for field in ("queue_size", "timeout_s", "first_delay_s", "max_delay_s"):
            value = getattr(self, field)
            if not 0 < value < math.inf:
                raise InvalidInputError(f"LiveConfig.{field}: expected a number above 0, got {value!r}")
        for field in ("reconnect_timeout_s", "warning_interval_s"):
            value = getattr(self, field)
            if not value >= 0:
                raise InvalidInputError(f"LiveConfig.{field}: expected a number of seconds, at least 0, got {value!r}")


@attrs.frozen
class _Connection:
    """A source that was opened, when that began, and what is to be told after its first frame."""

    video: VideoSource
    opened_s: float
    news: str | None = None


class LiveSource:
    """Iterates over a source's frames, with a note wherever there is something to tell. Iterate once, then close.

    :param source: a URL, ``camera:0`` or a device's path.
    :param short_side: as of :class:`VideoSource`.
    :param config: None for the defaults.
    :param zoom: as of :class:`VideoSource`.
    :param min_interval_s: as of :class:`VideoSource`.
    :param options: as of :class:`VideoSource`.
    :param hwaccel: as of :class:`VideoSource`.
    :param threads: as of :class:`VideoSource`.
    :param track: as of :class:`VideoSource`.
    :param max_pixels: as of :class:`VideoSource`.
    :param stop: as of :class:`VideoSource`; :meth:`stop` sets it.
    :raises SourceError: the source cannot be read to begin with. Later it is reached again, or given up with a note.

    A thread reads the source. Media time 0 is when opening began; frames of a connection are apart as their own times
    say, and a new connection's begin where the wall clock is by then, so that an outage is a gap of its true length.
    Streams without times, as of cameras that send one JPEG after the other, are timed by the clock alone.

    What has an end, as a recording that a server offers, is read like a file: at its own speed and without a thread.
    """

    def __init__(
        self,
        source: str,
        short_side: int | None = None,
        config: LiveConfig | None = None,
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
        self._source = source
        self._short_side = short_side
        self._zoom = zoom
        self._min_step_s = min_interval_s
        self._options = options
        self._hwaccel = hwaccel
        self._threads = threads
        self._track = track
        self._max_pixels = max_pixels
        self._stop = stop or StopFlag()
        self._config = config = config or LiveConfig()
        self._origin_s, self._wall = time.monotonic(), datetime.now(UTC)
        self._video = self._open()
        self._backlog = FrameQueue(config.policy, config.queue_size, self._origin_s, config.warning_interval_s)
        self._retries = Backoff(config.first_delay_s, config.max_delay_s, config.reconnect_timeout_s)
        self._last_s = -math.inf
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None
        # Made when it is to run: until it has, it refers to this object.
        self._reader: WorkerThread | None = None

    @property
    def info(self) -> VideoInfo:
        """What the source said of itself at first."""
        return self._video.info

    @property
    def started_at(self) -> datetime | None:
        """Wall-clock time of media time 0; None for a recording, which may be of any day."""
        return self._wall if self.info.duration_s is None else None

    @property
    def dropped(self) -> int:
        """Frames that were dropped, in all."""
        return self._backlog.dropped

    def stop(self) -> None:
        """End the iteration soon. May be called from a signal handler, and from any thread."""
        self._stop.set()

    def close(self) -> None:
        """End the thread and free the source: at once as a rule, after the config's timeout where nothing comes."""
        self.stop()
        if self._closed:
            return
        self._closed = True
        if self._reader is None:
            self._video.close()
        else:
            self._reader.join(_PATIENCE_S)

    def __iter__(self) -> Iterator[Frame | SourceWarning]:
        if self.info.duration_s is not None:
            yield from itertools.takewhile(lambda _: not self._stop.requested, self._video.items())
            return
        if self._closed:
            return
        self._reader = WorkerThread(self._read, self._stop.set, f"fitsense {type(self).__name__}")
        self._reader.start()
        while (item := self._take()) is not None:
            yield item
        if (untold := self._backlog.pending_warning(time.monotonic())) is not None:
            yield untold
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback refers to this frame.
                del error

    def _take(self) -> Frame | SourceWarning | None:
        with self._changed:
            while not self._stop.requested:
                item = self._backlog.take(time.monotonic())
                if item is not None:
                    self._changed.notify_all()
                    return item
                if self._ended:
                    break
                self._changed.wait(_POLL_S)
        return None

    def _read(self) -> None:
        """What the thread does."""
        try:
            self._read_on()
        except BaseException as error:
            # For whoever iterates.
            self._error = handed_over(error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read_on(self) -> None:
        connection = _Connection(self._video, self._origin_s)
        if (trouble := self._video.unaccelerated) is not None:
            self._note(trouble.code, trouble.message)
        while True:
            with connection.video as video:
                base_s = max(connection.opened_s - self._origin_s, self._last_s + _MIN_STEP_S)
                for frame in video:
                    now_s = time.monotonic() - self._origin_s
                    if base_s + frame.time_s > now_s + _MAX_AHEAD_S:
                        base_s = max(now_s, self._last_s + _MIN_STEP_S) - frame.time_s
                    time_s = base_s + frame.time_s if video.has_times else now_s
                    if not self._put(Frame(frame.rgb, time_s)):
                        return
                    self._last_s = max(self._last_s, time_s)
                    if connection.news is not None:
                        self._note("reconnected", connection.news)
                        connection = attrs.evolve(connection, news=None)
            if self._stop.requested:
                return
            again = self._reconnect(video.read_error)
            if again is None:
                return
            connection = again

    def _reconnect(self, why: str | None) -> _Connection | None:
        """Try to reach the source again; None if it was given up, or is over."""
        config, lost_s = self._config, time.monotonic()
        reason = f"the source was lost: {why or 'it ended'}"
        patience = (
            f"{config.reconnect_timeout_s:g} s" if config.reconnect_timeout_s < math.inf else "as long as it takes"
        )
        if config.reconnect_timeout_s > 0:
            self._note("reconnecting", f"{reason}; trying for {patience} to reach it again")
        elif why is not None:
            self._note("source_lost", reason)
        self._retries.lost(lost_s)
        attempts = 0
        while (pause_s := self._retries.pause_s(time.monotonic())) is not None and self._wait(pause_s):
            attempts += 1
            opened_s = time.monotonic()
            try:
                video = self._open()
            except SourceError:
                continue
            if video.info.duration_s is not None:
                # The broadcast is over, and its recording is on offer.
                video.close()
                return None
            self._retries.back(time.monotonic())
            with self._changed:
                self._backlog.restart(self._origin_s)
            news = f"the source is back after {opened_s - lost_s:.1f} s, at attempt {attempts}"
            return _Connection(video, opened_s, news)
        if attempts and not self._stop.requested:
            self._note("source_lost", f"{reason}; it could not be reached again within {patience}")
        return None

    def _open(self) -> VideoSource:
        return VideoSource(
            self._source,
            self._short_side,
            self._config.timeout_s,
            zoom=self._zoom,
            min_interval_s=self._min_step_s,
            options=self._options,
            hwaccel=self._hwaccel,
            threads=self._threads,
            track=self._track,
            max_pixels=self._max_pixels,
            stop=self._stop,
        )

    def _wait(self, seconds: float) -> bool:
        """Wait; whether to go on."""
        until_s = time.monotonic() + seconds
        while not self._stop.requested and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _POLL_S))
        return not self._stop.requested

    def _put(self, frame: Frame) -> bool:
        """Hand a frame over, as soon as there is room; whether to go on."""
        with self._changed:
            while not self._stop.requested:
                wait_s = self._backlog.offer(frame, time.monotonic())
                if not wait_s:
                    self._changed.notify_all()
                    return True
                self._changed.wait(min(wait_s, _POLL_S))
        return False

    def _note(self, code: str, message: str) -> None:
        with self._changed:
            self._backlog.note(SourceWarning(code, message))
            self._changed.notify_all()
