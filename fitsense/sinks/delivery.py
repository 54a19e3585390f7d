"""Delivery of events to a sink: a queue, a thread, retries, and counts of the outcome.

Producers only queue events, which never blocks and never raises, whatever the receiver does.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

import attrs

from fitsense._internal.backoff import Backoff, BackoffConfig
from fitsense._internal.validators import instance, integer, number, subset_of
from fitsense.errors import DeliveryError
from fitsense.events.model import Event, EventData
from fitsense.plugins.specs import Sink

_LOGGER = logging.getLogger("fitsense.sinks")
_TYPES = tuple(kind.TYPE for kind in get_args(EventData))


@attrs.frozen
class DeliveryConfig:
    """How events are queued and retried.

    :param types: types of the events to deliver, such as ``exercise.ended``; empty for all.
    :param queue_size: limit of queued events; when it is reached, each new event replaces the oldest.
    :param backoff: delays between attempts; receivers may ask for longer ones.
    :param retry_timeout_s: how long to retry the same events, in seconds, before they are given up.
    :param flush_timeout_s: how long closing waits for undelivered events, in seconds.
    """

    types: tuple[str, ...] = attrs.field(default=(), validator=subset_of(_TYPES))
    queue_size: int = attrs.field(default=10_000, validator=integer(1))
    backoff: BackoffConfig = attrs.field(default=BackoffConfig(max_delay_s=60.0), validator=instance(BackoffConfig))
    retry_timeout_s: float = attrs.field(default=3600.0, validator=number(0.0))
    flush_timeout_s: float = attrs.field(default=10.0, validator=number(0.0))


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


class Delivery:
    """Delivers events to one sink, in order, each at least once. Use it as a context manager.

    A batch that fails is sent again, after growing delays, before any other event. A refused batch is sent event by
    event.

    :param sink: the receiver; a thread of the delivery calls it, and closes it.
    :param name: name for logs.
    :param config: None for the defaults.
    :param batch: largest number of events that the sink takes in one call.
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
        # Deadline of closing, by the monotonic clock; None before it.
        self._until_s: float | None = None
        self._over = False
        # Message of the last failure; empty after a success.
        self._failure_text = ""
        self._dropping = False
        # A separate generator: the program may have seeded the global one.
        self._backoff = Backoff(self._config.backoff, self._config.retry_timeout_s, random.Random().random)
        self._thread = threading.Thread(target=self._run, name=f"fitsense sink {name}", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Queue an event. Never blocks, and never raises; may be called from any thread."""
        if self._config.types and event.type.removeprefix("fitsense.") not in self._config.types:
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
            starts_dropping = full and not self._dropping
            self._dropping |= full
        if starts_dropping:
            _LOGGER.warning(
                "sink %s: %d events wait; from now on the oldest are dropped", self.name, self._config.queue_size
            )

    def tee(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events, queuing each as it passes."""
        for event in events:
            self.put(event)
            yield event

    @property
    def counts(self) -> DeliveryCounts:
        """Counts of the events so far."""
        with self._changed:
            return attrs.evolve(self._counts, waiting=len(self._queue) + self._sending)

    def close(self) -> DeliveryCounts:
        """Try to deliver the remaining events within the config's timeout, log undelivered ones, and end the thread."""
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
                # A sink that is stuck in a call stays so; the outcome of the call no longer counts.
                self._over = True
                self._changed.notify_all()
            if first:
                self._log_summary(self.counts)
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
        """The next events to send; waits for them. Empty at the end."""
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
        """Send events until their outcome is known; False if closing does not wait for it."""
        lost = False
        while True:
            failure = self._send(batch)
            now_s = time.monotonic()
            if failure is None:
                self._backoff.recover(now_s)
                self._settle(delivered=len(batch))
                return True
            if not failure.retryable and len(batch) > 1:
                # One event may be the cause; deliver the others.
                return all(self._deliver([event]) for event in batch)
            if not failure.retryable:
                self._settle(refused=len(batch))
                return True
            if not lost:
                self._backoff.fail(now_s)
                lost = True
            delay_s = self._backoff.delay_s(now_s)
            if delay_s is None:
                _LOGGER.warning("sink %s: gave up %d events: %s", self.name, len(batch), failure)
                self._settle(refused=len(batch))
                return True
            if not self._wait(delay_s, min(failure.retry_after_s, self._config.retry_timeout_s)):
                return False

    def _send(self, batch: Sequence[Event]) -> DeliveryError | None:
        """Send events; the failure, logged if it differs from the last one, or None."""
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
        previous, self._failure_text = self._failure_text, str(failure or "")
        if failure is None and previous:
            _LOGGER.warning("sink %s: it delivers again", self.name)
        elif failure is not None and self._failure_text != previous:
            then = "it will be tried again" if failure.retryable else "these events are refused"
            _LOGGER.warning("sink %s: %s; %s", self.name, failure, then, exc_info=fault)
        return failure

    def _settle(self, **outcome: int) -> None:
        with self._changed:
            if not self._over:
                self._count(**outcome)
                self._sending -= sum(outcome.values())

    def _wait(self, delay_s: float, requested_s: float) -> bool:
        """Wait for the longer of both delays; False if closing ends before.

        Closing cuts the delay short, but not below what the receiver asked for.
        """
        start_s = time.monotonic()
        with self._changed:
            running = self._until_s is None
            while not self._over:
                hurried = running and self._until_s is not None
                ready_s = start_s + (requested_s if hurried else max(delay_s, requested_s))
                if self._until_s is not None and ready_s > self._until_s:
                    return False
                left_s = ready_s - time.monotonic()
                if left_s <= 0:
                    if hurried:
                        self._backoff.fail(time.monotonic())
                    return True
                self._changed.wait(left_s)
            return False

    def _count(self, **more: int) -> None:
        self._counts = attrs.evolve(
            self._counts, **{name: getattr(self._counts, name) + number for name, number in more.items()}
        )

    def _log_summary(self, counts: DeliveryCounts) -> None:
        lost = counts.total - counts.delivered
        if not lost:
            _LOGGER.info("sink %s: all %d events were delivered", self.name, counts.total)
            return
        why = ", ".join(f"{getattr(counts, name)} {name}" for name in ("refused", "dropped", "waiting"))
        last = f"; last failure: {self._failure_text}" if self._failure_text else ""
        _LOGGER.warning("sink %s: %d of %d events not delivered: %s%s", self.name, lost, counts.total, why, last)
