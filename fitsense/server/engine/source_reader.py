"""A thread that reads a source into the queue of a session."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import WorkerThread, detached
from fitsense.errors import FitsenseError
from fitsense.pipeline.checkpoint import SourcePosition
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.session_queue import QueuedFrame, SessionQueue
from fitsense.server.log import LOGGER
from fitsense.server.source_policy import Opened
from fitsense.session.session import Reason
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.live import LiveConfig, LiveSource
from fitsense.video.source import SourceWarning, VideoSource

# Longest time in seconds until a thread that waits for room reacts to stop().
_POLL_S = 0.05


def _never() -> bool:
    return False


def _nothing() -> None:
    pass


class SourceReader:
    """Reads a source in a thread and releases it when the thread ends.

    :param short_side: as of :class:`VideoSource`.
    :param zoom: as of :class:`VideoSource`.
    :param min_interval_s: as of :class:`VideoSource`.
    :param max_pixels: as of :class:`VideoSource`.
    :param threads: CPU threads of the decoder.
    :param live: reading of a live source.
    :param on_close: called in the thread after the source is closed.
    """

    def __init__(
        self,
        opened: Opened,
        worker: BatchWorker,
        *,
        short_side: int,
        zoom: float,
        min_interval_s: float,
        max_pixels: int,
        threads: int,
        live: LiveConfig,
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        self._opened = opened
        self._worker = worker
        self._short_side = short_side
        self._zoom = zoom
        self._min_interval_s = min_interval_s
        self._max_pixels = max_pixels
        self._threads = threads
        self._config = live
        self._paused: Callable[[], bool] = _never
        self._on_close = on_close
        self._stop = StopFlag()
        self._live: LiveSource | None = None
        self._dropped = 0
        self._queue: SessionQueue | None = None
        self._position: SourcePosition | None = None
        self._go = threading.Event()
        self._thread: WorkerThread | None = None
        self._logger = logging.getLogger(LOGGER)

    async def open(self, timeout_s: float) -> datetime | None:
        """Open the source and decode its first frame.

        :param timeout_s: longest time for that.
        :return: wall-clock time of media time 0; None if it is unknown.
        :raises SourceError: the source cannot be read at all.
        :raises TimeoutError: it takes too long.
        """
        loop = asyncio.get_running_loop()
        opening: asyncio.Future[datetime | None] = loop.create_future()
        self._thread = WorkerThread(functools.partial(self._run, loop, opening), self.stop, "fitsense source reader")
        self._thread.start()
        try:
            async with asyncio.timeout(timeout_s):
                return await opening
        except BaseException:
            self.stop()
            raise

    def read_into(
        self, queue: SessionQueue, paused: Callable[[], bool] = _never, position: SourcePosition | None = None
    ) -> None:
        """Start reading; the queue ends with the source.

        :param paused: whether to wait, because the readers of the events are far behind.
        :param position: where to continue a source that a previous process has read; None for its beginning.
        """
        self._queue, self._paused, self._position = queue, paused, position
        self._go.set()

    def stop(self) -> None:
        """Ask the thread to close the source and end."""
        self._stop.set()
        self._go.set()

    @property
    def begun(self) -> bool:
        """True if the thread was started; it then closes the source."""
        return self._thread is not None

    @property
    def alive(self) -> bool:
        """True if the thread runs, and may hold a decoder."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def dropped(self) -> int:
        """Number of frames that a live source has dropped."""
        live = self._live
        return live.dropped if live is not None else self._dropped

    def _run(self, loop: asyncio.AbstractEventLoop, opening: asyncio.Future[datetime | None]) -> None:
        try:
            try:
                source = self._open()
            except Exception as error:
                _settle(loop, opening, detached(error))
                return
            with contextlib.closing(source):
                self._live = source if isinstance(source, LiveSource) else None
                opened_at = self._live.started_at if self._live is not None else None
                _settle(loop, opening, opened_at or source.info.created_at)
                self._go.wait()
                if self._queue is not None:
                    self._worker.end(self._queue, self._read(source, self._queue))
        finally:
            self._dropped, self._live = self.dropped, None
            self._on_close()
            self._paused, self._on_close = _never, _nothing

    def _open(self) -> VideoSource | LiveSource:
        decode = DecodeConfig(
            short_side=self._short_side,
            zoom=self._zoom,
            min_interval_s=self._min_interval_s,
            options=self._opened.options,
            threads=self._threads,
            max_pixels=self._max_pixels,
        )
        if self._opened.live:
            return LiveSource(self._opened.address, decode, self._config, stop=self._stop)
        return VideoSource(self._opened.address, decode, stop=self._stop)

    def _read(self, source: VideoSource | LiveSource, queue: SessionQueue) -> Reason:
        items: Iterable[Frame | SourceWarning] = source if isinstance(source, LiveSource) else source.items()
        if self._position is not None:
            items = self._position.following(items, self._live.started_at if self._live is not None else None)
        try:
            for item in items:
                if not isinstance(item, Frame):
                    self._worker.warn(queue, item)
                elif not self._put(queue, item):
                    break
        except FitsenseError as error:
            self._worker.warn(queue, SourceWarning("source_lost", f"the source cannot be read any further: {error}"))
        except Exception:
            self._logger.exception("a source failed")
            return "failed"
        return "interrupted" if self._stop.requested else "finished"

    def _put(self, queue: SessionQueue, frame: Frame) -> bool:
        queued = QueuedFrame(frame.rgb, frame.time_s, time.monotonic())
        while not self._stop.requested:
            wait_s = _POLL_S if self._paused() else self._worker.offer(queue, queued)
            if not wait_s:
                return not queue.over
            time.sleep(min(wait_s, _POLL_S))
        return False


def _settle(
    loop: asyncio.AbstractEventLoop, opening: asyncio.Future[datetime | None], outcome: datetime | BaseException | None
) -> None:
    """Resolve the future in the loop's thread."""

    def settle() -> None:
        if opening.done():
            return
        if isinstance(outcome, BaseException):
            opening.set_exception(outcome)
        else:
            opening.set_result(outcome)

    # The loop may be closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)
