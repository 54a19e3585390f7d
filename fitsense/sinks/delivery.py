"""Events on their way to sinks: a queue, a thread and new attempts for each, and an account of what was not delivered.

Whoever tells events only puts them into the queue. That never waits and never raises, whatever the receiver does.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

import attrs

from fitsense._internal.backoff import Backoff
from fitsense.errors import DeliveryError, InvalidInputError
from fitsense.events.model import Event, EventData
from fitsense.plugins.specs import Sink

_LOGGER = logging.getLogger("fitsense.sinks")
_TYPES = tuple(kind.TYPE for kind in get_args(EventData))


@attrs.frozen
class DeliveryConfig:
    """How events are kept and tried again.

    :param types: of the events that are delivered, such as ``exercise.ended``; empty for all.
    :param queue_size: events that wait, at most; then each new one takes the place of the oldest.
    :param first_delay_s: longest pause before the first new attempt.
    :param max_delay_s: longest pause between two attempts, unless the receiver asks for more.
    :param retry_timeout_s: for how long the same events are tried; then the next ones have their turn.
    :param flush_timeout_s: for how long the end waits for what is still on its way.
    """

    types: tuple[str, ...] = ()
    queue_size: int = 10_000
    first_delay_s: float = 0.5
    max_delay_s: float = 60.0
    retry_timeout_s: float = 3600.0
    flush_timeout_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        for name in self.types:
            if name not in _TYPES:
                raise InvalidInputError(f"types: expected some of {', '.join(_TYPES)}, got {name!r}")
        for name in ("queue_size", "first_delay_s", "max_delay_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInputError(f"{name}: expected a number above 0, got {getattr(self, name)!r}")
        for name in ("retry_timeout_s", "flush_timeout_s"):
            if not 0 <= getattr(self, name) < threading.TIMEOUT_MAX:
                raise InvalidInputError(f"{name}: expected a number from 0 on, got {getattr(self, name)!r}")


@attrs.frozen
class DeliveryCounts:
    """What became of the events that were put on their way; `total` is the sum of the others.

    What was not delivered may have arrived all the same, where only the receiver's answer was lost.

    :param delivered: the receiver has them.
    :param refused: the receiver would not have them, or they were given up.
    :param dropped: there was no room for them, or the delivery was closed already.
    :param waiting: still on their way; after the end, what it did not wait for.
    """

    total: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0


class Delivery:
    """Events on their way to one sink, in order, each at least once; a context manager that closes it.

    A batch that fails is sent again, after pauses that grow, before anything else is sent. One that is refused is sent
    event by event.

    :param sink: where they go. A thread of the delivery's own calls it, and closes it.
    :param name: what logs call it.
    :param batch: events that the sink takes at once.
    """

    def __init__(self, sink: Sink, name: str, config: DeliveryConfig | None = None, *, batch: int = 1) -> None:
        self.name = name
        self._sink = sink
        self._config = config or DeliveryConfig()
        self._batch = batch
        self._changed = threading.Condition()
        self._queue: deque[Event] = deque()
        self._sending = 0
        self._counts = DeliveryCounts()
        # When it has to be over; None while it is not to end.
        self._until_s: float | None = None
        self._over = False
        # What went wrong last; empty where nothing did.
        self._trouble = ""
        self._dropping = False
        # By chance of its own: the program may have seeded Python's.
        self._retries = Backoff(
            self._config.first_delay_s, self._config.max_delay_s, self._config.retry_timeout_s, random.Random().random
        )
        self._thread = threading.Thread(target=self._run, name=f"fitsense sink {name}", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Put an event on its way. Never waits, and never raises; may be called from any thread."""
        if self._config.types and event.data.TYPE not in self._config.types:
            return
        with self._changed:
            self._count(total=1)
            if self._until_s is not None:
                self._count(dropped=1)
                return
            full = len(self._queue) >= self._config.queue_size
            if full:
                self._queue.popleft()
                self._count(dropped=1)
            self._queue.append(event)
            self._changed.notify_all()
            news = full and not self._dropping
            self._dropping |= full
        if news:
            _LOGGER.warning(
                "sink %s: %d events wait; from now on the oldest are dropped", self.name, self._config.queue_size
            )

    def tee(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, each put on its way as it passes."""
        for event in events:
            self.put(event)
            yield event

    @property
    def counts(self) -> DeliveryCounts:
        """What became of the events so far."""
        with self._changed:
            return attrs.evolve(self._counts, waiting=len(self._queue) + self._sending)

    def close(self) -> DeliveryCounts:
        """End: try once more what is on its way, for as long as the config says, and log what was not delivered."""
        with self._changed:
            first = self._until_s is None
            if self._until_s is None:
                self._until_s = time.monotonic() + self._config.flush_timeout_s
            self._changed.notify_all()
            left_s = max(0.0, self._until_s - time.monotonic())
        try:
            self._thread.join(left_s)
        finally:
            with self._changed:
                # A sink that is stuck in a call stays so, and what it brings about does not count any more.
                self._over = True
                self._changed.notify_all()
            if first:
                self._sum_up(self.counts)
        return self.counts

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next():
            if not self._deliver(batch):
                break
        try:
            self._sink.close()
        except (Exception, SystemExit):
            _LOGGER.exception("sink %s: closing it failed", self.name)

    def _next(self) -> Sequence[Event]:
        """The events to send next, as soon as there are some; none at the end."""
        with self._changed:
            while not self._queue and self._until_s is None:
                self._changed.wait()
            if self._over or (self._until_s is not None and time.monotonic() > self._until_s):
                return ()
            batch = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
            self._sending = len(batch)
            self._dropping &= bool(self._queue)
            return batch

    def _deliver(self, batch: Sequence[Event]) -> bool:
        """Send until it is settled what became of the events; False where the end does not wait for that."""
        lost = False
        while True:
            failure = self._failure(batch)
            now_s = time.monotonic()
            if failure is None:
                self._retries.back(now_s)
                self._settle(delivered=len(batch))
                return True
            if not failure.retryable and len(batch) > 1:
                # One of them may be to blame, and the others are not to suffer for it.
                return all(self._deliver([event]) for event in batch)
            if not failure.retryable:
                self._settle(refused=len(batch))
                return True
            if not lost:
                self._retries.lost(now_s)
                lost = True
            pause_s = self._retries.pause_s(now_s)
            if pause_s is None:
                _LOGGER.warning("sink %s: gave up %d events: %s", self.name, len(batch), failure)
                self._settle(refused=len(batch))
                return True
            if not self._pause(pause_s, min(failure.retry_after_s, self._config.retry_timeout_s)):
                return False

    def _failure(self, batch: Sequence[Event]) -> DeliveryError | None:
        """Why sending failed, which is logged where it differs from the time before."""
        failure: DeliveryError | None = None
        fault: BaseException | None = None
        try:
            self._sink.send(batch)
        except DeliveryError as error:
            failure = error
        except OSError as error:
            failure = DeliveryError(f"{type(error).__name__}: {error}")
        except (Exception, SystemExit) as error:
            failure, fault = (
                DeliveryError(f"a fault of its own: {type(error).__name__}: {error}", retryable=False),
                error,
            )
        trouble, self._trouble = self._trouble, str(failure or "")
        if failure is None and trouble:
            _LOGGER.warning("sink %s: it delivers again", self.name)
        elif failure is not None and self._trouble != trouble:
            then = "it will be tried again" if failure.retryable else "these events are refused"
            _LOGGER.warning("sink %s: %s; %s", self.name, failure, then, exc_info=fault)
        return failure

    def _settle(self, **outcome: int) -> None:
        with self._changed:
            if not self._over:
                self._count(**outcome)
                self._sending -= sum(outcome.values())

    def _pause(self, pause_s: float, asked_s: float) -> bool:
        """Wait, and as long as the receiver asked for; False where the end comes before.

        At the end, what the receiver did not ask for is cut short.
        """
        began_s = time.monotonic()
        with self._changed:
            running = self._until_s is None
            while not self._over:
                hurried = running and self._until_s is not None
                ready_s = began_s + (asked_s if hurried else max(pause_s, asked_s))
                if self._until_s is not None and ready_s > self._until_s:
                    return False
                left_s = ready_s - time.monotonic()
                if left_s <= 0:
                    if hurried:
                        self._retries.lost(time.monotonic())
                    return True
                self._changed.wait(left_s)
            return False

    def _count(self, **more: int) -> None:
        self._counts = attrs.evolve(
            self._counts, **{name: getattr(self._counts, name) + number for name, number in more.items()}
        )

    def _sum_up(self, counts: DeliveryCounts) -> None:
        lost = counts.total - counts.delivered
        if not lost:
            _LOGGER.info("sink %s: all %d events were delivered", self.name, counts.total)
            return
        why = ", ".join(f"{getattr(counts, name)} {name}" for name in ("refused", "dropped", "waiting"))
        last = f"; the last trouble: {self._trouble}" if self._trouble else ""
        _LOGGER.warning("sink %s: %d of %d events not delivered: %s%s", self.name, lost, counts.total, why, last)
