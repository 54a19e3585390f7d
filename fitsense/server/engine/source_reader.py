"""A thread that reads a source into a lane."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from fitsense._internal.threads import WorkerThread, detached
from fitsense.errors import FitsenseError
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.session_queue import QueuedFrame, SessionQueue
from fitsense.server.log import LOGGER
from fitsense.server.source_policy import Opened
from fitsense.session.session import Reason
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.live import LiveConfig, LiveSource
from fitsense.video.source import SourceWarning, VideoSource
from fitsense.video.stopping import StopFlag

# How soon a thread that waits for room notices that it is to stop.
_POLL_S = 0.05


class SourceReader:
    """Reads a source in a thread of its own, and keeps nothing of it when that has ended.

    :param short_side: as of :class:`VideoSource`.
    :param zoom: as of :class:`VideoSource`.
    :param min_interval_s: as of :class:`VideoSource`.
    :param max_pixels: as of :class:`VideoSource`.
    :param threads: of the decoder.
    :param live: how it is read if it is live.
    :param held: whether to wait, since those who read the events are far behind.
    :param closed: is called when the source is closed, in the thread.
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
        held: Callable[[], bool] = lambda: False,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._opened = opened
        self._worker = worker
        self._short_side = short_side
        self._zoom = zoom
        self._min_step_s = min_interval_s
        self._max_pixels = max_pixels
        self._threads = threads
        self._config = live
        self._held = held
        self._closed = closed
        self._stop = StopFlag()
        self._live: LiveSource | None = None
        self._dropped = 0
        self._lane: SessionQueue | None = None
        self._go = threading.Event()
        self._thread: WorkerThread | None = None
        self._logger = logging.getLogger(LOGGER)

    async def open(self, patience_s: float) -> datetime | None:
        """Open the source; give the wall-clock time of media time 0, where it is known.

        :param patience_s: how long that may take, up to the first picture.
        :raises SourceError: it cannot be read at all.
        :raises TimeoutError: it takes too long.
        """
        loop = asyncio.get_running_loop()
        opening: asyncio.Future[datetime | None] = loop.create_future()
        self._thread = WorkerThread(functools.partial(self._run, loop, opening), self.stop, "fitsense feeder")
        self._thread.start()
        try:
            return await asyncio.wait_for(opening, patience_s)
        except BaseException:
            self.stop()
            raise

    def feed(self, lane: SessionQueue) -> None:
        """Begin to read; the lane ends when the source does."""
        self._lane = lane
        self._go.set()

    def stop(self) -> None:
        """End soon, and close the source."""
        self._stop.set()
        self._go.set()

    @property
    def begun(self) -> bool:
        """Whether its thread has begun, which closes the source."""
        return self._thread is not None

    @property
    def alive(self) -> bool:
        """Whether its thread has begun and not ended: whether it may hold a decoder."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def dropped(self) -> int:
        """Frames that a live source dropped."""
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
                if self._lane is not None:
                    self._worker.end(self._lane, self._read(source, self._lane))
        finally:
            self._dropped, self._live = self.dropped, None
            self._closed()
            self._held, self._closed = _never, _nothing

    def _open(self) -> VideoSource | LiveSource:
        decode = DecodeConfig(
            short_side=self._short_side,
            zoom=self._zoom,
            min_interval_s=self._min_step_s,
            options=self._opened.options,
            threads=self._threads,
            max_pixels=self._max_pixels,
        )
        if self._opened.live:
            return LiveSource(self._opened.address, decode, self._config, stop=self._stop)
        return VideoSource(self._opened.address, decode, stop=self._stop)

    def _read(self, source: VideoSource | LiveSource, lane: SessionQueue) -> Reason:
        items: Iterable[Frame | SourceWarning] = source if isinstance(source, LiveSource) else source.items()
        try:
            for item in items:
                if not isinstance(item, Frame):
                    self._worker.note(lane, item)
                elif not self._put(lane, item):
                    break
        except FitsenseError as error:
            self._worker.note(lane, SourceWarning("source_lost", f"the source cannot be read any further: {error}"))
        except Exception:
            self._logger.exception("a source failed")
            return "failed"
        return "interrupted" if self._stop.requested else "finished"

    def _put(self, lane: SessionQueue, frame: Frame) -> bool:
        arrival = QueuedFrame(frame.rgb, frame.time_s, time.monotonic())
        while not self._stop.requested:
            wait_s = _POLL_S if self._held() else self._worker.offer(lane, arrival)
            if not wait_s:
                return not lane.over
            time.sleep(min(wait_s, _POLL_S))
        return False


def _settle(
    loop: asyncio.AbstractEventLoop, opening: asyncio.Future[datetime | None], outcome: datetime | BaseException | None
) -> None:
    def settle() -> None:
        if opening.done():
            return
        if isinstance(outcome, BaseException):
            opening.set_exception(outcome)
        else:
            opening.set_result(outcome)

    # The loop may be over.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)


def _never() -> bool:
    """Whether a feeder that has ended has to wait."""
    return False


def _nothing() -> None:
    """What a feeder that has ended has to close."""
