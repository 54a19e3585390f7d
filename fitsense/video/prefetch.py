"""Read-ahead: a thread decodes and scales the next frames during analysis."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from fitsense._internal.threads import WorkerThread, detached
from fitsense.video.stopping import StopFlag

T = TypeVar("T")

# Some seconds of small pictures, so that neither side waits for short delays of the other.
_BUFFER = 64
# Interval at which waiting threads check whether to stop, and the longest time that closing waits, in seconds.
_POLL_S = 0.1
_CLOSE_TIMEOUT_S = 2.0


class Prefetcher(Generic[T]):
    """Iterates over items that a thread fetches in advance. Iterate once, then close.

    :param items: used by the thread only.
    :param close: frees the origin of the items; called once no further item is needed.
    :param buffer: limit of fetched items.
    :param stop: flag that ends the iteration; shared with the origin of the items, it ends a blocked fetch, too.

    The iteration raises an error of `items` after the items before it.
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
        # Created when it is started: until it has run, it refers to this object.
        self._thread: WorkerThread | None = None

    def __iter__(self) -> Iterator[T]:
        if self._stop.requested:
            return
        self._thread = WorkerThread(self._fetch, self._stop.set, "fitsense prefetcher")
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
        """End the iteration soon. May be called from any thread, and from a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """End the thread, and free the origin of the items."""
        self.stop()
        if self._thread is None:
            self._free()
        else:
            self._thread.join(_CLOSE_TIMEOUT_S)

    def _fetch(self) -> None:
        """Target of the thread."""
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
            # Raised by the iteration.
            self._error = detached(error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._free()

    def _free(self) -> None:
        """Free the origin of the items, and drop the references to it."""
        self._close()
        self._items, self._close = (), _nothing


def _nothing() -> None:
    """Replaces `close` after it was called."""
