"""Sessions whose host expects some exercises only, or one before the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.catalogue import load_catalogue
from fitsense.events.model import Event, ExerciseEnded, ExerciseStarted, SessionStarted, SessionUpdated
from fitsense.events.schema import closed, schema, schemas, validate_event, validator
from fitsense.geometry import Region
from fitsense.session.config import SessionConfig
from fitsense.session.multi import MultiSession
from fitsense.session.session import Session
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window

ONLY = ("push_up", "squat")
DataT = TypeVar("DataT")


def of_kind(events: Sequence[Event], kind: type[DataT]) -> list[DataT]:
    return [event.data for event in events if isinstance(event.data, kind)]


def lines(events: Sequence[Event]) -> list[str]:
    return [event.to_json() for event in events]


def test_session_with_exercises_names_only_these(model: fitsense.Model, frames: list[Frame]) -> None:
    session = Session(model, SessionConfig(exercises=("squat", "push_up")))
    events = session.push_many(frames) + session.finish()
    (started,) = of_kind(events, SessionStarted)
    assert started.exercises == ONLY
    (ended,) = of_kind(events, ExerciseEnded)
    assert ended.exercise == "squat"
    assert set(ended.scores) == {*ONLY, "no_exercise"}
    assert sum(ended.scores.values()) == pytest.approx(1, abs=1e-3)
    assert not of_kind(events, SessionUpdated)


def test_session_with_exercises_restricts_muscles_to_them(model: fitsense.Model, frames: list[Frame]) -> None:
    worked = set(load_catalogue().exercises["push_up"].muscles)
    session = Session(model, SessionConfig(exercises=("push_up",)))
    events = session.push_many(frames) + session.finish()
    ended = of_kind(events, ExerciseEnded)
    assert {one.exercise for one in ended} <= {"push_up", "unknown"}
    for one in ended:
        by_name = {group: one.muscles[group] for group in one.muscles}
        others = [value for group, value in by_name.items() if group not in worked]
        assert max(others) <= min(by_name[group] for group in worked)


def test_model_predicts_each_window_under_its_own_expectation(model: fitsense.Model, frames: list[Frame]) -> None:
    windows: list[Window] = []
    for config in (SessionConfig(), SessionConfig(exercises=ONLY), SessionConfig(expected="push_up")):
        session = Session(model, config)
        windows += next(found for frame in frames if (found := session.prepare(frame).windows))
    free, restricted, guided = model.predict(windows)
    labels = model.labels.exercise
    (alone,) = model.predict(windows[:1])
    np.testing.assert_allclose(free.exercise, alone.exercise, atol=1e-5)
    kept = [label in (*ONLY, "no_exercise", "unknown") for label in labels]
    np.testing.assert_allclose(restricted.exercise[kept], free.exercise[kept] / free.exercise[kept].sum(), atol=1e-5)
    assert not restricted.exercise[~np.array(kept)].any()
    at = labels.index("push_up")
    assert guided.exercise[at] > free.exercise[at]


class Ambiguous:
    """A model of which every window looks the same: a deadlift rather than a squat."""

    def __init__(self, model: fitsense.Model) -> None:
        self.labels, self.manifest, self.plugins = model.labels, model.manifest, model.plugins
        self.clips = {name: attrs.evolve(spec, size=16, short_side=16) for name, spec in model.clips.items()}
        self.bundle, self.deferred_branches, self.tasks = model.bundle, model.deferred_branches, model.tasks
        self.notice = model.notice

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        return [self._predict(window) for window in windows]

    def _predict(self, window: Window) -> Prediction:
        labels = self.labels.exercise
        logits = np.full((1, len(labels)), -9.0, dtype=np.float32)
        logits[0, labels.index("deadlift")], logits[0, labels.index("squat")] = 1.0, 0.2
        if window.expectation is not None:
            logits = window.expectation.apply(logits, labels)
        scores = np.exp(logits[0]) / np.exp(logits[0]).sum()
        return Prediction(window.start_s, window.end_s, scores, np.zeros(len(self.labels.muscles), np.float32))


@pytest.fixture
def ambiguous(model: fitsense.Model) -> fitsense.Model:
    return Ambiguous(model)  # type: ignore[return-value]


def moving(frames: Sequence[Frame], count: int) -> list[Frame]:
    """The frames again and again, `count` in all, ten a second."""
    return [attrs.evolve(frames[at % len(frames)], time_s=at / 10) for at in range(count)]


def test_session_exercises_set_in_mid_session_end_excluded_segments(
    ambiguous: fitsense.Model, frames: list[Frame]
) -> None:
    session, long = Session(ambiguous), moving(frames, 200)
    events = session.push_many(long[:100])
    assert [one.exercise for one in of_kind(events, ExerciseStarted)] == ["deadlift"]
    session.exercises = ["squat", "push_up"]
    assert session.exercises == ONLY
    later = session.push_many(long[100:]) + session.finish()
    assert isinstance(later[0].data, SessionUpdated)
    assert later[0].data == SessionUpdated(ONLY, None, 10.0)
    for event in later:
        validate_event(event.to_dict())
    strict = closed(schema("session.updated"))
    assert validator(strict, [closed(one) for one in schemas().values()]).is_valid(later[0].to_dict()["data"])
    assert len(of_kind(later, SessionUpdated)) == 1
    assert [one.exercise for one in of_kind(later, ExerciseStarted)] == ["squat"]
    assert [one.exercise for one in of_kind(later, ExerciseEnded)] == ["deadlift", "squat"]


def test_session_expected_exercise_is_a_prior(ambiguous: fitsense.Model, frames: list[Frame]) -> None:
    long = moving(frames, 100)
    for expected, named in ((None, "deadlift"), ("squat", "squat")):
        session = Session(ambiguous, SessionConfig(expected=expected))
        events = session.push_many(long) + session.finish()
        assert [one.exercise for one in of_kind(events, ExerciseEnded)] == [named]


def test_session_exercises_set_before_the_first_frame_or_to_the_same_give_no_event(
    ambiguous: fitsense.Model, frames: list[Frame]
) -> None:
    session = Session(ambiguous)
    session.exercises = ("squat",)
    session.expected = "squat"
    events = session.push_many(frames[:10])
    session.exercises = ("squat",)
    events += session.push_many(frames[10:20])
    assert of_kind(events, SessionStarted)[0].exercises == ("squat",)
    assert not of_kind(events, SessionUpdated)


def test_session_invalid_exercises_are_refused_without_effect(ambiguous: fitsense.Model, frames: list[Frame]) -> None:
    session = Session(ambiguous, SessionConfig(exercises=("squat",)))
    for wrong in (("sqaut",), (), "squat"):
        with pytest.raises(fitsense.InvalidInputError):
            session.exercises = wrong
    with pytest.raises(fitsense.InvalidInputError):
        session.expected = "push_up"
    assert (session.exercises, session.expected) == (("squat",), None)
    with pytest.raises(fitsense.InvalidInputError, match="did you mean squat"):
        Session(ambiguous, SessionConfig(exercises=("sqaut",)))


def test_snapshot_keeps_the_expectation(ambiguous: fitsense.Model, frames: list[Frame]) -> None:
    long = moving(frames, 200)

    def events(session: Session, at: int) -> Iterator[list[str]]:
        """The events of each frame from one on, then those of the end."""
        for frame in long[at:]:
            if at == 100:
                session.exercises = ("squat", "push_up")
                session.expected = "squat"
            yield lines(session.push(frame))
            at += 1
        yield lines(session.finish())

    session, snapshots, whole = Session(ambiguous, SessionConfig(exercises=("deadlift", "squat"))), {}, []
    for at, given in enumerate(events(session, 0)):
        whole.append(given)
        if at + 1 in (40, 101, 105, 140):
            snapshots[at + 1] = session.snapshot()
    assert len(snapshots) == 4
    for cut, snapshot in snapshots.items():
        assert list(events(Session.resume(ambiguous, snapshot), cut)) == whole[cut:]


def test_snapshot_between_change_and_frame_keeps_the_event(ambiguous: fitsense.Model, frames: list[Frame]) -> None:
    session = Session(ambiguous)
    session.push_many(frames[:20])
    session.exercises = ("squat",)
    resumed = Session.resume(ambiguous, session.snapshot())
    assert lines(resumed.push_many(frames[20:])) == lines(session.push_many(frames[20:]))
    assert resumed.exercises == ("squat",)


def test_multi_session_states_a_change_once_for_all_subjects(ambiguous: fitsense.Model, frames: list[Frame]) -> None:
    regions = {"anna": Region(0.0, 0.0, 0.5, 1.0), "ben": Region(0.5, 0.0, 1.0, 1.0)}
    session = MultiSession(ambiguous, SessionConfig(exercises=("deadlift", "squat")))
    events = [event for frame in frames[:20] for event in session.push(frame, regions={"anna": regions["anna"]})]
    session.exercises = ("squat",)
    session = MultiSession.resume(ambiguous, session.snapshot())
    for frame in frames[20:]:
        events += session.push(frame, regions=regions)
    events += session.finish()
    (update,) = [event for event in events if isinstance(event.data, SessionUpdated)]
    assert update.subject is None
    started = {event.subject: event.data for event in events if isinstance(event.data, SessionStarted)}
    assert started["anna"].exercises == ("deadlift", "squat")
    assert started["ben"].exercises == ("squat",)
    assert {one.exercise for one in of_kind(events, ExerciseEnded)} == {"squat"}
