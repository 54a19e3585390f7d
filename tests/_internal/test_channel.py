"""The channel between threads: order, limit, stop, end and error."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import pytest

from fitsense._internal.channel import Channel, Fifo
from fitsense._internal.stopping import StopFlag


def test_fifo_full_refuses_until_taken() -> None:
    fifo: Fifo[str] = Fifo(1)
    assert (fifo.offer("a", 0.0), fifo.offer("b", 0.0)) == (0.0, math.inf)
    assert (fifo.take(0.0), fifo.take(0.0)) == ("a", None)
    assert fifo.offer("b", 0.0) == 0.0


def test_channel_full_makes_producer_wait_for_consumer() -> None:
    channel: Channel[int, int] = Channel(Fifo(1))
    producer = threading.Thread(target=channel.feed, args=(range(20),))
    producer.start()
    taken = list(iter(channel.take, None))
    producer.join()
    assert taken == list(range(20))


def test_channel_failed_producer_raises_after_its_items_once() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    channel: Channel[int, int] = Channel(Fifo(2))
    channel.feed(items())
    assert (channel.take(), channel.take()) == (1, None)
    with pytest.raises(ValueError, match="broken"):
        channel.raise_error()
    channel.raise_error()


def test_channel_stopped_takes_and_gives_nothing() -> None:
    stop = StopFlag()
    channel: Channel[int, int] = Channel(Fifo(1), stop)
    assert channel.put(1)
    # Full, so that the producer waits for the flag, which notifies no thread.
    setter = threading.Timer(0.01, stop.set)
    setter.start()
    assert not channel.put(2)
    setter.join()
    assert channel.take() is None


def test_channel_take_ended_empty_returns_none() -> None:
    channel: Channel[int, int] = Channel(Fifo(1))
    channel.put(1)
    assert (channel.take(lambda: True), channel.take(lambda: True)) == (1, None)


def test_channel_change_within_lock_wakes_consumer() -> None:
    channel: Channel[int, int] = Channel(Fifo(1))
    over = threading.Event()

    def end() -> None:
        with channel.locked():
            over.set()

    ending = threading.Timer(0.01, end)
    ending.start()
    assert channel.take(over.is_set) is None
    ending.join()
