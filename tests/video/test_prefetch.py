"""Reading ahead: the same items in the same order, and a thread that ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.video.prefetch import Prefetcher


def threads() -> int:
    return sum(thread.name == "fitsense prefetcher" for thread in threading.enumerate())


@given(st.lists(st.integers(), max_size=50), st.integers(1, 5))
def test_prefetcher_keeps_order(items: list[int], buffer: int) -> None:
    closed: list[bool] = []
    ahead = Prefetcher(items, lambda: closed.append(True), buffer)
    assert list(ahead) == items
    ahead.close()
    assert closed == [True]


def test_prefetcher_reads_at_most_its_buffer() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    ahead = Prefetcher(items(), lambda: None, buffer=4)
    taken = iter(ahead)
    assert next(taken) == 0
    time.sleep(0.2)
    # One was taken, four wait, and the thread holds one.
    assert len(read) <= 6
    ahead.close()


def test_prefetcher_error_follows_earlier_items() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    ahead = Prefetcher(items(), lambda: None)
    got: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(ahead)
    # list.extend keeps what came before an error.
    assert got == [0, 1, 2]


def test_prefetcher_close_ends_thread_and_frees_source() -> None:
    before = threads()
    closed_in: list[str] = []
    ahead = Prefetcher(iter(range(1000)), lambda: closed_in.append(threading.current_thread().name), buffer=2)
    assert next(iter(ahead)) == 0
    ahead.close()
    assert closed_in == ["fitsense prefetcher"]
    assert threads() == before


def test_prefetcher_close_before_start_frees_source() -> None:
    closed: list[bool] = []
    Prefetcher([1], lambda: closed.append(True)).close()
    assert closed == [True]


def test_prefetcher_stop_ends_waiting_iteration() -> None:
    go = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        go.wait(10)

    ahead = Prefetcher(items(), lambda: None)
    threading.Timer(0.1, ahead.stop).start()
    assert list(ahead) == [1]
    go.set()
    ahead.close()
