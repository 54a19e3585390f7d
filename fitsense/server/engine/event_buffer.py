"""A session's events, kept for a while: who reads comes when they like, and as slowly as they like.

All of it runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence

import attrs

from fitsense.events.model import Event


@attrs.frozen
class BufferedEvent:
    """An event as it goes out.

    :param number: its place in the feed, from 0 on; ``id`` is its text, of ten digits.
    :param json: one line, without its end.
    """

    number: int
    id: str
    json: str


class EventsExpiredError(Exception):
    """The events that were asked for are not kept any more.

    :param first: number of the first that is.
    """

    def __init__(self, wanted: int, first: int) -> None:
        super().__init__(f"event {wanted:010d} is not kept any more; the first that is, is {first:010d}")
        self.first = first


class EventBuffer:
    """The newest events of a session.

    :param size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._events: deque[BufferedEvent] = deque(maxlen=size)
        self._next = 0
        self._closed = False
        self._readers = 0
        self._changed = asyncio.Event()

    @property
    def first(self) -> int:
        """Number of the first event that is kept."""
        return self._next - len(self._events)

    @property
    def next(self) -> int:
        """Number of the next event."""
        return self._next

    @property
    def closed(self) -> bool:
        """Whether no more will come."""
        return self._closed

    @property
    def readers(self) -> int:
        """How many follow it."""
        return self._readers

    def append(self, events: Iterable[Event]) -> None:
        """Put events at the end."""
        for event in events:
            self._events.append(BufferedEvent(event.sequence, event.id, event.to_json()))
            self._next = event.sequence + 1
        self._wake()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._wake()

    def since(self, number: int) -> Sequence[BufferedEvent]:
        """The events from a number on, as far as there are.

        :raises EventsExpiredError: they are not kept any more.
        """
        if number < self.first:
            raise EventsExpiredError(number, self.first)
        return [self._events[at - self.first] for at in range(number, self._next)]

    async def follow(self, number: int | None = None) -> AsyncGenerator[BufferedEvent, None]:
        """The events from a number on, as they come, until the last.

        :param number: None for the first that is kept.
        :raises EventsExpiredError: they are not kept any more, as when whoever reads is too slow.
        """
        at = self.first if number is None else number
        self._readers += 1
        try:
            while True:
                while at < self._next:
                    if at < self.first:
                        raise EventsExpiredError(at, self.first)
                    yield self._events[at - self.first]
                    at += 1
                if self._closed:
                    return
                await self._changed.wait()
        finally:
            self._readers -= 1

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
