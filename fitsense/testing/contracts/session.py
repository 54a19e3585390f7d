"""Laws of a session, for authors of models and of wrappers of sessions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pytest

from fitsense.errors import FitsenseError, InvalidInputError, SchemaError
from fitsense.events.model import Event
from fitsense.events.schema import validate_event
from fitsense.inference.model import Model
from fitsense.session.session import Session
from fitsense.testing.contracts.offer import missing
from fitsense.types import Frame


class SessionLike(Protocol):
    """The methods of a session that the laws use."""

    def push(self, rgb: Any, time_s: float | None = None) -> list[Event]: ...
    def push_many(self, frames: Iterable[Frame]) -> list[Event]: ...
    def snapshot(self) -> bytes: ...
    def finish(self) -> list[Event]: ...


class SessionContract:
    """Laws of a session; `model` is required."""

    @pytest.fixture
    def model(self) -> Model:
        """The model of the sessions."""
        missing(self, "model", "the model of the sessions", "fitsense.load_model('my-bundle')")

    @pytest.fixture
    def begin(self, model: Model) -> Callable[[], SessionLike]:
        """The function that creates a session."""
        return lambda: Session(model)

    @pytest.fixture
    def resume(self, model: Model) -> Callable[[bytes], SessionLike]:
        """The function that restores the session of a snapshot."""
        return lambda snapshot: Session.resume(model, snapshot)

    @pytest.fixture
    def frames(self) -> Sequence[Frame]:
        """Input frames; by default a rendered figure that squats for eight seconds."""
        from fitsense.synthetic.figures import Bout, FigureVideo

        return list(FigureVideo(bouts=(Bout("squat", 3, 2.0),), rate_hz=10.0, seed=7))

    @pytest.fixture
    def events(self, begin: Callable[[], SessionLike], frames: Sequence[Frame]) -> list[Event]:
        """Events of all frames, pushed one by one."""
        session = begin()
        return [event for frame in frames for event in session.push(frame)] + session.finish()

    def test_every_event_obeys_its_schema(self, model: Model, events: list[Event]) -> None:
        for event in events:
            try:
                validate_event(event.to_dict(), [offer.schema for offer in model.plugins.event_schemas().values()])
            except SchemaError as error:
                pytest.fail(f"event {event.sequence}, {event.type}: {error}", pytrace=False)

    def test_session_starts_and_ends_once(self, events: list[Event]) -> None:
        types = [event.type for event in events]
        for at, kind in ((0, "fitsense.session.started"), (-1, "fitsense.session.ended")):
            assert types.count(kind) == 1, f"expected one {kind}, got {types.count(kind)}"
            assert types[at] == kind, f"expected {kind} at {at}, got {types[at]}"

    def test_sequence_counts_from_zero(self, events: list[Event]) -> None:
        numbers = [event.sequence for event in events]
        assert numbers == list(range(len(events))), f"expected 0, 1, 2 …, got {numbers}"

    def test_event_times_are_monotone(self, events: list[Event]) -> None:
        for before, after in itertools.pairwise(events):
            assert before.time <= after.time, f"{after.type} at {after.time} comes after {before.type} at {before.time}"

    def test_events_are_independent_of_chunks(
        self, begin: Callable[[], SessionLike], frames: Sequence[Frame], events: list[Event]
    ) -> None:
        session, third = begin(), len(frames) // 3
        got = [event for at in (0, third) for event in session.push_many(frames[at : at + third])]
        got += session.push_many(iter(frames[2 * third :])) + session.finish()
        _assert_same(got, events)

    def test_resumed_snapshot_gives_the_same_events(
        self,
        begin: Callable[[], SessionLike],
        resume: Callable[[bytes], SessionLike],
        frames: Sequence[Frame],
        events: list[Event],
    ) -> None:
        session, middle = begin(), len(frames) // 2
        got = session.push_many(frames[:middle])
        session = resume(session.snapshot())
        _assert_same(got + session.push_many(frames[middle:]) + session.finish(), events)

    def test_sessions_with_one_model_are_independent(
        self, begin: Callable[[], SessionLike], frames: Sequence[Frame], events: list[Event]
    ) -> None:
        one, other = begin(), begin()
        got: list[Event] = []
        for frame in frames:
            got += one.push(frame)
            other.push(255 - frame.rgb, frame.time_s)
        _assert_same(got + one.finish(), events)

    def test_invalid_frame_leaves_the_session_unchanged(
        self, begin: Callable[[], SessionLike], frames: Sequence[Frame], events: list[Event]
    ) -> None:
        session, middle = begin(), len(frames) // 2
        got = session.push_many(frames[:middle])
        for rgb, time_s in (
            (np.zeros((8, 8), np.uint8), frames[middle].time_s),
            (frames[middle].rgb.astype(np.float32), frames[middle].time_s),
            (frames[middle].rgb, float("nan")),
        ):
            with pytest.raises(InvalidInputError):
                session.push(rgb, time_s)
        _assert_same(got + session.push_many(frames[middle:]) + session.finish(), events)

    def test_frames_are_not_modified(self, begin: Callable[[], SessionLike], frames: Sequence[Frame]) -> None:
        session = begin()
        for frame in frames:
            given = frame.rgb.copy()
            session.push(given, frame.time_s)
            assert np.array_equal(given, frame.rgb), f"it wrote into the frame at {frame.time_s:g} s"

    def test_push_after_finish_is_refused(self, begin: Callable[[], SessionLike], frames: Sequence[Frame]) -> None:
        session = begin()
        session.push(frames[0])
        session.finish()
        with pytest.raises(FitsenseError):
            session.push(frames[1])


def _assert_same(got: list[Event], expected: list[Event]) -> None:
    """Fail at the first event that differs."""
    for one, other in zip(got, expected, strict=False):
        assert one.to_dict() == other.to_dict(), f"event {other.sequence}: expected {other.type}, got another event"
    assert len(got) == len(expected), f"expected {len(expected)} events, got {len(got)}"
