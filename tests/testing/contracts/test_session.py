"""Mutants show that each law of sessions can fail alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, SessionEnded
from fitsense.testing.contracts import SessionContract
from tests.helpers.sessions import Scripted
from tests.testing.contracts.broken import broken_laws, laws


class Mutant(fitsense.Session):
    """A session that does as it should, for others to differ from."""


class Invalid(Mutant):
    def finish(self, reason: Any = "finished") -> list[Event]:
        *events, last = super().finish(reason)
        assert isinstance(last.data, SessionEnded)
        return [*events, attrs.evolve(last, data=attrs.evolve(last.data, frames=-1))]


class Endless(Mutant):
    def finish(self, reason: Any = "finished") -> list[Event]:
        return super().finish(reason)[:-1]


class Misnumbered(Mutant):
    def finish(self, reason: Any = "finished") -> list[Event]:
        *events, last = super().finish(reason)
        return [*events, attrs.evolve(last, sequence=last.sequence + 1)]


class Backward(Mutant):
    def finish(self, reason: Any = "finished") -> list[Event]:
        *events, last = super().finish(reason)
        return [*events, attrs.evolve(last, time=last.time - timedelta(days=1))]


class Chunky(Mutant):
    """Drops the first frame of an iterator that is not a list."""

    def push_many(self, frames: Any) -> list[Event]:
        return super().push_many(frames if isinstance(frames, list) else list(frames)[1:])


class Forgetful(Mutant):
    @classmethod
    def resume(cls, model: Any, snapshot: bytes, *, skip_events: int = 0) -> Any:
        session = super().resume(model, snapshot, skip_events=skip_events)
        session._summary.state.frames = 0
        return session


class Shared(Mutant):
    """Counts the frames of all sessions that are going on."""

    going_on: list[int] = []  # noqa: RUF012  # that it is shared is the point

    def push(self, rgb: Any, time_s: float | None = None, **options: Any) -> list[Event]:
        if not self.state.started:
            self.going_on.append(id(self))
        events = super().push(rgb, time_s, **options)
        if len(self.going_on) > 1:
            self._summary.state.frames += 1
        return events

    def finish(self, reason: Any = "finished") -> list[Event]:
        self.going_on.clear()
        return super().finish(reason)


class Torn(Mutant):
    def push(self, rgb: Any, time_s: float | None = None, **options: Any) -> list[Event]:
        try:
            return super().push(rgb, time_s, **options)
        except fitsense.InvalidInputError:
            self._summary.state.frames += 1
            raise


class Writing(Mutant):
    def push(self, rgb: Any, time_s: float | None = None, **options: Any) -> list[Event]:
        events = super().push(rgb, time_s, **options)
        if isinstance(rgb, np.ndarray):
            rgb[:] = 0
        return events


class Unfinished(Mutant):
    def push(self, rgb: Any, time_s: float | None = None, **options: Any) -> list[Event]:
        return [] if self.state.finished else super().push(rgb, time_s, **options)


MUTANTS: dict[str, type[Mutant]] = {
    "test_every_event_obeys_its_schema": Invalid,
    "test_session_starts_and_ends_once": Endless,
    "test_sequence_counts_from_zero": Misnumbered,
    "test_event_times_are_monotone": Backward,
    "test_events_are_independent_of_chunks": Chunky,
    "test_resumed_snapshot_gives_the_same_events": Forgetful,
    "test_sessions_with_one_model_are_independent": Shared,
    "test_invalid_frame_leaves_the_session_unchanged": Torn,
    "test_frames_are_not_modified": Writing,
    "test_push_after_finish_is_refused": Unfinished,
}


def broken(kind: type[Mutant], model: fitsense.Model, frames: Sequence[fitsense.Frame]) -> set[str]:
    Shared.going_on.clear()
    scripted: Any = Scripted(model)
    return broken_laws(
        SessionContract,
        model=scripted,
        begin=lambda: kind(scripted),
        resume=lambda snapshot: kind.resume(scripted, snapshot),
        frames=frames,
    )


@pytest.fixture(scope="module")
def frames() -> list[fitsense.Frame]:
    random = np.random.default_rng(0)
    return [fitsense.Frame(random.integers(0, 256, (24, 32, 3), dtype=np.uint8), at / 5) for at in range(50)]


@pytest.mark.parametrize("law", MUTANTS)
def test_session_mutant_breaks_one_law(law: str, model: fitsense.Model, frames: list[fitsense.Frame]) -> None:
    assert broken(MUTANTS[law], model, frames) == {law}


def test_our_own_session_breaks_no_law(model: fitsense.Model, frames: list[fitsense.Frame]) -> None:
    assert broken(Mutant, model, frames) == set()


def test_session_laws_all_have_a_mutant() -> None:
    assert laws(SessionContract) == set(MUTANTS)
