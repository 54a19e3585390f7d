"""Reading ahead: a thread decodes and scales what comes next while the present is analysed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from fitsense._internal.threads import WorkerThread, handed_over
from fitsense.video.stopping import StopFlag

T = TypeVar("T")

# Some seconds of small pictures, so that neither side waits for the other's hiccups.
_BUFFER = 64
# How soon whoever waits notices that it is to stop, and how long a thread that reads a source may outlive it.
_POLL_S = 0.1
_PATIENCE_S = 2.0


class Prefetcher(Generic[T]):
    """The items of an iterable, fetched by a thread some before they are asked for. Iterate once, then close.

    :param items: only the thread asks for them, and closes what they come from.
    :param close: is called once nothing will be asked for any more.
    :param buffer: items that may wait.
    :param stop: ends the iteration when it is set; shared with what the items come from, it ends that too, also while
        no item comes.

    What the items raise is raised to whoever iterates, after the items before it.
    """

    def __init__(
        self,
        items: Iterable[T],
        close: Callable[[], None],
        buffer: int = _BUFFER,
        *,
        stop: StopFlag | None = None,
    ) -> None:
        self._items = items
        self._close = close
        self._buffer = buffer
        self._stop = stop or StopFlag()
        self._fetched: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        # Made when it is to run: until it has, it refers to this object.
        self._thread: WorkerThread | None = None

    def __iter__(self) -> Iterator[T]:
        if self._stop.requested:
            return
        self._thread = WorkerThread(self._fetch, self._stop.set, "fitsense reading ahead")
        self._thread.start()
        while True:
            with self._changed:
                while not (self._fetched or self._ended or self._stop.requested):
                    self._changed.wait(_POLL_S)
                if self._stop.requested or not self._fetched:
                    break
                item = self._fetched.popleft()
                self._changed.notify_all()
            yield item
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback refers to this frame.
                del error

    def stop(self) -> None:
        """End the iteration soon. May be called from a signal handler, and from any thread."""
        self._stop.set()

    def close(self) -> None:
        """End the thread, and free what the items come from."""
        self.stop()
        if self._thread is None:
            self._free()
        else:
            self._thread.join(_PATIENCE_S)

    def _fetch(self) -> None:
        """What the thread does."""
        try:
            for item in self._items:
                with self._changed:
                    while len(self._fetched) >= self._buffer and not self._stop.requested:
                        self._changed.wait(_POLL_S)
                    if self._stop.requested:
                        break
                    self._fetched.append(item)
                    self._changed.notify_all()
        except BaseException as error:
            # For whoever iterates.
            self._error = handed_over(error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._free()

    def _free(self) -> None:
        """Close what the items come from, and let go of it."""
        self._close()
        self._items, self._close = (), _nothing


def _nothing() -> None:
    """What is left to close afterwards."""
