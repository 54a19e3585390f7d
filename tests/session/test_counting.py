"""Repetitions in sessions whose exercise is recognised late, for moments only, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import fitsense
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.events.model import ExerciseEnded, RepetitionCompleted
from fitsense.session.config import EPOCH, PoseConfig, SessionConfig
from fitsense.session.session import Session
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Prediction
from fitsense.windowing.sampler import Window
from tests.helpers.sessions import Scripted, check, run

Script = Sequence[tuple[float, str]]
"""Answers and the seconds until which they hold."""


class Told(Scripted):
    """Predicts what a script says of the middle of the time that a window decides."""

    def __init__(self, model: fitsense.Model, script: Script) -> None:
        super().__init__(model)
        self.script = script

    def _predict(self, window: Window) -> Prediction:
        at_s = (window.decides_from_s + window.decides_until_s) / 2
        answer = next(answer for until_s, answer in self.script if at_s < until_s)
        likely = {"squat": 0.2, "push_up": 0.35, "lunge": 0.35} if answer == UNKNOWN else {answer: 0.9}
        exercises = self.labels.exercise
        rest = (1.0 - sum(likely.values())) / (len(exercises) - len(likely))
        scores = np.array([likely.get(exercise, rest) for exercise in exercises], np.float32)
        muscles = np.full(len(self.labels.muscles), 0.5, np.float32)
        return Prediction(window.start_s, window.end_s, scores, muscles)


def told(model: fitsense.Model, bouts: Sequence[Bout], script: Script) -> list[tuple[str, int]]:
    """Exercises and repetitions of a session's segments, counted from all motion."""
    config = SessionConfig(pose=PoseConfig(enabled="off"))
    events = run(Told(model, script), list(FigureVideo(bouts)), config)  # type: ignore[arg-type]
    check(events)
    return [(event.data.exercise, event.data.repetitions) for event in events if isinstance(event.data, ExerciseEnded)]


@pytest.mark.parametrize("exercise", ["squat", "push_up", "jumping_jack"])
@pytest.mark.parametrize("after_s", [3.0, 6.0])
def test_push_single_repetition_without_a_name_is_counted(model: fitsense.Model, exercise: str, after_s: float) -> None:
    bouts = [Bout(IDLE, 0, 4.0), Bout(exercise, 1, 2.5), Bout(IDLE, 0, after_s)]
    script = [(4.5, IDLE), (8.0, UNKNOWN), (99.0, IDLE)]
    assert told(model, bouts, script) == [(UNKNOWN, 1)]


def test_push_standing_still_without_a_name_is_nothing(model: fitsense.Model) -> None:
    script = [(4.5, IDLE), (8.0, UNKNOWN), (99.0, IDLE)]
    assert told(model, [Bout(IDLE, 0, 12.0)], script) == []


def test_push_slow_repetitions_whose_name_is_lost_in_between_are_one_set(model: fitsense.Model) -> None:
    script = [(6.5, "squat"), (9.5, UNKNOWN), (14.5, "squat"), (17.5, UNKNOWN), (99.0, "squat")]
    assert told(model, [Bout("squat", 3, 8.0)], script) == [("squat", 3)]


def test_push_first_repetitions_of_a_second_exercise_without_a_name_are_its_own(model: fitsense.Model) -> None:
    bouts = [Bout("squat", 5, 2.0), Bout("push_up", 5, 1.5)]
    script = [(10.0, "squat"), (12.5, UNKNOWN), (99.0, "push_up")]
    assert told(model, bouts, script) == [("squat", 5), ("push_up", 5)]


def test_push_repetition_has_the_time_of_the_frame_that_completed_it(model: fitsense.Model) -> None:
    session = Session(Told(model, [(99.0, "squat")]), SessionConfig(pose=PoseConfig(enabled="off")))  # type: ignore[arg-type]
    completed = 0
    for frame in FigureVideo([Bout("squat", 4, 2.0)]):
        for event in session.push(frame):
            if isinstance(event.data, RepetitionCompleted):
                completed += 1
                assert (event.time - EPOCH).total_seconds() == pytest.approx(frame.time_s, abs=1e-3)
    assert completed >= 3
