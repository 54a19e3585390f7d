"""The parts that need no network: limits, framing, event buffers."""

from __future__ import annotations

import asyncio
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.events.model import Event, SessionWarning, event_time
from fitsense.server.api.wire import HEADER_BYTES, Format, Message, pack, parse
from fitsense.server.engine.batch_worker import batch_sizes
from fitsense.server.engine.event_buffer import EventBuffer, EventsExpiredError
from fitsense.server.rate_limit import Bucket, Buckets
from fitsense.session.config import EPOCH


@given(st.sampled_from(Format), st.integers(-(10**15), 10**15), st.binary(min_size=1, max_size=50))
def test_wire_pack_then_parse_round_trips(kind: Format, microseconds: int, content: bytes) -> None:
    assert parse(pack(kind, microseconds / 1e6, content)) == Message(kind, microseconds / 1e6, content)


@given(st.binary(max_size=40))
def test_wire_parse_any_bytes_gives_message_or_error(data: bytes) -> None:
    try:
        message = parse(data)
    except InvalidInputError:
        assert len(data) <= HEADER_BYTES or data[0] != 1 or data[1] not in (1, 2, 3) or data[2] not in (0, 255)
    else:
        assert message.content == data[HEADER_BYTES:]
        assert math.isfinite(message.time_s)


@given(st.floats(0.1, 100), st.floats(1, 50), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_bucket_any_pauses_keeps_rate(rate: float, burst: float, pauses: list[float]) -> None:
    bucket, now_s, passed = Bucket(rate, burst), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        wait_s = bucket.take(now_s)
        passed += wait_s == 0.0
        assert passed <= burst + rate * now_s + 1e-6
        if wait_s:
            assert bucket.take(now_s + wait_s * 1.001) == 0.0
            now_s += wait_s * 1.001
            passed += 1


def test_buckets_many_clients_forget_the_oldest() -> None:
    buckets = Buckets(1.0, 1.0)
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.0) > 0.0
    for number in range(5000):
        buckets.take(str(number), 0.0)
    # A client that was inactive for long has a full bucket again.
    assert buckets.take("a", 0.0) == 0.0


@given(st.integers(1, 100))
def test_batch_sizes_any_maximum_are_powers_of_two(most: int) -> None:
    sizes = list(batch_sizes(most))
    assert sizes[0] <= most < 2 * sizes[0]
    assert sizes[-1] == 1
    assert all(larger == 2 * smaller for larger, smaller in itertools.pairwise(sizes))


def warnings(start: int, count: int) -> list[Event]:
    return [
        Event("urn:test", number, event_time(EPOCH, number), SessionWarning("test", "a test", number, number))
        for number in range(start, start + count)
    ]


@given(st.integers(1, 20), st.lists(st.integers(0, 7), max_size=12), st.integers(0, 60))
def test_event_buffer_readers_get_each_event_once_or_an_error(size: int, counts: list[int], number: int) -> None:
    async def program() -> None:
        buffer = EventBuffer(size)
        received: list[int] = []

        async def read() -> None:
            # Asks for all there is as soon as there is any, so that it misses only what never was kept.
            async for one in buffer.follow():
                received.append(one.number)

        reading = asyncio.create_task(read())
        total = 0
        for count in counts:
            buffer.append(warnings(total, min(count, size)))
            total += min(count, size)
            for _ in range(3):
                await asyncio.sleep(0)
        buffer.close()
        await reading
        assert received == list(range(total))
        assert buffer.readers == 0
        assert (buffer.first, buffer.next) == (max(0, total - size), total)
        if number < buffer.first:
            with pytest.raises(EventsExpiredError, match=f"event {number:010d} is no longer available"):
                buffer.since(number)
        else:
            assert [one.number for one in buffer.since(number)] == list(range(number, total))

    asyncio.run(program())


def test_event_buffer_slow_reader_gets_expired_error() -> None:
    async def program() -> None:
        buffer = EventBuffer(3)
        buffer.append(warnings(0, 3))
        followed = buffer.follow(0)
        assert (await anext(followed)).number == 0
        buffer.append(warnings(3, 3))
        with pytest.raises(EventsExpiredError) as missed:
            await anext(followed)
        assert missed.value.first == 3

    asyncio.run(program())
