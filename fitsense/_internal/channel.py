"""A bounded channel between the threads that produce items and the thread that consumes them."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import detached

T = TypeVar("T")
Put = TypeVar("Put", contravariant=True)
Got = TypeVar("Got", covariant=True)
In = TypeVar("In")
Out = TypeVar("Out")

# Interval at which waiting threads check the stop flag, in seconds.
_POLL_S = 0.1


class Queue(Protocol[Put, Got]):
    """Holds the items of a channel and decides when it is full. Uses no thread and no lock, and reads no clock."""

    def offer(self, item: Put, now_s: float, /) -> float:
        """Queue an item. Returns 0, or the longest time in seconds to wait before offering it again."""

    def take(self, now_s: float, /) -> Got | None:
        """Remove the next item; None if there is none yet."""


class Fifo(Generic[T]):
    """Queue of at most `size` items."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()

    def offer(self, item: T, now_s: float) -> float:
        """See :class:`Queue`; a full queue takes no item."""
        if len(self._items) >= self._size:
            return math.inf
        self._items.append(item)
        return 0.0

    def take(self, now_s: float) -> T | None:
        """See :class:`Queue`."""
        return self._items.popleft() if self._items else None


class Channel(Generic[In, Out]):
    """Passes items from producers to one consumer, who receives the error of a failed producer after its items.

    :param queue: holds the items; access it only within `locked`.
    :param stop: flag that ends the channel; a signal handler may set it, since waiting threads check it at intervals.
        None for a channel that only :meth:`end` ends.
    """

    def __init__(self, queue: Queue[In, Out], stop: StopFlag | None = None) -> None:
        self._queue = queue
        self._longest_wait_s = threading.TIMEOUT_MAX if stop is None else _POLL_S
        self._stop = stop or StopFlag()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude the other threads, and wake those that wait at the end of the block."""
        with self._changed:
            yield
            self._changed.notify_all()

    def wait(self, longest_s: float) -> None:
        """Within `locked`: release the lock until another thread changes something, or for `longest_s` seconds."""
        self._changed.wait(min(longest_s, self._longest_wait_s))

    def put(self, item: In) -> bool:
        """Queue an item, waiting while the queue is full.

        :return: whether it is queued; False if the stop flag is set.
        """
        with self._changed:
            while not self._stop.requested:
                wait_s = self._queue.offer(item, time.monotonic())
                if not wait_s:
                    self._changed.notify_all()
                    return True
                self.wait(wait_s)
        return False

    def take(self, ended: Callable[[], bool] = lambda: False) -> Out | None:
        """Remove the next item; waits for it. None after the last, and when the stop flag is set.

        :param ended: called under the lock when the queue is empty; True for no further items, as after :meth:`end`.
        """
        with self._changed:
            while not self._stop.requested:
                item = self._queue.take(time.monotonic())
                if item is not None:
                    self._changed.notify_all()
                    return item
                if self._ended or ended():
                    break
                self.wait(math.inf)
        return None

    def feed(self, items: Iterable[In]) -> None:
        """Put all items, until the stop flag is set; then end the channel, with the error of `items`, if there is one.

        For the target of a thread. Pass a generator: frames of functions below this one would keep their callers alive.
        """
        error: BaseException | None = None
        try:
            for item in items:
                if not self.put(item):
                    break
        except BaseException as raised:
            error = detached(raised)
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """Announce that no item follows.

        :param error: for the consumer, after the last item.
        """
        with self.locked():
            self._ended, self._error = True, error

    def raise_error(self) -> None:
        """Raise the error of the producer, if there is one, once."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback refers to this frame.
                del error
