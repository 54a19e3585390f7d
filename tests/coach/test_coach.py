"""A plan is followed through events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.coach import (
    Coach,
    Cue,
    NotPlanned,
    NotRecognised,
    Plan,
    PlanDone,
    PlannedExercise,
    RepetitionDone,
    RestOver,
    SetDone,
)
from fitsense.events.model import (
    Event,
    EventData,
    ExerciseEnded,
    ExerciseStarted,
    ExerciseUpdated,
    ModelInfo,
    RepetitionCompleted,
    SessionEnded,
    SessionStarted,
)

TEMPO_S = 2.0
REST_S = 30.0


def events(data: Iterable[EventData], subject: str | None = None) -> list[Event]:
    return [Event("gym", n, datetime(2026, 5, 1, tzinfo=UTC), one, subject) for n, one in enumerate(data)]


def repetition(exercise: str, index: int, end_s: float, duration_s: float = TEMPO_S) -> RepetitionCompleted:
    return RepetitionCompleted(exercise, index, end_s - duration_s, end_s, duration_s, 1.0)


def ended(exercise: str, start_s: float, end_s: float) -> ExerciseEnded:
    return ExerciseEnded(exercise, 0, 0, (), start_s, end_s, end_s - start_s, 1.0, {}, {}, 0.0, None, None)


def updated(exercise: str, start_s: float, end_s: float) -> ExerciseUpdated:
    return ExerciseUpdated(exercise, start_s, end_s, end_s - start_s, 1.0, {})


def session_ended(end_s: float) -> SessionEnded:
    return SessionEnded("finished", 0, 0, 0, (), (), 0.0, end_s, end_s, 0.0, {}, {})


def set_of(exercise: str, repetitions: int, start_s: float) -> list[EventData]:
    """A set and its stretch."""
    end_s = start_s + repetitions * TEMPO_S
    updates = [repetition(exercise, n, start_s + n * TEMPO_S) for n in range(1, repetitions + 1)]
    return [ExerciseStarted(exercise, start_s, 0.9), *updates, ended(exercise, start_s, end_s + 1.0)]


def hold_of(exercise: str, seconds: float, start_s: float) -> list[EventData]:
    updates = [updated(exercise, start_s, start_s + s) for s in range(5, int(seconds), 5)]
    return [ExerciseStarted(exercise, start_s, 0.9), *updates, ended(exercise, start_s, start_s + seconds)]


def performed(sets: Sequence[tuple[str, int]], plan: Plan) -> list[EventData]:
    """Sets one after the other, with rests; held exercises by seconds."""
    held = {one.exercise for one in plan.exercises if one.hold_s is not None}
    data: list[EventData] = []
    time_s = 5.0
    for exercise, amount in sets:
        data += hold_of(exercise, amount, time_s) if exercise in held else set_of(exercise, amount, time_s)
        time_s += amount * (1.0 if exercise in held else TEMPO_S) + REST_S
    return [*data, session_ended(time_s)]


def follow(coach: Coach, data: Iterable[EventData]) -> list[Cue]:
    return [cue for event in events(data) for cue in coach.push(event)]


SQUATS = PlannedExercise("squat", repetitions=3, sets=2, rest_s=20.0, tempo_s=2.0)
PUSH_UPS = PlannedExercise("push_up", repetitions=2, rest_s=10.0)


def test_coach_complete_plan_counts_down() -> None:
    coach = Coach(Plan((SQUATS, PUSH_UPS)))
    cues = follow(coach, performed([("squat", 3), ("squat", 3), ("push_up", 2)], coach.plan))
    repetitions = [(c.exercise, c.set, c.repetition, c.left) for c in cues if isinstance(c, RepetitionDone)]
    assert repetitions == [
        ("squat", 1, 1, 2),
        ("squat", 1, 2, 1),
        ("squat", 1, 3, 0),
        ("squat", 2, 1, 2),
        ("squat", 2, 2, 1),
        ("squat", 2, 3, 0),
        ("push_up", 1, 1, 1),
        ("push_up", 1, 2, 0),
    ]
    assert [(c.exercise, c.set, c.missing, c.sets_left, c.rest_s) for c in cues if isinstance(c, SetDone)] == [
        ("squat", 1, 0, 1, 20.0),
        ("squat", 2, 0, 0, 20.0),
        ("push_up", 1, 0, 0, None),
    ]
    assert [type(cue) for cue in cues].count(PlanDone) == 1
    assert coach.progress().is_done
    assert coach.progress().sets_left == 0


def test_coach_within_set_counts_left() -> None:
    coach = Coach(Plan((SQUATS, PUSH_UPS)))
    follow(coach, set_of("squat", 2, 5.0)[:-1])
    progress = coach.progress()
    assert (progress.current, progress.set, progress.repetitions) == (SQUATS, 1, 2)
    assert (progress.repetitions_left, progress.sets_left, progress.rest_s) == (1, 3, None)


def test_coach_pause_within_set_continues_it() -> None:
    coach = Coach(Plan((SQUATS,)))
    # The session counts on, and its name was lost for a repetition.
    data = [*set_of("squat", 1, 5.0), ExerciseStarted("unknown", 8.0, 0.5), repetition("unknown", 1, 10.0)]
    follow(coach, [*data, repetition("squat", 3, 14.0)])
    assert [one.repetitions for one in coach.progress().exercises[0].done] == [3]


def test_coach_short_set_is_done_with_missing() -> None:
    coach = Coach(Plan((SQUATS,)))
    cues = follow(coach, performed([("squat", 2), ("squat", 5)], coach.plan))
    assert [(c.set, c.missing) for c in cues if isinstance(c, SetDone)] == [(1, 1), (2, 0)]
    assert [one.repetitions for one in coach.progress().exercises[0].done] == [2, 5]


def test_coach_other_order_is_followed() -> None:
    coach = Coach(Plan((SQUATS, PUSH_UPS)))
    follow(coach, performed([("push_up", 2), ("squat", 3)], coach.plan))
    assert [one.sets_left for one in coach.progress().exercises] == [1, 0]
    assert coach.progress().current == SQUATS


def test_coach_held_exercise_counts_seconds_over_gap() -> None:
    coach = Coach(Plan((PlannedExercise("plank", hold_s=20.0, sets=2),)))
    first: list[EventData]
    first = [ExerciseStarted("plank", 5.0, 0.9), updated("plank", 5.0, 14.0), ended("plank", 5.0, 15.0)]
    follow(coach, [*first, ExerciseStarted("plank", 16.0, 0.9), updated("plank", 16.0, 20.0)])
    assert (coach.progress().hold_s, coach.progress().hold_left_s) == (14.0, 6.0)
    cues = [
        *coach.push(events([updated("plank", 16.0, 27.0)])[0]),
        *coach.push(events([ended("plank", 16.0, 30.0)])[0]),
    ]
    assert [(c.set, c.missing) for c in cues if isinstance(c, SetDone)] == [(1, 0)]
    assert [one.hold_s for one in coach.progress().exercises[0].done] == [24.0]
    cues = follow(coach, [*hold_of("plank", 12.0, 60.0), session_ended(80.0)])
    assert [(c.set, c.missing) for c in cues if isinstance(c, SetDone)] == [(2, 8.0)]


def test_rest_starts_at_set_end_and_ends_once() -> None:
    coach = Coach(Plan((SQUATS,)))
    follow(coach, set_of("squat", 3, 4.0))
    # The last repetition ended at 10 s.
    assert (coach.progress(15.0).rest_s, coach.progress(15.0).rest_left_s) == (5.0, 15.0)
    assert coach.tick(29.9) == []
    assert coach.tick(30.0) == [RestOver(30.0, "squat")]
    assert coach.tick(31.0) == []
    assert coach.progress().rest_left_s == 0.0
    coach.push(events([repetition("squat", 1, 40.0)])[0])
    assert coach.progress().rest_s is None


def test_rest_after_short_set_starts_at_last_repetition() -> None:
    coach = Coach(Plan((SQUATS,)))
    follow(coach, set_of("squat", 2, 4.0))
    assert coach.progress(12.0).rest_s == 4.0


@pytest.mark.parametrize(
    ("duration_s", "verdict"), [(1.4, "fast"), (1.6, "on target"), (2.5, "on target"), (2.6, "slow")]
)
def test_pace_compares_a_repetition_with_the_intended_tempo(duration_s: float, verdict: str) -> None:
    coach = Coach(Plan((SQUATS,)))
    second = follow(coach, [repetition("squat", 1, 10.0), repetition("squat", 2, 13.0, duration_s)])[-1]
    assert isinstance(second, RepetitionDone)
    assert second.pace is not None
    assert second.pace.verdict == verdict
    assert second.pace.mean_s == pytest.approx((2.0 + duration_s) / 2)


def test_coach_unplanned_exercise_is_reported_once() -> None:
    coach = Coach(Plan((SQUATS,)))
    cues = follow(coach, [*set_of("lunge", 4, 5.0), *set_of("unknown", 4, 30.0)])
    assert cues == [NotPlanned(5.0, "lunge")]
    assert coach.progress().sets_left == 2


def test_coach_exercise_unknown_to_model_is_reported() -> None:
    coach = Coach(Plan((SQUATS, PlannedExercise("kettlebell_flow", repetitions=5), PlannedExercise("hammer_curl", 5))))
    started = SessionStarted(ModelInfo("gym", "1"), ("squat", "bicep_curl"), (), 2.0, 1.0)
    assert follow(coach, [started]) == [NotRecognised(0.0, "kettlebell_flow")]
    # A hammer curl is a bicep curl to this model.
    assert len(follow(coach, set_of("bicep_curl", 5, 5.0))) == 6


def test_coach_second_session_continues_plan() -> None:
    coach = Coach(Plan((SQUATS,)))
    started = SessionStarted(ModelInfo("gym", "1"), ("squat",), (), 2.0, 1.0)
    follow(coach, [started, *set_of("squat", 3, 100.0)])
    follow(coach, [started, *set_of("squat", 3, 5.0)])
    assert coach.progress().is_done


def test_coach_events_of_other_subjects_are_ignored() -> None:
    coach = Coach(Plan((SQUATS,)), subject="1")
    assert [cue for event in events(set_of("squat", 3, 5.0), "2") for cue in coach.push(event)] == []
    assert len([cue for event in events(set_of("squat", 3, 5.0), "1") for cue in coach.push(event)]) == 4


def test_coach_accepts_events_as_json() -> None:
    coach, other = Coach(Plan((SQUATS,))), Coach(Plan((SQUATS,)))
    for event in events(set_of("squat", 3, 5.0)):
        assert coach.push(event) == other.push(event.to_dict())
    assert other.push({"id": "9", "type": "jumps.counted", "data": {"end_s": 20.0}}) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exercise": "squat"}, "expected either repetitions or hold_s, got repetitions=None and hold_s=None"),
        ({"exercise": "squat", "repetitions": 3, "hold_s": 5}, "expected either repetitions or hold_s"),
        (
            {"exercise": "squat", "repetitions": 0},
            "PlannedExercise.repetitions: expected an integer of at least 1 or None, got 0",
        ),
        ({"exercise": "squat", "repetitions": 3, "sets": 0}, "PlannedExercise.sets: expected an integer of at least 1"),
        (
            {"exercise": "squat", "repetitions": 3, "rest_s": -1},
            "PlannedExercise.rest_s: expected a number in 0.*, got -1",
        ),
        ({"exercise": "squat", "repetitions": 3, "tempo_s": 0}, "PlannedExercise.tempo_s: expected a number above 0"),
        ({"exercise": "squat", "repetition": 3}, "plan: exercise 1: .*repetition"),
        ({"repetitions": 3}, "plan: exercise 1: .*exercise"),
    ],
)
def test_plan_invalid_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=message):
        Plan.from_dicts([wrong])


def test_plan_from_dicts_reads_json_objects() -> None:
    documents = [attrs.asdict(SQUATS), {"exercise": "plank", "hold_s": 30}]
    assert Plan.from_dicts(documents) == Plan((SQUATS, PlannedExercise("plank", hold_s=30)))
    with pytest.raises(fitsense.InvalidInputError, match="at least one exercise"):
        Plan(())


@pytest.mark.parametrize(
    ("exercises", "message"),
    [
        (PlannedExercise("squat", repetitions=4), "got a PlannedExercise$"),
        ([{"exercise": "squat"}], "got a dict as number 1; Plan.from_dicts takes JSON objects$"),
        ([PlannedExercise("squat", repetitions=4), "plank"], "got a str as number 2$"),
    ],
)
def test_plan_of_other_types_is_refused(exercises: Any, message: str) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"^Plan\.exercises: expected a sequence of .*" + message):
        Plan(exercises)


def test_planned_exercise_misspelt_field_is_explained() -> None:
    with pytest.raises(TypeError, match=r"PlannedExercise: .*got 'repetition'; did you mean 'repetitions'\?"):
        PlannedExercise("squat", repetition=4)  # type: ignore[call-arg]


def test_coach_other_types_are_refused() -> None:
    plan = Plan((PlannedExercise("squat", repetitions=4),))
    with pytest.raises(fitsense.InvalidInputError, match=r"plan: expected a Plan, got a tuple"):
        Coach(plan.exercises)  # type: ignore[arg-type]
    with pytest.raises(fitsense.InvalidInputError, match=r"got a str; parse a line of a log with json\.loads"):
        Coach(plan).push(events([session_ended(1.0)])[0].to_json())  # type: ignore[arg-type]


NAMES = ("squat", "push_up", "lunge", "plank")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    made = []
    for name in chosen:
        amount: dict[str, Any] = (
            {"hold_s": draw(st.integers(1, 60))} if name == "plank" else {"repetitions": draw(st.integers(1, 12))}
        )
        made.append(PlannedExercise(name, sets=draw(st.integers(1, 4)), **amount))
    return Plan(tuple(made))


performances = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 60)), max_size=12)


@given(plans(), performances)
def test_coach_any_events_progress_grows_deterministically(plan: Plan, sets: list[tuple[str, int]]) -> None:
    coach, again = Coach(plan), Coach(plan)
    total = sum(one.sets for one in plan.exercises)
    before, done, finished = 0, 0, 0
    for event in events(performed(sets, plan)):
        cues = coach.push(event)
        assert cues == again.push(event)
        progress = coach.progress()
        done += sum(isinstance(cue, SetDone) for cue in cues)
        finished += sum(isinstance(cue, PlanDone) for cue in cues)
        now = sum(len(one.done) for one in progress.exercises)
        assert now == done >= before
        assert now + progress.sets_left == total
        assert all(len(one.done) <= one.planned.sets for one in progress.exercises)
        assert progress.repetitions_left is None or progress.repetitions_left >= 0
        assert progress.is_done == (progress.sets_left == 0) == (finished == 1)
        before = now
    expected = sum(min(one.sets, sum(name == one.exercise for name, _ in sets)) for one in plan.exercises)
    assert done == expected


@given(plans())
def test_coach_exact_plan_is_done_with_last_movement(plan: Plan) -> None:
    coach = Coach(plan)
    sets = [(one.exercise, int(one.repetitions or one.hold_s or 0)) for one in plan.exercises for _ in range(one.sets)]
    data = performed(sets, plan)
    cues = follow(coach, data[:-1])
    assert isinstance(cues[-1], PlanDone | RestOver)
    assert [cue.missing for cue in cues if isinstance(cue, SetDone)] == [0] * len(sets)
    assert sum(isinstance(cue, PlanDone) for cue in cues) == 1
    assert coach.progress().is_done
