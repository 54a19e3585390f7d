"""Mutants show that each law of observers can fail alone."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fitsense
from fitsense.events.model import Event, RepetitionCompleted
from fitsense.plugins import EventSchema, PluginEvent
from fitsense.testing import runner
from fitsense.testing.contracts import ObserverContract
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

TYPE = "mutants.repetition"
SCHEMA = EventSchema(TYPE, {"$id": "urn:fitsense:plugin:mutants:repetition", "required": ["total"]})


def good(event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
    if isinstance(event.data, RepetitionCompleted):
        state["total"] = state.get("total", 0) + 1
        yield PluginEvent(TYPE, {"total": state["total"]})


def invalid(event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
    for added in good(event, state):
        yield added if added.data["total"] < 20 else PluginEvent(TYPE, {})


def keeping_global_state() -> Callable[[Event, dict[str, Any]], Iterator[PluginEvent]]:
    kept: dict[str, Any] = {}
    return lambda event, state: good(event, kept)


def restarting() -> Callable[[Event, dict[str, Any]], Iterator[PluginEvent]]:
    kept: dict[str, Any] = {}

    def observe(event: Event, state: dict[str, Any]) -> Iterator[PluginEvent]:
        if event.sequence == 0:
            kept.clear()
        return good(event, kept)

    return observe


def watching(observer: Callable[..., Any]) -> types.ModuleType:
    module = plugin_of()
    setattr(module, "fitsense_event_schemas", fitsense.hookimpl(lambda: [SCHEMA]))  # noqa: B010
    setattr(module, "fitsense_event_emitted", fitsense.hookimpl(observer))  # noqa: B010
    return module


MUTANTS: dict[str, tuple[Callable[[], Callable[..., Any]], set[str]]] = {
    "test_added_events_are_valid": (lambda: invalid, {"test_added_events_are_valid"}),
    "test_events_are_deterministic": (
        keeping_global_state,
        # What differs from session to session differs after a snapshot too.
        {"test_events_are_deterministic", "test_resumed_session_gives_the_same_log"},
    ),
    "test_resumed_session_gives_the_same_log": (
        restarting,
        {"test_resumed_session_gives_the_same_log"},
    ),
}


@pytest.mark.parametrize("law", MUTANTS)
def test_observer_mutant_breaks_one_law(law: str) -> None:
    observer, broken = MUTANTS[law]
    assert broken_laws(ObserverContract, plugin=watching(observer())) == broken


def test_observer_laws_all_have_a_mutant() -> None:
    assert laws(ObserverContract) == set(MUTANTS)


def test_observer_valid_breaks_no_law() -> None:
    outcomes = runner.run({"observer": runner.contracts_of(watching(good))["observer of mutants"]})
    assert {outcome.status for outcome in outcomes} == {"held"}


def test_observer_without_events_needs_log() -> None:
    outcomes = runner.run({"observer": runner.contracts_of(watching(lambda event: None))["observer of mutants"]})
    assert {outcome.status for outcome in outcomes} == {"does not apply"}
    assert all("return another one from the fixture log" in outcome.message for outcome in outcomes)
