"""Several sources in one program: ``for event in fitsense.SourceGroup({...})``."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

import attrs

from fitsense._internal.channel import Channel
from fitsense._internal.closing import Closing
from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import WorkerThread, detached
from fitsense._internal.validators import is_uri_reference
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events.model import Event
from fitsense.inference.model import Model, load_model
from fitsense.pipeline.analysis import Analysis
from fitsense.pipeline.options import AnalysisOptions, check_option_names, session_config
from fitsense.video.inputs import Source
from fitsense.video.opening import is_live

# Limit of a source's queued events; its thread waits while the queue is full.
_MAX_QUEUED = 16
# Interval at which a source that waits for its start checks whether to stop, in seconds.
_POLL_S = 0.1
# Longest time that closing waits for threads, in seconds: one that opens a source, or waits for its next packet, cannot
# be woken.
_CLOSE_TIMEOUT_S = 2.0
# The fractional parts of multiples of the golden ratio are spread evenly over 0..1, however many there are.
_GOLDEN = 0.6180339887


class SourceGroup(Closing, Iterator[Event]):
    """Iterator over the events of several sources. Use it as a context manager.

    Each source has a session, whose events carry the source's name as their ``source``, and a thread; all share the
    model. A source that breaks, or cannot be opened, does not affect the others: its last event is a ``session.ended``
    with the reason ``failed``. A slow consumer slows files down, and makes live sources drop frames or lag behind, as
    their policy says.

    :param sources: sources by name, each as for :func:`fitsense.analyze`.
    :param model: None for the default bundle on one thread: several sources keep the cores busy, and one thread each
        costs least.
    :param keep_open: whether to wait for further sources when none is left; if not, the iteration ends with the last.
    :param options: options of all sources, see :class:`fitsense.AnalysisOptions`.
    :raises InvalidInputError: as for :meth:`add`.
    """

    def __init__(
        self,
        sources: Mapping[str, Source] | None = None,
        *,
        model: Model | None = None,
        keep_open: bool = False,
        **options: Unpack[AnalysisOptions],
    ) -> None:
        check_option_names(options)
        if options.get("snapshot_to") is not None:
            raise InvalidInputError("snapshot_to: expected it as an option of add(), a file for each source")
        self._model = model or load_model(threads=1)
        self._options = options
        self._running = _RunningSources(keep_open)
        self._added = itertools.count()
        # Threads refer to the running sources and not to this object, so that it can be collected while they run.
        self._finalizer = weakref.finalize(self, self._running.close)
        try:
            for name, source in (sources or {}).items():
                self.add(name, source)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> list[str]:
        """Names of the running sources, in the order in which they were added."""
        return self._running.names

    @property
    def failures(self) -> Mapping[str, BaseException]:
        """Errors of failed sources by name; kept until a source of the same name is added."""
        return dict(self._running.failures)

    def add(self, name: str, source: Source, **options: Unpack[AnalysisOptions]) -> None:
        """Add a source and start to analyse it. May be called from any thread.

        The source's thread opens it. A live source, or a file in real time, is opened up to one hop later, so that the
        windows of the sources do not all end at the same time.

        :param name: URI reference, such as ``door`` or ``urn:gym:door``: the ``source`` of the events; overrides the
            options. It can be used again when the last event of the source that had it can be taken.
        :param source: as for :func:`fitsense.analyze`.
        :param options: options of this source, which override those of all sources.
        :raises InvalidInputError: the name is in use or invalid, the source cannot be analysed, or an option is wrong.
        :raises WeightsError: as for :func:`fitsense.analyze`.
        :raises FitsenseError: the group is closed or stopped.
        """
        if not is_uri_reference(name):
            raise InvalidInputError(f"name: expected a URI reference, such as door or urn:gym:door, got {name!r}")
        merged: AnalysisOptions = {**self._options, **options, "source_uri": name}
        analysis = Analysis(source, self._model, **merged)
        delay_s = 0.0
        if merged.get("realtime") or (isinstance(source, (str, Path)) and is_live(str(source))):
            delay_s = next(self._added) * _GOLDEN % 1.0 * session_config(merged).hop_s
        self._running.start(_Source(name, analysis, delay_s))

    def remove(self, name: str) -> None:
        """End a source soon: its remaining events follow, the last one a ``session.ended`` with the reason
        ``interrupted``. May be called from any thread; nothing happens if the source has ended already.

        :raises InvalidInputError: no source was added by this name.
        """
        self._running.stop_source(name)

    def stop(self) -> None:
        """End all sources soon, as :meth:`remove` does, and then the iteration. May be called from any thread, and from
        a signal handler."""
        self._running.stop()

    def close(self) -> None:
        """Close all sources and end their threads; discard the remaining events.

        Takes up to a live source's timeout if that sends nothing.
        """
        self._running.close()
        self._running.join()

    def __next__(self) -> Event:
        event = self._running.take()
        if event is None:
            raise StopIteration
        return event


@attrs.define(eq=False)
class _Source:
    """A running source.

    :param delay_s: how long to wait before opening it, in seconds.
    """

    name: str
    analysis: Analysis
    delay_s: float
    stopped: bool = False

    def stop(self) -> None:
        """End soon."""
        self.stopped = True
        self.analysis.stop()

    def delay(self) -> None:
        """Wait for the delay, or until the source is stopped."""
        until_s = time.monotonic() + self.delay_s
        while not self.stopped and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _POLL_S))


class _EventQueue:
    """Events of several sources in order, with a limit for each source."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        # Number of queued events by source.
        self._queued: Counter[str] = Counter()

    def offer(self, event: Event, now_s: float) -> float:
        """See :class:`fitsense._internal.channel.Queue`."""
        if self._queued[event.source] >= _MAX_QUEUED:
            return math.inf
        self.extend([event])
        return 0.0

    def extend(self, events: Iterable[Event]) -> None:
        """Queue events beyond the limit."""
        for event in events:
            self._events.append(event)
            self._queued[event.source] += 1

    def take(self, now_s: float) -> Event | None:
        """See :class:`fitsense._internal.channel.Queue`."""
        if not self._events:
            return None
        event = self._events.popleft()
        self._queued -= Counter([event.source])
        return event


class _RunningSources:
    """The running sources with their threads, and the channel of their events.

    :param keep_open: whether to wait for further sources when none is left.
    """

    def __init__(self, keep_open: bool) -> None:
        self._keep_open = keep_open
        self._queue = _EventQueue()
        self._closed = StopFlag()
        self._channel = Channel(self._queue, self._closed)
        self._sources: dict[str, _Source] = {}
        self._added: set[str] = set()
        self._threads: set[threading.Thread] = set()
        self._stopped = False
        self.failures: dict[str, BaseException] = {}

    @property
    def names(self) -> list[str]:
        return list(self._sources)

    def stop_source(self, name: str) -> None:
        """End a source soon, unless it has ended: a caller cannot know when it does."""
        with self._channel.locked():
            source = self._sources.get(name)
            if source is None and name not in self._added:
                raise InvalidInputError(f"name: expected one of {', '.join(self.names) or 'none'}, got {name!r}")
        if source is not None:
            source.stop()

    def start(self, source: _Source) -> None:
        """Start the thread of a source."""
        thread = WorkerThread(partial(self._analyse, source), self.close, f"fitsense {source.name}")
        with self._channel.locked():
            if self._stopped:
                raise FitsenseError("the source group has ended; create a new one for more sources")
            if source.name in self._sources:
                raise InvalidInputError(f"name: expected one that no source has, got {source.name!r}")
            self.failures.pop(source.name, None)
            self._sources[source.name] = source
            self._added.add(source.name)
            self._threads.add(thread)
        thread.start()
        if self._stopped:
            # `stop` takes no lock, and may have missed this source.
            source.stop()

    def take(self) -> Event | None:
        """The next event; waits for it. None after the last."""
        return self._channel.take(lambda: not self._sources and (self._stopped or not self._keep_open))

    def stop(self) -> None:
        """End all sources soon."""
        # Flags and no lock: the code that a signal interrupts may hold it.
        self._stopped = True
        for source in list(self._sources.values()):
            source.stop()

    def close(self) -> None:
        """End all sources soon, and refuse further events."""
        self._closed.set()
        self.stop()

    def join(self) -> None:
        """Wait for the threads, up to a timeout."""
        until_s = time.monotonic() + _CLOSE_TIMEOUT_S
        for thread in self._threads.copy():
            if thread is not threading.current_thread():
                thread.join(max(0.0, until_s - time.monotonic()))

    def _analyse(self, source: _Source) -> None:
        """Target of a source's thread."""
        last: list[Event] = []
        failure: BaseException | None = None
        try:
            source.delay()
            with contextlib.closing(source.analysis) as analysis:
                for event in analysis:
                    if analysis.reason is not None:
                        # The end: the remaining events come without delay, followed by the error, if there is one.
                        last.append(event)
                    elif not self._channel.put(event):
                        break
        except BaseException as error:
            failure = detached(error)
        with self._channel.locked():
            self._queue.extend(last)
            if failure is not None:
                self.failures[source.name] = failure
            del self._sources[source.name]
            self._threads.discard(threading.current_thread())
