"""The queue of a delivery, with the counts of its events. Starts no thread, reads no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs

from fitsense.events.model import Event


@attrs.frozen
class DeliveryCounts:
    """Counts of events by outcome; `total` is the sum of the others.

    Undelivered events may have arrived nevertheless, if only the receiver's response was lost.

    :param delivered: accepted by the receiver.
    :param refused: rejected by the receiver, or given up.
    :param dropped: removed from a full queue, or put after closing.
    :param waiting: queued or being sent; after closing, those for which it did not wait.
    """

    total: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0


class Outbox:
    """Events that wait for delivery, of which :meth:`take` removes a batch.

    :param size: limit of queued events; when it is reached, each new event replaces the oldest.
    :param batch: largest number of events in a batch.
    """

    def __init__(self, size: int, batch: int) -> None:
        self._size = size
        self._batch = batch
        self._queue: deque[Event] = deque()
        self._sending = 0
        self._counts = DeliveryCounts()
        self._dropping = self._overflowed = False
        self._abandoned = False
        self._until_s: float | None = None

    @property
    def counts(self) -> DeliveryCounts:
        """Counts of the events so far."""
        return attrs.evolve(self._counts, waiting=len(self._queue) + self._sending)

    @property
    def until_s(self) -> float | None:
        """Deadline of closing, by the caller's clock; None before it."""
        return self._until_s

    @property
    def closing(self) -> bool:
        """True if it takes no further events."""
        return self._until_s is not None

    @property
    def abandoned(self) -> bool:
        """True if outcomes no longer count."""
        return self._abandoned

    def offer(self, event: Event, now_s: float) -> float:
        """Queue an event; drop it when closing. Returns 0, since there is always room."""
        self._count(total=1)
        if self.closing:
            self._count(dropped=1)
            return 0.0
        full = len(self._queue) >= self._size
        if full:
            self._queue.popleft()
            self._count(dropped=1)
        self._queue.append(event)
        self._overflowed |= full and not self._dropping
        self._dropping |= full
        return 0.0

    def pop_overflow(self) -> bool:
        """True if the queue has become full since the last call."""
        overflowed, self._overflowed = self._overflowed, False
        return overflowed

    def take(self, now_s: float) -> Sequence[Event] | None:
        """Remove the next batch, for :meth:`settle`; None if there is none, or if it is too late for it."""
        if not self._queue or self._abandoned or (self._until_s is not None and now_s > self._until_s):
            return None
        batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
        self._sending = len(batch)
        self._dropping &= bool(self._queue)
        return batch

    def settle(self, **outcome: int) -> None:
        """Count the outcome of events that were taken, such as ``delivered=3``."""
        if not self._abandoned:
            self._count(**outcome)
            self._sending -= sum(outcome.values())

    def close(self, until_s: float) -> bool:
        """Take no further events, and give up the queued ones at a time.

        :return: whether this is the first call; later ones change nothing.
        """
        first = self._until_s is None
        if first:
            self._until_s = until_s
        return first

    def abandon(self) -> None:
        """Give up all events now. A sink that is stuck in a call stays so; the outcome of the call does not count."""
        self._abandoned = True

    def _count(self, **more: int) -> None:
        self._counts = attrs.evolve(
            self._counts, **{name: getattr(self._counts, name) + number for name, number in more.items()}
        )
