"""Reading ahead: a thread decodes and scales what comes next while the present is analysed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from fitsense.video.readers import Reader

T = TypeVar("T")

# Some seconds of small pictures, so that neither side waits for the other's hiccups.
_BUFFER = 64
# How soon whoever waits notices that it is to stop, and how long a thread that reads a source may outlive it.
_POLL_S = 0.1
_PATIENCE_S = 2.0


class Ahead(Generic[T]):
    """The items of an iterable, fetched by a thread some before they are asked for. Iterate once, then close.

    :param items: only the thread asks for them, and closes what they come from.
    :param close: is called once nothing will be asked for any more.
    :param buffer: items that may wait.

    What the items raise is raised to whoever iterates, after the items before it.
    """

    def __init__(self, items: Iterable[T], close: Callable[[], None], buffer: int = _BUFFER) -> None:
        self._items = items
        self._close = close
        self._buffer = buffer
        self._fetched: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = Reader(self._fetch, self.stop, "fitsense reading ahead")

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while True:
            with self._changed:
                while not (self._fetched or self._ended or self._stopped):
                    self._changed.wait(_POLL_S)
                if self._stopped or not self._fetched:
                    break
                item = self._fetched.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the iteration soon. May be called from a signal handler, and from any thread."""
        # A flag and no lock, which the interrupted code may hold.
        self._stopped = True

    def close(self) -> None:
        """End the thread, and free what the items come from."""
        self.stop()
        if self._thread.ident is None:
            self._close()
        else:
            self._thread.join(_PATIENCE_S)

    def _fetch(self) -> None:
        """What the thread does."""
        try:
            for item in self._items:
                with self._changed:
                    while len(self._fetched) >= self._buffer and not self._stopped:
                        self._changed.wait(_POLL_S)
                    if self._stopped:
                        break
                    self._fetched.append(item)
                    self._changed.notify_all()
        except BaseException as error:
            # For whoever iterates.
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._close()
