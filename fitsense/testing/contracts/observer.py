"""Laws of observers that add events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fitsense.events.model import (
    EventData,
    ExerciseEnded,
    ExerciseStarted,
    ExerciseUpdated,
    ModelInfo,
    MusclesActivated,
    RepetitionCompleted,
    SessionEnded,
    SessionStarted,
)
from fitsense.plugins._manager import PluginManager
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.snapshot import pack, unpack
from fitsense.testing.contracts.offer import PluginFixtures

_STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class ObserverContract(PluginFixtures):
    """Laws of an observer that adds events to sessions; `plugin` is required."""

    @pytest.fixture
    def log(self) -> Sequence[EventData]:
        """Data of the observer's input events; by default of a session with two sets of twelve squats."""
        return squats()

    @pytest.fixture
    def added(self, plugins: PluginManager, log: Sequence[EventData]) -> Sequence[str]:
        """The session's events as JSON, with those that the observer adds."""
        lines = _lines(Emitter("urn:checked", _STARTED_AT, plugins), log)
        if len(lines) == len(log):
            pytest.skip("it adds no event to this log; return another one from the fixture log")
        return lines

    def test_added_events_are_valid(self, plugins: PluginManager, added: Sequence[str]) -> None:
        assert not plugins.observer_failures, next(line for line in added if '"plugin_failed"' in line)

    def test_events_are_deterministic(
        self, plugins: PluginManager, log: Sequence[EventData], added: Sequence[str]
    ) -> None:
        again = _lines(Emitter("urn:checked", _STARTED_AT, plugins), log)
        assert again == added, "the same session gave other events the second time; keep what changes in state"

    def test_resumed_session_gives_the_same_log(
        self, plugins: PluginManager, log: Sequence[EventData], added: Sequence[str]
    ) -> None:
        for at in range(1, len(log)):
            emitter = Emitter("urn:checked", _STARTED_AT, plugins)
            lines = _lines(emitter, log[:at])
            # Another session in between, as in another process after the first one stopped.
            _lines(Emitter("urn:checked", _STARTED_AT, plugins), log)
            resumed = Emitter("urn:checked", _STARTED_AT, plugins)
            snapshot = unpack(pack({"emitter": emitter.state}))
            resumed.state = snapshot.states({"emitter": EmitterState})["emitter"]
            lines += _lines(resumed, log[at:])
            assert lines == added, f"resumed after event {at}, it gave other events; keep what changes in state"


def squats() -> Sequence[EventData]:
    """Data of the events of a session with two sets of twelve squats."""
    muscles = {"quads": 0.9, "glutes": 0.7}
    log: list[EventData] = [
        SessionStarted(ModelInfo("checked", "1"), ("squat", "lunge"), tuple(muscles), 2.0, 0.5),
    ]
    for start_s in (3.0, 63.0):
        end_s = start_s + 24
        log.append(ExerciseStarted("squat", start_s, 0.9))
        for at in range(12):
            until_s = start_s + 2 * (at + 1)
            log.append(ExerciseUpdated("squat", start_s, until_s, until_s - start_s, 0.9, {"squat": 0.9, "lunge": 0.1}))
            log.append(MusclesActivated(until_s - 2, until_s, muscles))
            log.append(RepetitionCompleted("squat", at + 1, until_s - 2, until_s, 2.0, 0.8))
        scores = {"squat": 0.9, "lunge": 0.1}
        log.append(ExerciseEnded("squat", 12, 0, (), start_s, end_s, 24.0, 0.9, scores, muscles, 24.0, 2.0, 0.1))
    log.append(SessionEnded("finished", 900, 0, 45, (), (), 0.0, 90.0, 90.0, 42.0, {"quads": 43.2}, {"quads": 21.6}))
    return log


def _lines(emitter: Emitter, log: Sequence[EventData]) -> list[str]:
    lines = []
    for data in log:
        emitter.advance(getattr(data, "end_s", getattr(data, "start_s", 0.0)))
        lines += [event.to_json() for event in emitter.emit(data)]
    return lines
