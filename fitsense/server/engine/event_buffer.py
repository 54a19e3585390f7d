"""A bounded buffer of a session's events, which any number of clients read at their own pace.

All methods run in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence

import attrs

from fitsense.events.model import Event


@attrs.frozen
class BufferedEvent:
    """A serialised event.

    :param number: position among the session's events, from 0; ``id`` is its text of ten digits.
    :param json: one line without its line end.
    """

    number: int
    id: str
    json: str


class EventsExpiredError(Exception):
    """The requested events are no longer in the buffer.

    :param first: number of the oldest event in the buffer.
    """

    def __init__(self, wanted: int, first: int) -> None:
        super().__init__(f"event {wanted:010d} is no longer available; the oldest available event is {first:010d}")
        self.first = first


class EventBuffer:
    """The newest events of a session.

    :param size: number of events that the buffer keeps.
    """

    def __init__(self, size: int) -> None:
        self._events: deque[BufferedEvent] = deque(maxlen=size)
        self._next = 0
        self._closed = False
        self._readers = 0
        self._changed = asyncio.Event()

    @property
    def first(self) -> int:
        """Number of the oldest event in the buffer."""
        return self._next - len(self._events)

    @property
    def next(self) -> int:
        """Number of the next event."""
        return self._next

    @property
    def closed(self) -> bool:
        """True if the buffer is complete."""
        return self._closed

    @property
    def readers(self) -> int:
        """Number of active readers."""
        return self._readers

    def append(self, events: Iterable[Event]) -> None:
        """Append events and wake the readers."""
        for event in events:
            self._events.append(BufferedEvent(event.sequence, event.id, event.to_json()))
            self._next = event.sequence + 1
        self._wake()

    def restore(self, lines: Sequence[str]) -> None:
        """Fill an empty buffer with the events of a previous process.

        :param lines: consecutive events, each as one line of JSON without its line end.
        """
        for line in lines:
            id = json.loads(line)["id"]
            self._events.append(BufferedEvent(int(id), id, line))
            self._next = int(id) + 1

    def close(self) -> None:
        """Mark the buffer as complete and wake the readers."""
        self._closed = True
        self._wake()

    def since(self, number: int) -> Sequence[BufferedEvent]:
        """The events so far, from a number on.

        :raises EventsExpiredError: the first of them are no longer in the buffer.
        """
        if number < self.first:
            raise EventsExpiredError(number, self.first)
        return [self._events[at - self.first] for at in range(number, self._next)]

    async def follow(self, number: int | None = None) -> AsyncGenerator[BufferedEvent, None]:
        """Yield the events from a number on, as they come, until the last.

        :param number: None for the oldest event in the buffer.
        :raises EventsExpiredError: the next event is no longer in the buffer, for example because the reader is too
            slow.
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
