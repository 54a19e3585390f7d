"""Deliveries: in order, at least once, bounded, and with an account of what was not delivered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense import BackoffConfig, Delivery, DeliveryConfig, DeliveryCounts, DeliveryError, Event, InvalidInputError
from fitsense.events.model import ExerciseStarted
from fitsense.events.plugin_data import PluginData
from fitsense.plugins import SinkSpec
from fitsense.sinks.settings import SinkSettings
from tests.helpers.http_receiver import event, until
from tests.helpers.plugin_modules import plugin

FAST = DeliveryConfig(backoff=BackoffConfig(0.0002, 0.001), flush_timeout_s=30.0)

# What becomes of one call: whether the events arrive, and what is raised.
OUTCOMES = {
    "delivered": (True, None),
    "lost": (False, DeliveryError("lost")),
    "answer lost": (True, DeliveryError("no answer")),
    "broken": (False, ConnectionResetError("reset")),
    "refused": (False, DeliveryError("refused", retryable=False)),
    "fault": (False, RuntimeError("a bug")),
}


class Scripted:
    """A sink with scripted failures, which then delivers.

    :param gate: what each call waits for.
    """

    def __init__(self, *script: str, batch: int = 1, gate: threading.Event | None = None) -> None:
        self.script = list(script)
        self.batch = batch
        self.gate = gate
        self.calls: list[tuple[list[int], str, float]] = []
        self.arrived: list[int] = []
        self.closed = 0

    def send(self, events: Sequence[Event]) -> None:
        assert not self.closed
        assert 1 <= len(events) <= self.batch
        outcome = self.script.pop(0) if self.script else "delivered"
        numbers = [one.sequence for one in events]
        self.calls.append((numbers, outcome, time.monotonic()))
        if self.gate is not None:
            self.gate.wait()
        arrives, error = OUTCOMES[outcome]
        if arrives:
            self.arrived += numbers
        if error is not None:
            raise error

    def close(self) -> None:
        self.closed += 1


def total(counts: DeliveryCounts) -> int:
    return counts.delivered + counts.refused + counts.dropped + counts.waiting


@given(
    script=st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=12),
    events=st.integers(0, 25),
    batch=st.integers(1, 4),
    queue=st.integers(1, 30),
    held=st.booleans(),
)
def test_delivery_is_ordered_bounded_and_at_least_once(
    script: list[str], events: int, batch: int, queue: int, held: bool
) -> None:
    gate = threading.Event()
    sink = Scripted(*script, batch=batch, gate=gate)
    delivery = Delivery(sink, "scripted", attrs.evolve(FAST, queue_size=queue), batch=batch)
    if not held:
        gate.set()
    for number in range(events):
        delivery.put(event(number))
        counts = delivery.counts
        assert counts.total == number + 1 == total(counts)
        assert counts.waiting <= queue + batch
    gate.set()
    counts = delivery.close()
    # In order, first arrivals as well as calls; what fails is sent again before anything else, what is refused one by
    # one.
    assert list(dict.fromkeys(sink.arrived)) == sorted(set(sink.arrived))
    for (numbers, outcome, _), (following, _, _) in zip(sink.calls, sink.calls[1:], strict=False):
        if outcome in ("lost", "answer lost", "broken"):
            assert following == numbers
        elif outcome != "delivered" and len(numbers) > 1:
            assert following == numbers[:1]
        else:
            assert following[0] > numbers[-1]
    # Nothing twice that was not uncertain.
    uncertain = {number for numbers, outcome, _ in sink.calls if outcome == "answer lost" for number in numbers}
    assert {number for number in sink.arrived if sink.arrived.count(number) > 1} <= uncertain
    # Every event is accounted for, each once.
    assert counts == delivery.counts
    assert (counts.total, counts.waiting) == (events, 0)
    delivered = [number for numbers, outcome, _ in sink.calls if outcome == "delivered" for number in numbers]
    refused = [
        numbers[0] for numbers, outcome, _ in sink.calls if outcome in ("refused", "fault") and len(numbers) == 1
    ]
    assert (counts.delivered, counts.refused) == (len(delivered), len(refused))
    assert counts.dropped == events - len(set(delivered) | set(refused))
    # What is dropped is older than what waits: the newest get through, as far as there is room.
    newest = set(range(max(0, events - queue), events))
    assert newest <= set(delivered) | set(refused)
    assert sink.closed == 1


def test_delivery_retry_after_delays_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTCOMES, "later", (False, DeliveryError("busy", retry_after_s=0.15)))
    sink = Scripted("later")
    with Delivery(sink, "busy", FAST) as delivery:
        delivery.put(event(0))
        until(lambda: len(sink.calls) == 2)
    assert sink.calls[1][2] - sink.calls[0][2] >= 0.15


def test_delivery_close_ignores_stuck_sink(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    sink = Scripted(gate=gate)
    delivery = Delivery(sink, "stuck", DeliveryConfig(flush_timeout_s=0.05))
    for number in range(3):
        delivery.put(event(number))
    until(lambda: sink.calls)
    counts = delivery.close()
    assert counts == DeliveryCounts(total=3, waiting=3)
    gate.set()
    until(lambda: sink.closed)
    assert delivery.close() == counts
    assert [record.getMessage() for record in caplog.records] == [
        "sink stuck: 3 of 3 events not delivered: 0 refused, 0 dropped, 3 waiting"
    ]


def test_delivery_close_ignores_retry_after_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTCOMES, "tomorrow", (False, DeliveryError("busy", retry_after_s=86400.0)))
    sink = Scripted("tomorrow")
    delivery = Delivery(sink, "tomorrow", DeliveryConfig(flush_timeout_s=20.0, retry_timeout_s=1e6))
    delivery.put(event(0))
    until(lambda: sink.calls)
    began_s = time.monotonic()
    assert delivery.close().waiting == 1
    assert time.monotonic() - began_s < 20.0
    assert (len(sink.calls), sink.closed) == (1, 1)


def test_delivery_close_cuts_long_delay_short() -> None:
    sink = Scripted("lost")
    delivery = Delivery(sink, "patient", DeliveryConfig(backoff=BackoffConfig(500.0, 500.0), flush_timeout_s=20.0))
    delivery.put(event(0))
    until(lambda: sink.calls)
    assert delivery.close().delivered == 1


def test_delivery_after_retry_timeout_sends_next() -> None:
    sink = Scripted("lost")
    with Delivery(sink, "hasty", attrs.evolve(FAST, retry_timeout_s=0.0)) as delivery:
        delivery.put(event(0))
        delivery.put(event(1))
        until(lambda: sink.arrived)
    assert delivery.counts == DeliveryCounts(total=2, delivered=1, refused=1)
    assert sink.arrived == [1]


def test_delivery_types_selects_events() -> None:
    sink = Scripted()
    started = ExerciseStarted("squat", 1.0, 0.5)
    with Delivery(sink, "picky", attrs.evolve(FAST, types=("exercise.started",))) as delivery:
        delivery.put(event(0))
        delivery.put(event(1, data=started))
    assert delivery.counts == DeliveryCounts(total=1, delivered=1)
    assert sink.arrived == [1]


def test_delivery_types_selects_events_of_plugins() -> None:
    sink = Scripted()
    added = PluginData("my-gym.milestone", "urn:fitsense:plugin:my-gym:milestone", {"repetitions": 10})
    with Delivery(sink, "picky", attrs.evolve(FAST, types=("my-gym.milestone",))) as delivery:
        delivery.put(event(0))
        delivery.put(event(1, data=added))
    assert sink.arrived == [1]


def test_delivery_put_after_close_is_dropped() -> None:
    delivery = Delivery(Scripted(), "over", FAST)
    delivery.close()
    delivery.put(event(0))
    assert delivery.counts == DeliveryCounts(total=1, dropped=1)


def test_delivery_survives_fault_of_sink(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Scripted):
        def close(self) -> None:
            raise SystemExit(3)

    sink = Faulty("fault", "fault", "delivered", "broken")
    with Delivery(sink, "faulty", FAST) as delivery:
        assert [one.sequence for one in delivery.tee(map(event, range(4)))] == [0, 1, 2, 3]
    assert delivery.counts == DeliveryCounts(total=4, delivered=2, refused=2)
    messages = [record.getMessage() for record in caplog.records]
    # The same failure is logged once.
    assert messages == [
        "sink faulty: the sink failed: RuntimeError: a bug; these events are refused",
        "sink faulty: it delivers again",
        "sink faulty: ConnectionResetError: reset; it will be tried again",
        "sink faulty: it delivers again",
        "sink faulty: closing it failed",
        "sink faulty: 2 of 4 events not delivered: 2 refused, 0 dropped, 0 waiting",
    ]
    assert caplog.records[0].exc_info


def test_delivery_full_queue_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    sink = Scripted(gate=gate)
    with Delivery(sink, "slow", attrs.evolve(FAST, queue_size=2)) as delivery:
        delivery.put(event(0))
        until(lambda: sink.calls)
        for number in range(1, 6):
            delivery.put(event(number))
        gate.set()
    assert sink.arrived == [0, 4, 5]
    assert delivery.counts == DeliveryCounts(total=6, delivered=3, dropped=3)
    assert sum("the oldest are dropped" in record.getMessage() for record in caplog.records) == 1


def test_delivery_complete_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Delivery(Scripted(), "good", FAST) as delivery:
        delivery.put(event(0))
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"types": ("exercise.begun",)}, "exercise.started"),
        ({"queue_size": 0}, "queue_size"),
        ({"backoff": 0.5}, "backoff"),
        ({"retry_timeout_s": -1.0}, "retry_timeout_s"),
        ({"flush_timeout_s": float("inf")}, "flush_timeout_s"),
    ],
)
def test_delivery_config_invalid_value_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        DeliveryConfig(**settings)


@attrs.frozen
class Config:
    url: str = ""
    size: int = 3


def host(opened: Callable[[Any], Any]) -> fitsense.PluginManager:
    plugins = fitsense.PluginManager()
    spec = SinkSpec("mine", Config, opened, lambda config: config.size)
    report = plugins.register(plugin("own", fitsense_sinks=lambda: [spec]))
    assert report.provides == {"sinks": ("own/mine",)}
    assert plugins.sink("mine") is plugins.sinks()["own/mine"] is spec
    return plugins


def test_open_sink_by_name() -> None:
    given: list[Config] = []
    gate = threading.Event()

    def opened(config: Config) -> Scripted:
        given.append(config)
        return Scripted(batch=2, gate=gate)

    delivery = fitsense.open_sink("mine", {"url": "x", "size": 2}, delivery=FAST, plugins=host(opened))
    for number in range(7):
        delivery.put(event(number))
    gate.set()
    with delivery:
        pass
    assert given == [Config("x", 2)]
    assert (delivery.name, delivery.counts.delivered) == ("own/mine", 7)
    with pytest.raises(fitsense.UnknownNameError, match="available: own/mine"):
        fitsense.open_sink("other", plugins=host(opened))
    with pytest.raises(InvalidInputError, match="own/mine"):
        fitsense.open_sink("mine", {"uri": "x"}, plugins=host(opened))


def test_sink_settings_read_from_file(tmp_path: Path) -> None:
    file = tmp_path / "sink.toml"
    file.write_text(
        'sink = "webhook"\nconfig.url = "https://x"\ndelivery = { types = ["session.ended"], queue_size = 5 }'
    )
    assert SinkSettings.read(file) == SinkSettings(
        "webhook", {"url": "https://x"}, DeliveryConfig(types=("session.ended",), queue_size=5)
    )
    for text, says in (("sink = ", "TOML"), ("[delivery]", "sink"), ('sink = "x"\nsecret = "y"', "secret")):
        file.write_text(text)
        with pytest.raises(InvalidInputError, match=says):
            SinkSettings.read(file)
    with pytest.raises(InvalidInputError, match="nowhere"):
        SinkSettings.read(tmp_path / "nowhere.toml")
