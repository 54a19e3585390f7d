"""Analysis in an asyncio program: ``async for event in fitsense.analyze_async(source)``."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from typing import Unpack

from fitsense._internal.closing import AsyncClosing
from fitsense.events.model import Event
from fitsense.inference.model import Model
from fitsense.pipeline.analysis import Analysis, analyze
from fitsense.pipeline.options import AnalysisOptions, check_option_names
from fitsense.types import Frame
from fitsense.video.inputs import Source, checked_source

# Interval at which a thread that waits for a frame checks whether to stop, in seconds.
_POLL_S = 0.1
# Longest time that closing waits for the thread, in seconds; opening a source may take longer.
_CLOSE_TIMEOUT_S = 2.0


class AsyncAnalysis(AsyncClosing, AsyncIterable[Event]):
    """Asynchronous iterable over the events of a source; made by :func:`analyze_async`.

    Loading, decoding and prediction run in worker threads, on demand: a slow consumer slows a file down, and makes a
    live source drop frames or lag behind, as its policy says. To leave early, break out of the loop, cancel the task,
    or leave ``async with``: this closes the source and ends the threads.
    """

    def __init__(self, begin: Callable[[AsyncAnalysis, asyncio.AbstractEventLoop], Analysis]) -> None:
        self._begin = begin
        self._analysis: Analysis | None = None
        self._stopped = self._closed = False
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="fitsense analysis")

    @property
    def stopped(self) -> bool:
        """True if :meth:`stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """End soon; the remaining events follow, the last one a ``session.ended`` with the reason ``interrupted``.

        May be called from any thread, and from a signal handler.
        """
        self._stopped = True
        if self._analysis is not None:
            self._analysis.stop()

    async def aclose(self) -> None:
        """Close the source and end the threads; discard the remaining events."""
        self.stop()
        if self._closed:
            return
        self._closed = True
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)
        await asyncio.wait([closing], timeout=_CLOSE_TIMEOUT_S)

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        # A generator, since asyncio closes generators that are abandoned. It refers to this object and not the other
        # way round, so that nothing keeps an abandoned one alive.
        try:
            while not self._closed:
                event = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._next, asyncio.get_running_loop()
                )
                if event is None:
                    break
                yield event
        finally:
            await self.aclose()

    def _next(self, loop: asyncio.AbstractEventLoop) -> Event | None:
        """The next event; None after the last. Runs in the worker thread."""
        if self._analysis is None:
            self._analysis = self._begin(self, loop)
            if self._stopped:
                self._analysis.stop()
        return next(self._analysis, None)

    def _close(self) -> None:
        if self._analysis is not None:
            self._analysis.close()


def analyze_async(
    source: Source | AsyncIterable[Frame], *, model: Model | None = None, **options: Unpack[AnalysisOptions]
) -> AsyncAnalysis:
    """Analyse a source without blocking the event loop: iterate over the result with ``async for``.

    :param source: as for :func:`fitsense.analyze`; also an asynchronous iterable of :class:`fitsense.Frame`.
    :param model: None for the default bundle, which the worker thread loads.
    :param options: see :class:`fitsense.AnalysisOptions`.
    :raises InvalidInputError: `source` cannot be analysed.
    :raises SourceError: the source cannot be read at all; raised by the first step of the loop.
    """
    check_option_names(options)

    def begin(analysis: AsyncAnalysis, loop: asyncio.AbstractEventLoop) -> Analysis:
        frames = _blocking_frames(source, loop, analysis) if isinstance(source, AsyncIterable) else source
        return analyze(frames, model=model, **options)

    if not isinstance(source, AsyncIterable):
        source = checked_source(source)
    return AsyncAnalysis(begin)


def _blocking_frames(
    frames: AsyncIterable[Frame], loop: asyncio.AbstractEventLoop, analysis: AsyncAnalysis
) -> Iterator[Frame]:
    """Frames of an asynchronous iterable, for a thread other than the loop's."""
    iterator = aiter(frames)
    while True:
        future = asyncio.run_coroutine_threadsafe(_next_frame(iterator), loop)
        while not concurrent.futures.wait([future], _POLL_S).done:
            if analysis.stopped:
                future.cancel()
                return
        frame = future.result()
        if frame is None:
            return
        yield frame


async def _next_frame(frames: AsyncIterator[Frame]) -> Frame | None:
    return await anext(frames, None)
