"""Live sources: cameras and network streams, read by a thread and reopened after losses."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.backoff import Backoff, BackoffConfig
from fitsense._internal.channel import Channel
from fitsense._internal.redaction import redact
from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import WorkerThread
from fitsense._internal.validators import instance, integer, number, one_of
from fitsense.errors import SourceError
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.frame_queue import FrameQueue, Policy
from fitsense.video.source import SourceWarning, VideoInfo, VideoSource

_LOGGER = logging.getLogger("fitsense.video")

# Interval at which a thread that waits to reconnect checks whether to stop, in seconds.
_POLL_S = 0.1
# Longest time that closing waits for the reader thread, in seconds; it cannot be woken while it waits for a packet.
_CLOSE_TIMEOUT_S = 1.0
# A source whose times are further ahead of the clock has set its clock; segmented streams are ahead by less.
_MAX_AHEAD_S = 60.0
# Smallest step of media time, in seconds, from one connection to the next.
_MIN_STEP_S = 0.001


@checks_arguments
@attrs.frozen
class LiveConfig:
    """Reading of a live source.

    :param policy: what to do if analysis is slower than the source: ``latest`` drops the oldest queued frames and warns
        of their number; ``all`` drops none, lags behind, and warns of the lag.
    :param queue_size: limit of queued frames.
    :param timeout_s: a source that sends nothing for this many seconds is lost. Also the longest time to open it and,
        if nothing arrives, the time that the reader thread may outlive it.
    :param backoff: delays between attempts to reach a lost source again.
    :param reconnect_timeout_s: how long to try, in seconds; 0 to end with the stream, ``math.inf`` to try for ever.
    :param warning_interval_s: minimum interval in seconds between two warnings of dropped frames, or of lag.
    """

    policy: Policy = attrs.field(default="latest", validator=one_of(get_args(Policy)))
    queue_size: int = attrs.field(default=32, validator=integer(1))
    timeout_s: float = attrs.field(default=10.0, validator=number(0.0, above=True))
    backoff: BackoffConfig = attrs.field(factory=BackoffConfig, validator=instance(BackoffConfig))
    reconnect_timeout_s: float = attrs.field(default=300.0, validator=number(0.0, math.inf))
    warning_interval_s: float = attrs.field(default=10.0, validator=number(0.0, math.inf))


@attrs.frozen
class _Connection:
    """An open source.

    :param opened_s: when opening began, by the monotonic clock.
    :param news: message of the warning that follows the first frame; None for no warning.
    """

    video: VideoSource
    opened_s: float
    news: str | None = None


class LiveSource:
    """Iterates over a source's frames, with warnings between them. Iterate once, then close.

    :param source: a URL, ``camera:0`` or a device's path.
    :param decode: how to decode and scale; None for the defaults.
    :param config: how to read and reconnect; None for the defaults.
    :param stop: flag that ends reading soon; :meth:`stop` sets it.
    :raises SourceError: the source cannot be opened at first. A source that is lost later is reopened, or given up with
        a warning.

    A thread reads the source. Media time 0 is when opening began; within a connection, frames keep the intervals of
    their timestamps, and a new connection starts at the wall-clock time, so that an outage is a gap of its true length.
    Frames of streams without timestamps, such as motion JPEG cameras, are timed by the clock alone.

    A source with an end, such as a recording on a server, is read like a file: at its own speed and without a thread.
    """

    def __init__(
        self,
        source: str,
        decode: DecodeConfig | None = None,
        config: LiveConfig | None = None,
        *,
        stop: StopFlag | None = None,
    ) -> None:
        self._source = source
        self._decode = decode
        self._stop = stop or StopFlag()
        self._config = config = config or LiveConfig()
        self._origin_s, self._wall = time.monotonic(), datetime.now(UTC)
        self._video = self._open()
        self._queue = FrameQueue(config.policy, config.queue_size, self._origin_s, config.warning_interval_s)
        self._backoff = Backoff(config.backoff, config.reconnect_timeout_s)
        self._last_s = -math.inf
        self._channel: Channel[Frame, Frame | SourceWarning] = Channel(self._queue, self._stop)
        self._closed = False
        # Created when it is started: until it has run, it refers to this object.
        self._thread: WorkerThread | None = None

    @property
    def info(self) -> VideoInfo:
        """Properties of the source when it was first opened."""
        return self._video.info

    @property
    def started_at(self) -> datetime | None:
        """Wall-clock time of media time 0; None for a recording, whose date is unknown."""
        return self._wall if self.info.duration_s is None else None

    @property
    def dropped(self) -> int:
        """Number of dropped frames."""
        return self._queue.dropped

    def stop(self) -> None:
        """End the iteration soon. May be called from any thread, and from a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """End the thread and free the source. Takes up to the config's timeout if the source sends nothing."""
        self.stop()
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            self._video.close()
        else:
            self._thread.join(_CLOSE_TIMEOUT_S)

    def __iter__(self) -> Iterator[Frame | SourceWarning]:
        if self.info.duration_s is not None:
            yield from itertools.takewhile(lambda _: not self._stop.requested, self._video.items())
            return
        if self._closed:
            return
        self._thread = WorkerThread(self._read, self._stop.set, f"fitsense {type(self).__name__}")
        self._thread.start()
        while (item := self._channel.take()) is not None:
            yield item
        if (warning := self._queue.pending_warning(time.monotonic())) is not None:
            yield warning
        self._channel.raise_error()

    def _read(self) -> None:
        """Target of the thread."""
        self._channel.feed(self._frames())

    def _frames(self) -> Iterator[Frame]:
        """The frames of all connections; warnings are queued between them."""
        connection = _Connection(self._video, self._origin_s)
        if (warning := self._video.unaccelerated) is not None:
            self._warn(warning.code, warning.message)
        while True:
            with connection.video as video:
                base_s = max(connection.opened_s - self._origin_s, self._last_s + _MIN_STEP_S)
                for frame in video:
                    now_s = time.monotonic() - self._origin_s
                    if base_s + frame.time_s > now_s + _MAX_AHEAD_S:
                        base_s = max(now_s, self._last_s + _MIN_STEP_S) - frame.time_s
                    time_s = base_s + frame.time_s if video.has_times else now_s
                    yield Frame(frame.rgb, time_s)
                    self._last_s = max(self._last_s, time_s)
                    if connection.news is not None:
                        self._warn("reconnected", connection.news)
                        connection = attrs.evolve(connection, news=None)
            if self._stop.requested:
                return
            reconnected = self._reconnect(video.read_error)
            if reconnected is None:
                return
            connection = reconnected

    def _reconnect(self, error: str | None) -> _Connection | None:
        """Open the lost source again; None if it was given up, or has ended."""
        config, lost_s = self._config, time.monotonic()
        reason = f"the source was lost: {error or 'it ended'}"
        duration = (
            f"{config.reconnect_timeout_s:g} s" if config.reconnect_timeout_s < math.inf else "as long as it takes"
        )
        if config.reconnect_timeout_s > 0:
            self._warn("reconnecting", f"{reason}; trying for {duration} to reach it again")
        elif error is not None:
            self._warn("source_lost", reason)
        self._backoff.fail(lost_s)
        attempts = 0
        while (delay_s := self._backoff.delay_s(time.monotonic())) is not None and self._wait(delay_s):
            attempts += 1
            opened_s = time.monotonic()
            try:
                video = self._open()
            except SourceError:
                continue
            if video.info.duration_s is not None:
                # The broadcast has ended, and the server offers its recording.
                video.close()
                return None
            self._backoff.recover(time.monotonic())
            with self._channel.locked():
                self._queue.restart(self._origin_s)
            news = f"the source is back after {opened_s - lost_s:.1f} s, at attempt {attempts}"
            return _Connection(video, opened_s, news)
        if attempts and not self._stop.requested:
            self._warn("source_lost", f"{reason}; it could not be reached again within {duration}")
        return None

    def _open(self) -> VideoSource:
        return VideoSource(self._source, self._decode, timeout_s=self._config.timeout_s, stop=self._stop)

    def _wait(self, seconds: float) -> bool:
        """Wait; False if stopped meanwhile."""
        until_s = time.monotonic() + seconds
        while not self._stop.requested and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _POLL_S))
        return not self._stop.requested

    def _warn(self, code: str, message: str) -> None:
        _LOGGER.debug("%s: %s: %s", redact(self._source), code, message)
        with self._channel.locked():
            self._queue.note(SourceWarning(code, message))
