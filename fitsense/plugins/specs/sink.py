"""Spec of a sink: a destination to which fitsense delivers events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from fitsense.events.model import Event


class Sink(Protocol):
    """Destination of events; returned by ``open`` of a :class:`SinkSpec`.

    A delivery thread makes all calls, one after the other, so that calls may block. A program that ends waits for the
    running call, so each call should time out after some seconds.
    """

    def send(self, events: Sequence[Event]) -> None:
        """Deliver events in order; return when the receiver has them all.

        A failed batch is sent again as a whole, a refused one event by event, so that a receiver may get events twice.

        :param events: at least one, at most as many as the spec's ``batch`` allows.
        :raises DeliveryError: the events were not delivered; says whether and when to retry.
        :raises OSError: the events were not delivered, and are retried. Any other error is logged as a fault of the
            sink, and the events count as refused.
        """

    def close(self) -> None:
        """Free resources. The last call, made once, in the same thread."""


def _one_event(config: Any) -> int:
    return 1


@attrs.frozen
class SinkSpec:
    """Delivers events to a receiver. fitsense does the queuing, retries and counting.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default. The field ``url`` holds the receiver's address, if it
        has one. Secrets are not in it, but in environment variables or files that it names.
    :param open: function of a config that returns a sink. It checks what it can without the receiver, reads secrets,
        and raises :class:`InvalidInputError` or :class:`MissingExtraError`; it does not connect, ``send`` does.
    :param batch: function of a config that returns the largest number of events for one ``send``.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    open: Callable[[Any], Sink]
    batch: Callable[[Any], int] = _one_event
    summary: str = ""
