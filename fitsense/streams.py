"""Many sources in one program: ``for event in fitsense.Streams({...})``."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict, Unpack

import attrs

from fitsense.analysis import Analysis
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events import Event
from fitsense.inputs import Source
from fitsense.model import Model, load_model
from fitsense.session import SessionConfig
from fitsense.validators import is_uri_reference
from fitsense.video.opening import is_live
from fitsense.video.readers import Reader, handed_over

if TYPE_CHECKING:
    from fitsense.regions import Region
    from fitsense.video.live import LiveConfig

# Events of a source that may wait to be taken, before it has to wait.
_MOST_WAITING = 16
# How soon whoever waits notices that it is to stop, and how long closing waits for threads: one that opens a source, or
# waits for its next packet, cannot be woken.
_POLL_S = 0.1
_PATIENCE_S = 2.0
# Multiples of the golden ratio, less their whole parts, fill a line evenly however many there are.
_GOLDEN = 0.6180339887


class StreamOptions(TypedDict, total=False):
    """How a source is analysed, as :func:`fitsense.analyze` says."""

    config: SessionConfig | None
    hop_s: float | None
    live: LiveConfig | None
    realtime: bool
    region: Region | None
    people: str | None
    hwaccel: str | None
    track: int | None
    source_uri: str | None
    started_at: datetime | None


class Streams(Iterator[Event]):
    """The events of several sources, as they happen. Use it as a context manager.

    Each source has a session of its own, whose events have the source's name as their ``source``, and a thread that
    analyses it; the model is shared. A source that breaks, or cannot be opened, ends alone, with a ``session.ended``
    whose reason is ``failed``. Whoever takes the events slowly makes files wait, and live sources drop frames or fall
    behind, as their policy says.

    :param sources: what to follow, by name, each as :func:`fitsense.analyze` takes it.
    :param model: None for the bundle that comes with fitsense, on one thread: several sources keep the cores busy, and
        this costs the least.
    :param lasting: whether to go on where no source is left, since others may be added. If not, the iteration ends with
        the last of them.
    :param options: of all sources: what :func:`fitsense.analyze` takes by name, but for the model.
    :raises InvalidInputError: as of :meth:`add`.
    """

    def __init__(
        self,
        sources: Mapping[str, Source] | None = None,
        *,
        model: Model | None = None,
        lasting: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._model = model or load_model(threads=1)
        self._options = options
        self._desk = _Desk(lasting)
        self._count = itertools.count()
        # Threads know the desk and not this, so that it can be forgotten while they run; then they end.
        self._forgotten = weakref.finalize(self, self._desk.close)
        try:
            for name, source in (sources or {}).items():
                self.add(name, source)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> list[str]:
        """The sources that are followed, in the order in which they came."""
        return self._desk.names

    @property
    def failures(self) -> Mapping[str, BaseException]:
        """Why sources broke, by name, from when their last events can be taken until another one of that name is
        added."""
        return dict(self._desk.failures)

    def add(self, name: str, source: Source, **options: Unpack[StreamOptions]) -> None:
        """Follow another source. May be called from any thread.

        It is opened in its thread. What comes at its own pace, as live sources do and files in real time, is opened up
        to a hop later, so that the windows of all do not end at the same time.

        :param name: a URI reference, such as ``door`` or ``urn:gym:door``: the ``source`` of its events, whatever the
            config says. It is free again when the last event of a source that had it can be taken.
        :param source: as of :func:`fitsense.analyze`.
        :param options: of this source, instead of those of all.
        :raises InvalidInputError: there is such a name, or it is none; the source is nothing that can be analysed; or
            an option cannot be.
        :raises WeightsError: as of :func:`fitsense.analyze`.
        :raises FitsenseError: it is closed, or was told to stop.
        """
        if not is_uri_reference(name):
            raise InvalidInputError(f"name: expected a URI reference, such as door or urn:gym:door, got {name!r}")
        merged: StreamOptions = {**self._options, **options}
        config = attrs.evolve(merged.get("config") or SessionConfig(), source=name)
        merged["config"] = config
        analysis = Analysis(source, self._model, **merged)
        rest_s = 0.0
        if merged.get("realtime") or (isinstance(source, (str, Path)) and is_live(str(source))):
            rest_s = next(self._count) * _GOLDEN % 1.0 * (merged.get("hop_s") or config.hop_s)
        self._desk.begin(_Stream(name, analysis, rest_s))

    def remove(self, name: str) -> None:
        """End a source soon: the events that are left still come, the last one a ``session.ended`` that says
        ``interrupted``. May be called from any thread.

        :raises InvalidInputError: no source of that name is followed, or no longer.
        """
        self._desk.stream(name).stop()

    def stop(self) -> None:
        """End all sources soon, as :meth:`remove` does, and the iteration with them. May be called from any thread, and
        from a signal handler."""
        self._desk.stop()

    def close(self) -> None:
        """Close all sources and end their threads, without the events that are left: at once as a rule, and after a
        live source's timeout where nothing comes."""
        self._desk.close()
        self._desk.join()

    def __next__(self) -> Event:
        event = self._desk.take()
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Streams:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@attrs.define(eq=False)
class _Stream:
    """A source that is followed.

    :param rest_s: how long to wait before it is opened.
    """

    name: str
    analysis: Analysis
    rest_s: float
    stopped: bool = False

    def stop(self) -> None:
        """End soon."""
        self.stopped = True
        self.analysis.stop()

    def rest(self) -> None:
        """Wait before it is opened, unless it is to end."""
        until_s = time.monotonic() + self.rest_s
        while not self.stopped and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _POLL_S))


class _Desk:
    """Where the sources' threads leave their events, and whoever wants them takes them.

    :param lasting: whether to wait for others where no source is left.
    """

    def __init__(self, lasting: bool) -> None:
        self._lasting = lasting
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        # How many of them are there, by source.
        self._waiting: Counter[str] = Counter()
        self._streams: dict[str, _Stream] = {}
        self._threads: set[threading.Thread] = set()
        self._stopped = self._closed = False
        self.failures: dict[str, BaseException] = {}

    @property
    def names(self) -> list[str]:
        return list(self._streams)

    def stream(self, name: str) -> _Stream:
        with self._changed:
            if name not in self._streams:
                raise InvalidInputError(f"name: expected one of {', '.join(self.names) or 'none'}, got {name!r}")
            return self._streams[name]

    def begin(self, stream: _Stream) -> None:
        """Begin to follow a source."""
        # It may be opening its source when Python ends, and then nobody takes its events any more.
        thread = Reader(partial(self._follow, stream), self.close, f"fitsense {stream.name}")
        with self._changed:
            if self._stopped:
                raise FitsenseError("the streams have ended; open new ones for more sources")
            if stream.name in self._streams:
                raise InvalidInputError(f"name: expected one that no source has, got {stream.name!r}")
            self.failures.pop(stream.name, None)
            self._streams[stream.name] = stream
            self._threads.add(thread)
        thread.start()
        if self._stopped:
            # Meanwhile; it may not have been seen.
            stream.stop()

    def take(self) -> Event | None:
        """The next event, as soon as there is one; None after the last."""
        with self._changed:
            while not self._closed:
                if self._events:
                    event = self._events.popleft()
                    self._waiting -= Counter([event.source])
                    self._changed.notify_all()
                    return event
                if not self._streams and (self._stopped or not self._lasting):
                    break
                self._changed.wait(_POLL_S)
        return None

    def stop(self) -> None:
        """End all sources soon."""
        # Flags and no lock, which code that a signal interrupted may hold.
        self._stopped = True
        for stream in list(self._streams.values()):
            stream.stop()

    def close(self) -> None:
        """Likewise, and take no more events."""
        self._closed = True
        self.stop()

    def join(self) -> None:
        """Wait for the threads, within patience."""
        until_s = time.monotonic() + _PATIENCE_S
        for thread in self._threads.copy():
            if thread is not threading.current_thread():
                thread.join(max(0.0, until_s - time.monotonic()))

    def _follow(self, stream: _Stream) -> None:
        """What a source's thread does."""
        last: list[Event] = []
        failure: BaseException | None = None
        try:
            stream.rest()
            with contextlib.closing(stream.analysis) as analysis:
                for event in analysis:
                    if analysis.reason is not None:
                        # It is over, and what is left comes at once; then it is known why it broke, if it did.
                        last.append(event)
                    elif not self._tell(event):
                        break
        except BaseException as error:
            failure = handed_over(error)
        with self._changed:
            self._events += last
            self._waiting[stream.name] += len(last)
            if failure is not None:
                self.failures[stream.name] = failure
            del self._streams[stream.name]
            self._threads.discard(threading.current_thread())
            self._changed.notify_all()

    def _tell(self, event: Event) -> bool:
        """Leave an event, as soon as there is room; whether to go on."""
        with self._changed:
            while self._waiting[event.source] >= _MOST_WAITING and not self._closed:
                self._changed.wait(_POLL_S)
            if self._closed:
                return False
            self._events.append(event)
            self._waiting[event.source] += 1
            self._changed.notify_all()
        return True
