"""Read-ahead: a thread decodes and scales the next frames during analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from fitsense._internal.channel import Channel, Fifo
from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import WorkerThread

T = TypeVar("T")

# Some seconds of small pictures, so that neither side waits for short delays of the other.
_BUFFER = 64
# Longest time that closing waits for the thread, in seconds.
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
        self._stop = stop or StopFlag()
        self._channel: Channel[T, T] = Channel(Fifo(buffer), self._stop)
        # Created when it is started: until it has run, it refers to this object.
        self._thread: WorkerThread | None = None

    def __iter__(self) -> Iterator[T]:
        if self._stop.requested:
            return
        self._thread = WorkerThread(self._run, self._stop.set, "fitsense prefetcher")
        self._thread.start()
        while (item := self._channel.take()) is not None:
            yield item
        self._channel.raise_error()

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

    def _run(self) -> None:
        """Target of the thread."""
        self._channel.feed(self._items)
        self._free()

    def _free(self) -> None:
        """Free the origin of the items, and drop the references to it."""
        self._close()
        self._items, self._close = (), _nothing


def _nothing() -> None:
    """Replaces `close` after it was called."""
