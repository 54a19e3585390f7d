"""A thread that reads a source into a lane."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable

from fitsense.errors import FitsenseError
from fitsense.server.lane import Arrival, Lane
from fitsense.server.logs import LOGGER
from fitsense.server.sources import Opened
from fitsense.server.worker import Worker
from fitsense.session import Reason
from fitsense.types import Frame
from fitsense.video.live import LiveConfig, LiveSource
from fitsense.video.source import Trouble, VideoSource

# How soon a thread that waits for room notices that it is to stop.
_POLL_S = 0.05


class Feeder:
    """Reads a source in a thread of its own.

    :param short_side: as of :class:`VideoSource`.
    :param zoom: as of :class:`VideoSource`.
    :param least_step_s: as of :class:`VideoSource`.
    :param live: how it is read if it is live.
    :param held: whether to wait, since those who read the events are far behind.
    :param closed: is called when the source is closed, in the thread.
    """

    def __init__(
        self,
        opened: Opened,
        worker: Worker,
        *,
        short_side: int,
        zoom: float,
        least_step_s: float,
        live: LiveConfig,
        held: Callable[[], bool] = lambda: False,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._opened = opened
        self._worker = worker
        self._short_side = short_side
        self._zoom = zoom
        self._least_step_s = least_step_s
        self._config = live
        self._held = held
        self._closed = closed
        self._stopped = False
        self._source: VideoSource | LiveSource | None = None
        self._lane: Lane | None = None
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fitsense feeder", daemon=True)
        self._is_open: asyncio.Future[VideoSource | LiveSource]
        self._logger = logging.getLogger(LOGGER)

    async def open(self) -> VideoSource | LiveSource:
        """Open the source.

        :raises SourceError: it cannot be read at all.
        """
        loop = asyncio.get_running_loop()
        self._is_open = loop.create_future()
        self._loop = loop
        self._thread.start()
        try:
            return await asyncio.shield(self._is_open)
        except asyncio.CancelledError:
            self.stop()
            raise

    def feed(self, lane: Lane) -> None:
        """Begin to read; the lane ends when the source does."""
        self._lane = lane
        self._go.set()

    def stop(self) -> None:
        """End soon, and close the source."""
        self._stopped = True
        self._go.set()
        if isinstance(self._source, LiveSource):
            self._source.stop()

    @property
    def dropped(self) -> int:
        """Frames that a live source dropped."""
        return self._source.dropped if isinstance(self._source, LiveSource) else 0

    def _run(self) -> None:
        try:
            try:
                source = self._source = self._open()
            except Exception as error:
                self._tell(error)
                return
            with contextlib.closing(source):
                self._tell(source)
                self._go.wait()
                if self._lane is not None:
                    self._worker.end(self._lane, self._read(source, self._lane))
        finally:
            self._closed()

    def _open(self) -> VideoSource | LiveSource:
        name, side, options = self._opened.address, self._short_side, self._opened.options
        zoom, step_s = self._zoom, self._least_step_s
        if self._opened.live:
            return LiveSource(name, side, self._config, zoom=zoom, least_step_s=step_s, options=options)
        return VideoSource(name, side, zoom=zoom, least_step_s=step_s, options=options)

    def _tell(self, outcome: VideoSource | LiveSource | Exception) -> None:
        def settle() -> None:
            if self._is_open.done():
                return
            if isinstance(outcome, Exception):
                self._is_open.set_exception(outcome)
            else:
                self._is_open.set_result(outcome)

        # The loop may be over.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(settle)

    def _read(self, source: VideoSource | LiveSource, lane: Lane) -> Reason:
        items: Iterable[Frame | Trouble] = source if isinstance(source, LiveSource) else source.told()
        try:
            for item in items:
                if not isinstance(item, Frame):
                    self._worker.note(lane, item)
                elif not self._put(lane, item):
                    break
        except FitsenseError as error:
            self._worker.note(lane, Trouble("source_lost", f"the source cannot be read any further: {error}"))
        except Exception:
            self._logger.exception("a source failed")
            return "failed"
        return "interrupted" if self._stopped else "finished"

    def _put(self, lane: Lane, frame: Frame) -> bool:
        arrival = Arrival(frame.rgb, frame.time_s, time.monotonic())
        while not self._stopped:
            wait_s = _POLL_S if self._held() else self._worker.offer(lane, arrival)
            if not wait_s:
                return not lane.over
            time.sleep(min(wait_s, _POLL_S))
        return False
