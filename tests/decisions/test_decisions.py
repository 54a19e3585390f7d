"""Invariants of decisions."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.decisions.config import DecisionConfig
from fitsense.decisions.decisions import Decisions
from fitsense.decisions.segments import Decision, MusclesActivated, SegmentEnded, SegmentStarted, SegmentUpdated
from fitsense.errors import InvalidInputError
from fitsense.types import Prediction

LABELS = ("lunge", IDLE, "push_up", "squat")
GROUPS = ("chest", "quads")
SURE = {"smoothing_s": 0.0}


def prediction(exercise: dict[str, float], muscles: tuple[float, float] = (0.1, 0.9)) -> Prediction:
    """A prediction with these probabilities; the remainder is spread over the other labels."""
    rest = (1.0 - sum(exercise.values())) / (len(LABELS) - len(exercise))
    scores = np.array([exercise.get(label, rest) for label in LABELS], dtype=np.float32)
    return Prediction(0.0, 1.0, scores, np.array(muscles, dtype=np.float32))


def decide(
    steps: list[dict[str, float]],
    config: DecisionConfig | None = None,
    is_exercise: Callable[[float, float, bool], bool] = lambda start_s, end_s, alone: False,
) -> list[Decision]:
    """Decisions for one prediction a second, and for the end of the run."""
    decisions = Decisions(LABELS, GROUPS, config, is_exercise)
    found = [d for t, step in enumerate(steps) for d in decisions.update(prediction(step), t, t + 1)]
    return found + decisions.end_run(len(steps))


def segments(decisions: list[Decision]) -> list[tuple[str, float, float]]:
    return [(d.exercise, d.start_s, d.end_s) for d in decisions if isinstance(d, SegmentEnded)]


distributions = st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4).map(
    lambda values: {label: value / sum(values) * 0.999999 for label, value in zip(LABELS, values, strict=True)}
)
# Long intervals of one answer, as in practice, mixed with noise.
streams = st.lists(
    st.tuples(st.sampled_from(LABELS), st.integers(1, 6), st.floats(0.3, 0.97)), min_size=1, max_size=8
).map(lambda parts: [{label: p} for label, length, p in parts for _ in range(length)])


@given(st.one_of(st.lists(distributions, min_size=1, max_size=40), streams), st.booleans())
def test_update_segments_are_ordered_disjoint_and_long_enough(steps: list[dict[str, float]], exercise: bool) -> None:
    config = DecisionConfig()
    current: SegmentStarted | None = None
    last_end = 0.0
    for decision in decide([dict(list(s.items())[:3]) for s in steps], config, lambda *span: exercise):
        match decision:
            case SegmentStarted():
                assert current is None
                assert decision.start_s >= last_end - 1e-9
                assert decision.exercise != IDLE
                current = decision
            case SegmentUpdated():
                assert current is not None
                assert (decision.exercise, decision.start_s) == (current.exercise, current.start_s)
                assert decision.end_s > decision.start_s
            case SegmentEnded():
                assert current is not None
                assert (decision.exercise, decision.start_s) == (current.exercise, current.start_s)
                assert decision.end_s - decision.start_s >= config.min_duration_s - 1e-6
                assert decision.end_s <= len(steps) + 1e-9
                assert 0.0 <= decision.confidence <= 1.0
                assert list(decision.scores.values()) == sorted(decision.scores.values(), reverse=True)
                last_end, current = decision.end_s, None
    assert current is None


@given(st.lists(distributions, min_size=1, max_size=30), st.booleans())
def test_update_muscle_reports_do_not_overlap(steps: list[dict[str, float]], exercise: bool) -> None:
    decisions = decide([dict(list(s.items())[:3]) for s in steps], is_exercise=lambda *span: exercise)
    reports = [d for d in decisions if isinstance(d, MusclesActivated)]
    for before, after in itertools.pairwise(reports):
        assert before.end_s <= after.start_s + 1e-9
    for report in reports:
        assert report.muscles["quads"] == pytest.approx(0.9, abs=1e-6)


@given(st.integers(2, 30), st.sampled_from(["squat", "lunge", "push_up"]))
def test_update_certain_answer_is_one_segment(seconds: int, exercise: str) -> None:
    assert segments(decide([{exercise: 0.95}] * seconds)) == [(exercise, 0.0, float(seconds))]


def test_update_idle_gives_nothing() -> None:
    assert decide([{IDLE: 0.9}] * 20) == []


def test_update_low_scores_give_unknown() -> None:
    assert segments(decide([{"squat": 0.35, "lunge": 0.3, IDLE: 0.1}] * 10)) == [(UNKNOWN, 0.0, 10.0)]


def test_update_idle_most_probable_gives_nothing() -> None:
    assert decide([{IDLE: 0.4, "squat": 0.35}] * 10) == []


def test_update_flicker_does_not_split_a_segment() -> None:
    steps = [{"squat": 0.9}] * 5 + [{"lunge": 0.9}] + [{"squat": 0.9}] * 5
    assert segments(decide(steps, DecisionConfig(**SURE))) == [("squat", 0.0, 11.0)]


def test_update_change_counts_from_its_beginning() -> None:
    steps = [{"squat": 0.9}] * 5 + [{IDLE: 0.9}] * 4 + [{"push_up": 0.9}] * 5
    assert segments(decide(steps, DecisionConfig(**SURE))) == [("squat", 0.0, 5.0), ("push_up", 9.0, 14.0)]


DIM = {"squat": 0.35, "lunge": 0.3, IDLE: 0.1}


@pytest.mark.parametrize("seconds", [1, 4])
def test_update_short_unknown_before_an_exercise_belongs_to_it(seconds: int) -> None:
    for before in ([], [{IDLE: 0.9}] * 4):
        steps = [*before, *[DIM] * seconds, *[{"squat": 0.9}] * 5]
        decisions = decide(steps, DecisionConfig(**SURE))
        start_s = float(len(before))
        assert [d.exercise for d in decisions if isinstance(d, SegmentStarted)] == ["squat"]
        assert segments(decisions) == [("squat", start_s, start_s + seconds + 5)]
        (ended,) = (d for d in decisions if isinstance(d, SegmentEnded))
        assert ended.confidence == pytest.approx((seconds * 0.35 + 5 * 0.9) / (seconds + 5), abs=1e-4)
        assert next(d.start_s for d in decisions if isinstance(d, MusclesActivated)) == start_s


def test_update_long_unknown_before_an_exercise_is_a_segment() -> None:
    steps = [{IDLE: 0.9}] * 4 + [DIM] * 5 + [{"squat": 0.9}] * 5
    assert segments(decide(steps, DecisionConfig(**SURE))) == [(UNKNOWN, 4.0, 9.0), ("squat", 9.0, 14.0)]
    patient = DecisionConfig(unknown_min_duration_s=7.0, **SURE)
    assert segments(decide(steps, patient)) == [("squat", 4.0, 14.0)]
    hasty = DecisionConfig(unknown_min_duration_s=0.0, **SURE)
    assert segments(decide(steps, hasty)) == [(UNKNOWN, 4.0, 9.0), ("squat", 9.0, 14.0)]


@given(st.integers(1, 4), st.sampled_from(["lunge", "push_up", "squat"]), st.sampled_from(["lunge", "push_up"]))
def test_update_unknown_unlike_the_exercise_does_not_begin_the_set(seconds: int, before: str, named: str) -> None:
    """Getting into position is no part of the exercise, unless it resembles that."""
    other = next(label for label in LABELS if label not in (before, named, IDLE))
    dim = {before: 0.45, other: 0.38, IDLE: 0.1}
    found = segments(decide([{IDLE: 0.9}] * 4 + [dim] * seconds + [{named: 0.9}] * 5, DecisionConfig(**SURE)))
    start_s = 4.0 if before == named else 4.0 + seconds
    assert found == [(named, start_s, 9.0 + seconds)]


@pytest.mark.parametrize("seconds", [1, 4])
def test_update_name_lost_for_a_while_does_not_split_a_segment(seconds: int) -> None:
    """The turning points of slow repetitions may look like nothing."""
    steps = ([{"squat": 0.9}] * 4 + [DIM] * seconds) * 3 + [{"squat": 0.9}] * 4
    assert segments(decide(steps, DecisionConfig(**SURE))) == [("squat", 0.0, float(len(steps)))]


def test_update_name_lost_for_long_ends_the_segment_where_it_was_lost() -> None:
    steps = [{"squat": 0.9}] * 4 + [DIM] * 5
    assert segments(decide(steps, DecisionConfig(**SURE))) == [("squat", 0.0, 4.0), (UNKNOWN, 4.0, 9.0)]


@pytest.mark.parametrize("seconds", [1, 4])
@pytest.mark.parametrize(("before", "named", "begins"), [("push_up", "squat", 0), ("squat", "lunge", 1)])
def test_update_unknown_between_exercises_belongs_to_the_second_if_it_resembles_that_more(
    before: str, named: str, begins: int, seconds: int
) -> None:
    steps = [{before: 0.9}] * 4 + [DIM] * seconds + [{named: 0.9}] * 5
    start_s, end_s = 4.0 + begins * seconds, 9.0 + seconds
    assert segments(decide(steps, DecisionConfig(**SURE))) == [(before, 0.0, 4.0), (named, start_s, end_s)]


@pytest.mark.parametrize("after", [{IDLE: 0.9}, {"squat": 0.9}])
@pytest.mark.parametrize("before", [IDLE, "push_up"])
def test_update_short_unknown_is_a_segment_if_it_was_exercise(before: str, after: dict[str, float]) -> None:
    unlike = {"lunge": 0.45, "push_up": 0.3, IDLE: 0.2}
    asked: list[tuple[float, float, bool]] = []

    def is_exercise(start_s: float, end_s: float, alone: bool) -> bool:
        asked.append((start_s, end_s, alone))
        return True

    decisions = decide([{before: 0.9}] * 4 + [unlike] * 3 + [after] * 4, DecisionConfig(**SURE), is_exercise)
    assert (UNKNOWN, 4.0, 7.0) in segments(decisions)
    assert asked == [(4.0, 7.0, IDLE in after and before == IDLE)]


@pytest.mark.parametrize("exercise", [True, False])
def test_end_run_short_unknown_at_the_end_is_a_segment_if_it_was_exercise(exercise: bool) -> None:
    steps = [{IDLE: 0.9}] * 4 + [DIM] * 3
    found = segments(decide(steps, DecisionConfig(**SURE), lambda *span: exercise))
    assert found == ([(UNKNOWN, 4.0, 7.0)] if exercise else [])


def test_update_short_unknown_at_the_beginning_is_no_exercise() -> None:
    """It may have begun before, such as before a cut."""
    assert decide([DIM] * 3 + [{IDLE: 0.9}] * 4, DecisionConfig(**SURE), lambda *span: True) == []


def test_update_unknown_of_a_moment_is_no_exercise() -> None:
    steps = [{IDLE: 0.9}] * 4 + [DIM] + [{IDLE: 0.9}] * 4
    assert decide(steps, DecisionConfig(**SURE), lambda *span: True) == []


def test_update_short_unknown_after_idle_gives_nothing() -> None:
    steps = [{IDLE: 0.9}] * 4 + [DIM] * 2 + [{IDLE: 0.9}] * 4
    assert decide(steps, DecisionConfig(**SURE)) == []


def test_update_unknown_and_names_in_turns_after_idle_give_unknown() -> None:
    turns = [DIM, DIM, {"squat": 0.9}, {"lunge": 0.9}] * 4
    assert segments(decide(turns, DecisionConfig(**SURE))) == [(UNKNOWN, 0.0, 14.0)]


def test_update_constant_changes_give_unknown() -> None:
    chaos = [{"push_up": 0.94}, {"lunge": 0.94}] * 30
    steps = [{"squat": 0.95}] * 10 + chaos + [{"squat": 0.95}] * 5
    found = segments(decide(steps, DecisionConfig(**SURE)))
    assert found == [("squat", 0.0, 10.0), (UNKNOWN, 10.0, 70.0), ("squat", 70.0, 75.0)]
    assert segments(decide(chaos, DecisionConfig(**SURE))) == [(UNKNOWN, 0.0, 60.0)]


def test_update_flicker_counts_in_the_mean_scores() -> None:
    steps = [{"squat": 0.9}] * 4 + [{"lunge": 0.9}] + [{"squat": 0.9}] * 5
    ended = next(d for d in decide(steps, DecisionConfig(**SURE)) if isinstance(d, SegmentEnded))
    assert ended.confidence == pytest.approx((9 * 0.9 + 0.1 / 3) / 10, abs=1e-4)


def test_update_hysteresis_keeps_a_less_certain_exercise() -> None:
    config = DecisionConfig(enter=0.6, exit=0.3, **SURE)
    wavering = [{"squat": 0.7}] * 4 + [{"squat": 0.4, "lunge": 0.3}] * 4
    assert segments(decide(wavering, config)) == [("squat", 0.0, 8.0)]
    never_sure = [{"squat": 0.4, "lunge": 0.3}] * 8
    assert segments(decide(never_sure, config)) == [(UNKNOWN, 0.0, 8.0)]


def test_update_smoothing_bridges_a_short_doubt() -> None:
    steps = [{"squat": 0.9}] * 4 + [{"lunge": 0.6}] * 2 + [{"squat": 0.9}] * 4
    config = DecisionConfig(smoothing_s=3.0, min_duration_s=1.0)
    assert segments(decide(steps, config)) == [("squat", 0.0, 10.0)]


def test_update_short_answer_is_no_segment() -> None:
    steps = [{IDLE: 0.9}] * 4 + [{"squat": 0.95}] + [{IDLE: 0.9}] * 4
    assert decide(steps, DecisionConfig(**SURE)) == []


def test_update_reports_keep_their_intervals() -> None:
    decisions = decide([{"squat": 0.95}] * 12, DecisionConfig(update_interval_s=3.0, muscles_interval_s=4.0))
    updates = [d.end_s for d in decisions if isinstance(d, SegmentUpdated)]
    assert all(b - a >= 3.0 for a, b in itertools.pairwise(updates))
    muscles = [(d.start_s, d.end_s) for d in decisions if isinstance(d, MusclesActivated)]
    assert muscles == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]


def test_end_run_resets_the_smoothing() -> None:
    decisions = Decisions(LABELS, GROUPS, DecisionConfig(smoothing_s=100.0))
    for t in range(5):
        decisions.update(prediction({"squat": 0.95}), t, t + 1)
    decisions.end_run(5.0)
    found = [d for t in range(5) for d in decisions.update(prediction({"push_up": 0.95}), 10 + t, 11 + t)]
    assert isinstance(found[0], SegmentStarted)
    assert found[0].exercise == "push_up"


def test_update_model_without_idle_label_works() -> None:
    decisions = Decisions(("lunge", "squat"), ("quads",))
    sure = Prediction(0, 1, np.array([0.9, 0.1], np.float32), np.array([0.5], np.float32))
    found = decisions.update(sure, 0, 2) + decisions.end_run(2)
    assert segments(found) == [("lunge", 0, 2)]


@pytest.mark.parametrize(
    "settings",
    [
        {"enter": 1.5},
        {"exit": -0.1},
        {"enter": 0.3, "exit": 0.5},
        {"smoothing_s": -1.0},
        {"min_duration_s": float("nan")},
    ],
)
def test_config_invalid_values_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        DecisionConfig(**settings)


def decide_with_unknown(steps: list[tuple[float, float, float]]) -> list[Decision]:
    """Decisions for probabilities of squat, idle and unknown, one a second; the last label is unknown."""
    decisions = Decisions(("squat", IDLE, UNKNOWN), GROUPS, DecisionConfig(enter=0.5, exit=0.4, **SURE))
    found = [
        decision
        for t, step in enumerate(steps)
        for decision in decisions.update(
            Prediction(0.0, 1.0, np.array(step, np.float32), np.array([0.1, 0.9], np.float32)), t, t + 1
        )
    ]
    return found + decisions.end_run(len(steps))


def test_update_unknown_label_is_never_entered_as_an_exercise() -> None:
    found = decide_with_unknown([(0.3, 0.1, 0.6)] * 6)
    assert segments(found) == [(UNKNOWN, 0, 6)]
    (ended,) = [decision for decision in found if isinstance(decision, SegmentEnded)]
    assert ended.confidence == pytest.approx(0.3), "the confidence of unknown is that of the most probable exercise"


def test_update_unknown_label_does_not_hide_a_certain_exercise_or_idle() -> None:
    assert segments(decide_with_unknown([(0.6, 0.0, 0.4)] * 6)) == [("squat", 0, 6)]
    assert segments(decide_with_unknown([(0.1, 0.6, 0.3)] * 6)) == []


def test_update_idle_below_the_unknown_label_is_unknown() -> None:
    assert segments(decide_with_unknown([(0.2, 0.35, 0.45)] * 6)) == [(UNKNOWN, 0, 6)]
    assert segments(decide_with_unknown([(0.2, 0.45, 0.35)] * 6)) == []
