"""Delivery of events to a sink: a queue, a thread, retries, and counts of the outcome.

Producers only queue events, which never blocks and never raises, whatever the receiver does.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.backoff import Backoff, BackoffConfig
from fitsense._internal.channel import Channel
from fitsense._internal.closing import Closing
from fitsense._internal.threads import WorkerThread
from fitsense._internal.validators import instance, integer, number, subset_of
from fitsense.errors import DeliveryError
from fitsense.events.model import BuiltInData, Event
from fitsense.plugins.specs import Sink
from fitsense.sinks.outbox import DeliveryCounts, Outbox

_LOGGER = logging.getLogger("fitsense.sinks")
_TYPES = tuple(kind.TYPE for kind in get_args(BuiltInData))
_GROUPS = {"fitsense", *(name.partition(".")[0] for name in _TYPES)}
_PLUGIN_TYPE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9_]+)+")


@checks_arguments
@attrs.frozen
class DeliveryConfig:
    """Queue and retries of a delivery.

    :param types: types of the events to deliver, such as ``exercise.ended`` or, of a plugin's events,
        ``my-gym.milestone``; empty for all.
    :param queue_size: limit of queued events; when it is reached, each new event replaces the oldest.
    :param backoff: delays between attempts; receivers may ask for longer ones.
    :param retry_timeout_s: how long to retry the same events, in seconds, before they are given up.
    :param flush_timeout_s: how long closing waits for undelivered events, in seconds.
    """

    types: tuple[str, ...] = attrs.field(default=())
    queue_size: int = attrs.field(default=10_000, validator=integer(1))
    backoff: BackoffConfig = attrs.field(default=BackoffConfig(max_delay_s=60.0), validator=instance(BackoffConfig))
    retry_timeout_s: float = attrs.field(default=3600.0, validator=number(0.0))
    flush_timeout_s: float = attrs.field(default=10.0, validator=number(0.0))

    @types.validator
    def _are_types(self, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
        # Types of plugins' events begin with the plugin's name; which there are, only sessions know.
        of_plugins = [
            name
            for name in value
            if isinstance(name, str) and _PLUGIN_TYPE.fullmatch(name) and name.partition(".")[0] not in _GROUPS
        ]
        subset_of((*_TYPES, *of_plugins))(self, attribute, value)


class Delivery(Closing):
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
        self._outbox = Outbox(self._config.queue_size, batch)
        self._channel = Channel(self._outbox)
        # Message of the last failure; empty after a success.
        self._failure_text = ""
        # A separate generator: the program may have seeded the global one.
        self._backoff = Backoff(self._config.backoff, self._config.retry_timeout_s, random.Random().random)
        self._thread = WorkerThread(self._run, self._abandon, f"fitsense sink {name}")
        self._thread.start()

    def put(self, event: Event) -> None:
        """Queue an event. Never blocks, and never raises; may be called from any thread."""
        if self._config.types and event.type.removeprefix("fitsense.") not in self._config.types:
            return
        self._channel.put(event)
        with self._channel.locked():
            starts_dropping = self._outbox.pop_overflow()
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
        with self._channel.locked():
            return self._outbox.counts

    def close(self) -> DeliveryCounts:
        """Try to deliver the remaining events within the config's timeout, log undelivered ones, and end the thread."""
        now_s = time.monotonic()
        with self._channel.locked():
            first = self._outbox.close(now_s + self._config.flush_timeout_s)
            until_s = self._outbox.until_s or now_s
        try:
            self._thread.join(max(0.0, until_s - now_s))
        finally:
            self._abandon()
            if first:
                self._log_summary(self.counts)
        return self.counts

    def _run(self) -> None:
        while batch := self._channel.take(lambda: self._outbox.closing):
            if not self._deliver(batch):
                break
        try:
            self._sink.close()
        except (Exception, SystemExit):
            _LOGGER.exception("sink %s: closing it failed", self.name)

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
                DeliveryError(f"the sink failed: {type(error).__name__}: {error}", retryable=False),
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
        with self._channel.locked():
            self._outbox.settle(**outcome)

    def _abandon(self) -> None:
        with self._channel.locked():
            self._outbox.close(time.monotonic())
            self._outbox.abandon()

    def _wait(self, delay_s: float, requested_s: float) -> bool:
        """Wait for the longer of both delays; False if closing ends before.

        Closing cuts the delay short, but not below what the receiver asked for.
        """
        start_s = time.monotonic()
        with self._channel.locked():
            running = not self._outbox.closing
            while not self._outbox.abandoned:
                until_s = self._outbox.until_s
                hurried = running and until_s is not None
                ready_s = start_s + (requested_s if hurried else max(delay_s, requested_s))
                if until_s is not None and ready_s > until_s:
                    return False
                left_s = ready_s - time.monotonic()
                if left_s <= 0:
                    if hurried:
                        self._backoff.fail(time.monotonic())
                    return True
                self._channel.wait(left_s)
            return False

    def _log_summary(self, counts: DeliveryCounts) -> None:
        lost = counts.total - counts.delivered
        if not lost:
            _LOGGER.info("sink %s: all %d events were delivered", self.name, counts.total)
            return
        why = ", ".join(f"{getattr(counts, name)} {name}" for name in ("refused", "dropped", "waiting"))
        last = f"; last failure: {self._failure_text}" if self._failure_text else ""
        _LOGGER.warning("sink %s: %d of %d events not delivered: %s%s", self.name, lost, counts.total, why, last)
