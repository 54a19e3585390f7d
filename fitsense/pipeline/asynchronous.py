"""A source's events in an asyncio program: ``async for event in fitsense.watch(source)``."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from fitsense.events.model import Event
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.pipeline.analysis import Analysis, analyze
from fitsense.session.config import SessionConfig
from fitsense.types import Frame
from fitsense.video.inputs import Source, checked_source

if TYPE_CHECKING:
    from fitsense.video.live import LiveConfig

# How soon a thread that waits for a frame notices that it is to stop.
_POLL_S = 0.1
# How long closing waits for the thread; it goes on by itself where it takes longer, as while a source is opened.
_PATIENCE_S = 2.0


class AsyncAnalysis(AsyncIterable[Event]):
    """The events of a source, as they happen; from :func:`analyze_async`.

    Loading, decoding and prediction run in threads of its own, and only as events are asked for: whoever takes them
    slowly slows a file down, and makes a live source drop frames or fall behind, as its policy says. To leave early,
    break out of the loop, cancel the task, or leave ``async with``: the source is closed, and the threads end.
    """

    def __init__(self, begin: Callable[[AsyncAnalysis, asyncio.AbstractEventLoop], Analysis]) -> None:
        self._begin = begin
        self._analysis: Analysis | None = None
        self._stopped = self._closed = False
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="fitsense watch")

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopped

    def stop(self) -> None:
        """End soon: the events that are left still come, the last one a ``session.ended`` that says ``interrupted``.

        May be called from any thread, and from a signal handler.
        """
        self._stopped = True
        if self._analysis is not None:
            self._analysis.stop()

    async def aclose(self) -> None:
        """Close the source and end the threads, without the events that are left."""
        self.stop()
        if self._closed:
            return
        self._closed = True
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await asyncio.wait([closing], timeout=_PATIENCE_S)

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        # A generator, since the loop closes one that is left in the middle. It knows the watch, and not the other way
        # round, so that nothing keeps it alive then.
        try:
            while not self._closed:
                event = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._next, asyncio.get_running_loop()
                )
                if event is None:
                    break
                yield event
        finally:
            await self.aclose()

    async def __aenter__(self) -> AsyncAnalysis:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _next(self, loop: asyncio.AbstractEventLoop) -> Event | None:
        """The next event; None after the last. In the thread."""
        if self._analysis is None:
            self._analysis = self._begin(self, loop)
            if self._stopped:
                self._analysis.stop()
        return next(self._analysis, None)

    def _close(self) -> None:
        if self._analysis is not None:
            self._analysis.close()


def analyze_async(
    source: Source | AsyncIterable[Frame],
    *,
    model: Model | None = None,
    config: SessionConfig | None = None,
    hop_s: float | None = None,
    live: LiveConfig | None = None,
    realtime: bool = False,
    region: Region | None = None,
    people: str | None = None,
    hwaccel: str | None = None,
    track: int | None = None,
    exercises: Iterable[str] | None = None,
    expected: str | None = None,
) -> AsyncAnalysis:
    """Analyse a source without holding up the event loop: ``async for`` over what this gives takes its events.

    :param source: as of :func:`fitsense.analyze`; frames may also come from an asynchronous iterator.
    :param model: None for the bundle that comes with fitsense, which is then loaded first.
    :param config: as of :func:`fitsense.analyze`.
    :param hop_s: seconds between predictions, instead of the config's.
    :param live: how cameras and streams are read; None for the defaults.
    :param realtime: take no frame before its time, so that a file comes as a camera would show it.
    :param region: where in the picture to look, instead of the config's.
    :param people: as of :func:`fitsense.analyze`.
    :param hwaccel: as of :func:`fitsense.analyze`.
    :param track: as of :func:`fitsense.analyze`.
    :param exercises: as of :func:`fitsense.analyze`.
    :param expected: as of :func:`fitsense.analyze`.
    :raises InvalidInputError: at once, if `source` is nothing that can be analysed.
    :raises SourceError: by the first step of the loop, if the source cannot be read at all.
    """

    def begin(watch: AsyncAnalysis, loop: asyncio.AbstractEventLoop) -> Analysis:
        frames = _pulled(source, loop, watch) if isinstance(source, AsyncIterable) else source
        return analyze(
            frames,
            model=model,
            config=config,
            hop_s=hop_s,
            live=live,
            realtime=realtime,
            region=region,
            people=people,
            hwaccel=hwaccel,
            track=track,
            exercises=exercises,
            expected=expected,
        )

    if not isinstance(source, AsyncIterable):
        source = checked_source(source)
    return AsyncAnalysis(begin)


def _pulled(frames: AsyncIterable[Frame], loop: asyncio.AbstractEventLoop, watch: AsyncAnalysis) -> Iterator[Frame]:
    """An asynchronous iterator's frames, for a thread that is not the loop's."""
    iterator = aiter(frames)
    while True:
        coming = asyncio.run_coroutine_threadsafe(_next_of(iterator), loop)
        while not concurrent.futures.wait([coming], _POLL_S).done:
            if watch.stopped:
                coming.cancel()
                return
        frame = coming.result()
        if frame is None:
            return
        yield frame


async def _next_of(frames: AsyncIterator[Frame]) -> Frame | None:
    return await anext(frames, None)
