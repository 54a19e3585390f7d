"""Events that plugins add to sessions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import fitsense
from fitsense.errors import InvalidInputError
from fitsense.events.model import Event, EventData, RepetitionCompleted, SessionEnded
from fitsense.events.parsing import OtherEvent, parse_event
from fitsense.events.schema import validate_event
from fitsense.plugins import EventSchema, PluginEvent, PluginInfo
from fitsense.plugins._manager import PluginManager
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.session import Session
from fitsense.session.snapshot import pack, unpack
from fitsense.synthetic.figures import FigureVideo
from fitsense.testing.contracts.observer import squats
from tests.helpers.plugin_modules import plugin

TENTH = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:fitsense:plugin:counting:tenth",
    "type": "object",
    "required": ["total"],
    "properties": {"total": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}


def every_third(event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
    if isinstance(event.data, RepetitionCompleted):
        state["total"] = state.get("total", 0) + 1
        if state["total"] % 3 == 0:
            yield PluginEvent("counting.third", {"total": state["total"]})
    if isinstance(event.data, SessionEnded) and "total" in state:
        yield PluginEvent("counting.third", {"total": state["total"]})


def host(observer: Callable[..., Any], **others: Callable[..., Any]) -> PluginManager:
    plugins = PluginManager()
    schemas = [EventSchema("counting.third", TENTH)]
    module = plugin("counting", fitsense_event_schemas=lambda: schemas, fitsense_event_emitted=observer)
    assert plugins.register(module).faults == ()
    for name, other in others.items():
        plugins.register(plugin(name, fitsense_event_emitted=other))
    return plugins


def emitter(plugins: PluginManager) -> Emitter:
    return Emitter("urn:x", datetime(2026, 1, 1, tzinfo=UTC), plugins)


def emitted(by: Emitter, log: Sequence[EventData]) -> list[Event]:
    return [event for data in log for event in by.emit(data)]


def test_emit_with_an_observer_that_adds_events_numbers_and_validates_them() -> None:
    events = emitted(emitter(host(every_third)), squats())
    assert [event.sequence for event in events] == list(range(len(events)))
    added = [event for event in events if event.type == "counting.third"]
    assert [event.to_dict()["data"]["total"] for event in added] == [3, 6, 9, 12, 15, 18, 21, 24, 24]
    assert events[-1].type == "fitsense.session.ended"
    assert events[-2].type == "counting.third"
    for event in events:
        validate_event(event.to_dict(), [TENTH])
    parsed = parse_event(added[0].to_json())
    assert isinstance(parsed, OtherEvent)
    assert (parsed.type, parsed.data) == ("counting.third", {"total": 3})
    # They follow what they reply to, at its time.
    at = events.index(added[0])
    assert isinstance(events[at - 1].data, RepetitionCompleted)
    assert events[at].time == events[at - 1].time


def test_emit_after_a_snapshot_adds_the_same_events() -> None:
    plugins, log = host(every_third), squats()
    whole = [event.to_json() for event in emitted(emitter(plugins), log)]
    for at in range(len(log)):
        first = emitter(plugins)
        lines = [event.to_json() for event in emitted(first, log[:at])]
        second = emitter(host(every_third))
        second.state = unpack(pack({"emitter": first.state})).states({"emitter": EmitterState})["emitter"]
        assert lines + [event.to_json() for event in emitted(second, log[at:])] == whole


def _raise() -> Any:
    raise RuntimeError("no more disk")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (lambda: [PluginEvent("counting.third", {"total": 0})], "counting.third: at $.total: 0 is less than"),
        (lambda: [PluginEvent("counting.third", {})], "'total' is a required property"),
        (lambda: [PluginEvent("counting.other", {})], "registered (counting.third), got 'counting.other'"),
        (lambda: [PluginEvent("fitsense.session.ended", {})], "got 'fitsense.session.ended'"),
        (lambda: [PluginEvent("counting.third", {"total": {1}})], "expected JSON values, got others"),
        (lambda: [PluginEvent("counting.third", {"total": float("nan")})], "expected JSON values, got others"),
        (lambda: [PluginEvent("counting.third", [1])], "expected a JSON object, got list"),  # type: ignore[arg-type]
        (lambda: ["counting.third"], "expected PluginEvents, got str"),
        (lambda: 7, "TypeError: 'int' object is not iterable"),
        (_raise, "RuntimeError: no more disk"),
    ],
)
def test_emit_with_an_observer_that_fails_gives_one_warning(reply: Callable[[], Any], fault: str) -> None:
    def observer(event: Event, state: dict[str, Any]) -> Any:
        state["calls"] = state.get("calls", 0) + 1
        return reply() if isinstance(event.data, RepetitionCompleted) else None

    seen: list[str] = []
    plugins = host(observer, other=lambda event: seen.append(event.type))
    by = emitter(plugins)
    events = emitted(by, squats())
    warnings = [event.to_dict() for event in events if event.type == "fitsense.session.warning"]
    assert [warning["data"]["code"] for warning in warnings] == ["plugin_failed"]
    assert warnings[0]["data"]["message"].startswith("events of the plugin counting are left out: ")
    assert fault in warnings[0]["data"]["message"]
    assert len(events) == len(squats()) + 1
    assert [event.sequence for event in events] == list(range(len(events)))
    assert plugins.observer_failures == {"counting": 24}
    # A failed call leaves the state as it was, and other observers get every event.
    assert json.loads(by.state.observers["counting"]) == {"calls": len(events) - 24}
    assert seen == [event.type for event in events]
    for event in events:
        validate_event(event.to_dict())


def test_emit_with_state_that_is_no_json_keeps_the_state_before() -> None:
    def observer(event: Event, state: dict[str, Any]) -> None:
        state["seen"] = state.get("seen", 0) + 1
        if state["seen"] == 3:
            state["odd"] = {1, 2}

    by = emitter(host(observer))
    emitted(by, squats()[:5])
    assert json.loads(by.state.observers["counting"]) == {"seen": 2}


def test_emit_added_events_reach_other_observers_which_cannot_reply() -> None:
    seen: list[str] = []

    def replying(event: Event) -> list[PluginEvent]:
        seen.append(event.type)
        return [PluginEvent("replying.echo", {})] if event.type == "counting.third" else []

    plugins = host(every_third)
    echo = EventSchema("replying.echo", {"$id": "urn:fitsense:plugin:replying:echo"})
    plugins.register(plugin("replying", fitsense_event_schemas=lambda: [echo], fitsense_event_emitted=replying))
    events = emitted(emitter(plugins), squats())
    assert seen.count("counting.third") == 9
    (warning,) = [event for event in events if event.type == "fitsense.session.warning"]
    assert "expected events in reply to those of fitsense" in warning.to_json()


def test_emit_with_an_observer_without_schemas_that_fails_gives_no_warning() -> None:
    plugins = PluginManager()
    plugins.register(plugin("mute", fitsense_event_emitted=lambda event: _raise()))
    assert len(emitted(emitter(plugins), squats())) == len(squats())
    assert plugins.observer_failures == {"mute": len(squats())}


def test_emitter_state_with_a_broken_observer_state_is_refused() -> None:
    for broken in ("[1]", "{"):
        tampered = pack({"emitter": {"sequence": 0, "media_s": None, "observers": {"x": broken}, "failed": []}})
        with pytest.raises(InvalidInputError, match="snapshot: expected one of this version"):
            unpack(tampered).states({"emitter": EmitterState})


class Counting:
    """A plugin that numbers each repetition of a session; its log depends on the state that snapshots keep."""

    @fitsense.hookimpl
    def fitsense_plugin(self) -> PluginInfo:
        return PluginInfo("counting", "1.0")

    @fitsense.hookimpl
    def fitsense_event_schemas(self) -> list[EventSchema]:
        return [EventSchema("counting.third", TENTH)]

    @fitsense.hookimpl
    def fitsense_event_emitted(self, event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
        return every_third(event, state)


def test_session_with_a_plugin_that_adds_events_resumes_byte_for_byte(
    model: fitsense.Model, squats: FigureVideo
) -> None:
    frames = list(squats)
    plain = model.plugins
    plugins = PluginManager.discover()
    plugins.register(Counting())
    try:
        model.plugins = plugins
        session = Session(model)
        events = session.push_many(frames) + session.finish()
        session = Session(model)
        again = session.push_many(frames[: len(frames) // 2])
        session = Session.resume(model, session.snapshot())
        again += session.push_many(frames[len(frames) // 2 :]) + session.finish()
    finally:
        model.plugins = plain
    assert [event.to_json() for event in again] == [event.to_json() for event in events]
    assert sum(event.type == "counting.third" for event in events) >= 2
    assert [event.sequence for event in events] == list(range(len(events)))
