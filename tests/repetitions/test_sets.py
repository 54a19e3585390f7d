"""Movements are grouped into sets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.repetitions.motion_range import JointRange
from fitsense.repetitions.movement import Details, Movement, PartialRepetition, Repetition
from fitsense.repetitions.sets import ExerciseSet, Sets, SetStats
from fitsense.repetitions.sides import Side


def repetitions(start_s: float, count: int, tempo_s: float = 2.0) -> list[Repetition]:
    return [Repetition(start_s + at * tempo_s, start_s + (at + 1) * tempo_s, 0.9) for at in range(count)]


def stretch(sets: Sets, exercise: str, start_s: float, end_s: float, movements: Sequence[Movement]) -> SetStats:
    sets.begin(exercise, start_s)
    sets.add(movements)
    sets.count()
    return sets.end(end_s)[1]


def test_end_repetitions_are_numbered_and_measured() -> None:
    sets = Sets(rest_s=10)
    sets.begin("squat", 1.0)
    sets.add(repetitions(1.0, 2))
    first = sets.count()
    sets.add([PartialRepetition(5.0, 5.5), *repetitions(5.5, 1, tempo_s=3.0)])
    counted, effort, made = sets.end(9.0)
    assert [(one.exercise, one.index) for one in [*first, *counted]] == [("squat", 1), ("squat", 2), ("squat", 3)]
    assert effort == SetStats(3, 1, 7.0, 7 / 3, pytest.approx(statistics.pstdev([2, 2, 3])))  # type: ignore[arg-type]
    (only,) = made
    assert (only.index, only.start_s, only.end_s, only.stats, only.rest_before_s) == (1, 1.0, 8.5, effort, None)


def test_count_long_pause_ends_a_set_and_short_does_not() -> None:
    sets = Sets(rest_s=10)
    effort = stretch(sets, "squat", 0.0, 60.0, [*repetitions(0, 3), *repetitions(15.9, 2), *repetitions(40, 4)])
    assert effort.repetitions == 9
    assert [(one.index, one.stats.repetitions, one.rest_before_s) for one in sets.sets] == [
        (1, 5, None),
        (2, 4, pytest.approx(40 - 19.9)),
    ]
    # The same exercise after too short a rest, another exercise, and the first one after that.
    stretch(sets, "squat", 55.0, 60.0, repetitions(55, 1))
    stretch(sets, "lunge", 61.0, 65.0, repetitions(61, 2))
    stretch(sets, "squat", 66.0, 70.0, repetitions(66, 2))
    assert [(one.exercise, one.index, one.stats.repetitions) for one in sets.sets] == [
        ("squat", 1, 5),
        ("squat", 2, 5),
        ("lunge", 1, 2),
        ("squat", 3, 2),
    ]
    assert sets.total("squat").repetitions == 12


def test_end_hold_is_a_set_without_repetitions() -> None:
    sets = Sets(rest_s=10)
    effort = stretch(sets, "plank", 3.0, 33.0, [])
    assert effort == SetStats(0, 0, 30.0, None, None, held_s=30.0)
    (only,) = sets.sets
    assert (only.start_s, only.end_s, only.stats) == (3.0, 33.0, effort)
    # One repetition has a tempo, but no spread.
    assert stretch(Sets(10), "squat", 0, 2, repetitions(0, 1)) == SetStats(1, 0, 2.0, 2.0, None)


def test_end_unknown_movement_needs_repetitions_for_a_set() -> None:
    sets = Sets(rest_s=10)
    assert stretch(sets, UNKNOWN, 0.0, 8.0, [PartialRepetition(1, 2)]) == SetStats(0, 1, 8.0, None, None)
    assert sets.sets == []
    stretch(sets, UNKNOWN, 20.0, 30.0, repetitions(20, 3))
    assert [(one.exercise, one.stats.repetitions) for one in sets.sets] == [(UNKNOWN, 3)]


def test_count_movement_belongs_to_the_segment_of_its_middle() -> None:
    sets = Sets(rest_s=10)
    # No exercise is recognised yet: the segment is announced later.
    sets.add(repetitions(0.0, 5))
    assert sets.count() == []
    sets.begin("squat", 3.0)
    assert [one.repetition.start_s for one in sets.count()] == [2.0, 4.0, 6.0, 8.0]
    # Another exercise, on trial so far, is found to have begun at 13.
    sets.add(repetitions(10.0, 3))
    counted, effort, _ = sets.end(13.0)
    assert [one.repetition.start_s for one in counted] == [10.0]
    assert effort.repetitions == 5
    sets.begin("lunge", 13.0)
    assert [(one.exercise, one.index, one.repetition.start_s) for one in sets.count()] == [
        ("lunge", 1, 12.0),
        ("lunge", 2, 14.0),
    ]
    sets.end(20.0)
    sets.add(repetitions(20.0, 2))
    sets.forget()
    sets.begin("squat", 20.0)
    assert sets.count() == []


def test_count_movement_before_the_segment_is_dropped() -> None:
    sets = Sets(rest_s=10)
    stretch(sets, "pull_up", 0.0, 1.8, [])
    effort = stretch(sets, "squat", 1.8, 5.4, [Repetition(0.141, 1.406, 0.9)])
    assert effort.repetitions == 0
    assert all(one.start_s <= one.end_s for one in sets.sets)


def test_count_movement_into_the_segment_from_no_segment_is_counted() -> None:
    """An exercise is recognised while it is done, so that its segment may begin within its first repetition."""
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 10.8, repetitions(0.0, 5))
    effort = stretch(sets, "push_up", 11.9, 20.0, [Repetition(9.0, 11.0, 0.9), *repetitions(11.1, 4, tempo_s=1.2)])
    assert effort.repetitions == 4
    assert [(one.exercise, one.stats.repetitions) for one in sets.sets] == [("squat", 5), ("push_up", 4)]
    assert sets.sets[-1].start_s == 11.9


@pytest.mark.parametrize(("end_s", "number"), [(12.3, 1), (11.9, 0)])
def test_count_movement_found_after_its_segment_ended_is_counted_in_the_next(end_s: float, number: int) -> None:
    """Only if enough of it lies there."""
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 11.8, repetitions(0.0, 5))
    sets.begin("push_up", 11.8)
    sets.add([Repetition(11.0, end_s, 0.9)])
    assert len(sets.count()) == number


def led(start_s: float, **ranges: float) -> Repetition:
    """A repetition with ranges of joints in degrees, the largest first."""
    joints = sorted(
        (JointRange(joint, None, deg, 1.0) for joint, deg in ranges.items()), key=lambda one: -one.range_deg
    )
    return Repetition(start_s, start_s + 2.0, 0.9, Details(joints=tuple(joints)))


def test_count_one_joint_leads_a_set_and_another_may_lead_the_next() -> None:
    sets = Sets(rest_s=10)
    sets.begin("squat", 0.0)
    # In the first two together, the knee moves most.
    sets.add([led(0.0, hip=81.0, knee=80.0), led(2.0, hip=70.0, knee=90.0)])
    counted = sets.count()
    sets.add([led(4.0, hip=95.0, knee=60.0), led(30.0, hip=95.0, knee=60.0)])
    counted += sets.count()
    joints = [one.repetition.details.joint for one in counted]
    assert [joint and (joint.joint, joint.range_deg) for joint in joints] == [
        ("knee", 80.0),
        ("knee", 90.0),
        ("knee", 60.0),
        ("hip", 95.0),
    ]


def test_count_repetition_without_the_leading_joint_has_none() -> None:
    sets = Sets(rest_s=10)
    sets.begin("squat", 0.0)
    sets.add([led(0.0), led(2.0, knee=90.0), led(4.0, hip=20.0)])
    assert [one.repetition.details.joint and one.repetition.details.joint.joint for one in sets.count()] == [
        None,
        "knee",
        None,
    ]


def test_add_while_idle_keeps_recent_movements_only() -> None:
    sets = Sets(rest_s=10)
    for at in range(1000):
        sets.add(repetitions(float(at), 1, tempo_s=1.0))
    assert len(sets.state.pending) <= 30


@pytest.mark.parametrize(("back_s", "taken_in"), [(12.0, True), (25.0, False)])
def test_begin_after_short_unknown_merges_the_sets(back_s: float, taken_in: bool) -> None:
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 7.0, repetitions(0, 3))
    # The sets reported in between are right as far as they are known.
    sets.begin(UNKNOWN, 7.0)
    sets.add(repetitions(7.0, 2))
    sets.add(repetitions(11.0, 1, tempo_s=back_s - 11.0))
    assert [(one.exercise, one.index) for one in sets.count()] == [(UNKNOWN, 1), (UNKNOWN, 2), (UNKNOWN, 3)]
    sets.end(back_s)
    sets.begin("squat", back_s)
    sets.add(repetitions(back_s, 1))
    counted, effort, made = sets.end(back_s + 3.0)
    assert effort.repetitions == 1
    if taken_in:
        assert [(one.exercise, one.index) for one in counted] == [("squat", 7)]
        # The segment adds one repetition to a set that began before it.
        assert [(one.index, one.stats.repetitions, one.start_s) for one in made] == [(1, 1, 12.0)]
        assert [(one.exercise, one.stats.repetitions, one.start_s) for one in sets.sets] == [("squat", 7, 0.0)]
        assert sets.total(UNKNOWN).repetitions == 0
    else:
        assert [(one.exercise, one.index) for one in counted] == [("squat", 1)]
        assert [(one.exercise, one.stats.repetitions) for one in sets.sets] == [
            ("squat", 3),
            (UNKNOWN, 3),
            ("squat", 1),
        ]


def test_begin_other_exercise_merges_nothing() -> None:
    sets = Sets(rest_s=10)
    for exercise, start_s in (("squat", 0.0), (UNKNOWN, 3.0), ("lunge", 6.0), (UNKNOWN, 9.0), (UNKNOWN, 12.0)):
        stretch(sets, exercise, start_s, start_s + 3.0, repetitions(start_s, 1))
    assert [one.exercise for one in sets.sets] == ["squat", UNKNOWN, "lunge", UNKNOWN]


def test_end_attempts_without_repetition_make_no_set() -> None:
    sets = Sets(rest_s=10)
    # Regression: an attempt at the end of a segment made a set of 2 s with 12 s under tension.
    effort = stretch(sets, "squat", 0.0, 12.0, [PartialRepetition(10.0, 12.0)])
    assert (effort.repetitions, effort.attempts) == (0, 1)
    assert sets.sets == []


def test_end_attempt_after_a_rest_makes_no_set() -> None:
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 40.0, [*repetitions(0, 3), PartialRepetition(30.0, 31.0)])
    assert [(one.stats.repetitions, one.stats.attempts) for one in sets.sets] == [(3, 0)]


def test_end_attempt_before_the_first_repetition_belongs_to_its_set() -> None:
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 60.0, [PartialRepetition(0.0, 1.0), PartialRepetition(20.0, 21.0), *repetitions(22, 3)])
    (only,) = sets.sets
    assert (only.start_s, only.stats.repetitions, only.stats.attempts) == (20.0, 3, 1)


def test_end_segment_without_movement_after_repetitions_is_a_pause() -> None:
    sets = Sets(rest_s=10)
    stretch(sets, "squat", 0.0, 6.0, repetitions(0, 3))
    sets.begin("squat", 9.0)
    _, effort, made = sets.end(14.0)
    assert (effort.repetitions, made) == (0, [])
    assert [(one.end_s, one.stats.time_under_tension_s) for one in sets.sets] == [(6.0, 6.0)]


def test_end_timed_exercise_has_seconds_and_no_repetitions() -> None:
    sets = Sets(10, is_timed=lambda exercise: exercise == "plank")
    held = stretch(sets, "plank", 0.0, 20.0, repetitions(2, 4))
    assert (held.repetitions, held.held_s, held.time_under_tension_s) == (0, 20.0, 20.0)
    assert sets.total("plank").held_s == 20.0
    assert stretch(sets, "squat", 30.0, 40.0, repetitions(30, 4)).held_s is None


def test_count_repetitions_of_sides_gives_pairs() -> None:
    sets = Sets(rest_s=10)
    sets.begin("lunge", 0.0)
    sides: tuple[Side, ...] = ("left", "right", "left", "left")
    sets.add(
        [attrs.evolve(one, details=Details(side=side)) for one, side in zip(repetitions(0, 4), sides, strict=True)]
    )
    assert [one.pairs for one in sets.count()] == [0, 1, 1, 1]
    _, stats, (only,) = sets.end(8.0)
    assert (stats.repetitions_left, stats.repetitions_right, stats.pairs) == (3, 1, 1)
    assert only.stats == stats
    plain = stretch(sets, "squat", 30.0, 34.0, repetitions(30, 2))
    assert (plain.repetitions_left, plain.repetitions_right, plain.pairs) == (None, None, None)


def test_sets_with_few_sides_count_none() -> None:
    sets = Sets(rest_s=10)
    sets.begin("row", 0.0)
    first, *others = repetitions(0, 4)
    sets.add([attrs.evolve(first, details=Details(side="left")), *others])
    assert [one.pairs for one in sets.count()] == [0, 0, None, None]
    _, stats, _ = sets.end(8.0)
    assert (stats.repetitions, stats.repetitions_left, stats.repetitions_right, stats.pairs) == (4, None, None, None)


def test_end_segment_without_movement_not_held_makes_no_set() -> None:
    sets = Sets(10, lambda exercise: exercise == "plank")
    stretch(sets, "squat", 0.0, 20.0, [])
    stretch(sets, "plank", 30.0, 50.0, [])
    assert [(one.exercise, one.stats.time_under_tension_s) for one in sets.sets] == [("plank", 20.0)]


def test_end_repetition_beyond_its_segment_is_clipped() -> None:
    sets = Sets(rest_s=10)
    effort = stretch(sets, "squat", 5.0, 10.0, [Repetition(4.0, 7.0, 0.9), Repetition(8.0, 11.5, 0.9)])
    (only,) = sets.sets
    assert (only.start_s, only.end_s, only.stats.time_under_tension_s) == (5.0, 10.0, 4.0)
    assert effort == only.stats
    assert effort.tempo_mean_s == pytest.approx(3.25)


@pytest.mark.parametrize("rest_s", [0.0, -1.0, math.nan, math.inf])
def test_init_rest_not_positive_is_refused(rest_s: float) -> None:
    with pytest.raises(InvalidInputError, match="set_rest_s"):
        Sets(rest_s)


@given(st.data())
def test_sets_any_sequence_counts_each_movement_once(data: st.DataObject) -> None:
    """Any movements in any portions: sets are ordered, rests lie between them, and sums agree."""
    sets, at_s, counted, efforts = Sets(rest_s=data.draw(st.floats(0.5, 20))), 0.0, [], []
    parts: list[ExerciseSet] = []
    for _ in range(data.draw(st.integers(1, 5))):
        exercise = data.draw(st.sampled_from(["squat", "plank", UNKNOWN]))
        start_s = at_s = at_s + data.draw(st.floats(0, 30))
        sets.begin(exercise, start_s)
        stretch_counted = []
        for _ in range(data.draw(st.integers(0, 6))):
            movement_s = data.draw(st.floats(0.3, 6))
            at_s += data.draw(st.floats(0, 15))
            kind = data.draw(st.booleans())
            end_s = at_s + movement_s
            sets.add([Repetition(at_s, end_s, 0.5) if kind else PartialRepetition(at_s, end_s)])
            at_s = end_s
            if data.draw(st.booleans()):
                stretch_counted += sets.count()
        # The segment may end within the last movement, which may then belong to no segment.
        at_s = max(start_s, at_s - data.draw(st.floats(0, 5)))
        last, effort, made = sets.end(at_s)
        stretch_counted += last
        assert effort.repetitions == len(stretch_counted)
        assert all(one.exercise == exercise and start_s <= one.start_s <= one.end_s <= at_s for one in made)
        assert effort.time_under_tension_s <= at_s - start_s + 1e-9
        assert sum(one.stats.repetitions for one in made) == effort.repetitions
        sets.forget()
        parts += made
        counted += stretch_counted
        efforts.append((exercise, effort))
    made = sets.sets
    # Each set is in the segments' parts once, and each part is a set.
    for one in [*parts, *made]:
        assert one.stats.time_under_tension_s <= one.end_s - one.start_s + 1e-9
        assert one.stats.repetitions or (not one.stats.attempts and one.stats.time_under_tension_s > 0)
    for one in parts:
        held_s = one.stats.time_under_tension_s
        assert one.stats.repetitions or held_s == pytest.approx(one.end_s - one.start_s)
    assert all(one.end_s <= following.start_s for one, following in pairwise(parts))
    for field in ("repetitions", "attempts", "time_under_tension_s"):
        whole = sum(getattr(one.stats, field) for one in made)
        assert sum(getattr(one.stats, field) for one in parts) == pytest.approx(whole)
    assert sum(one.stats.repetitions for one in made) == len(counted)
    for one, following in pairwise(made):
        assert one.start_s <= one.end_s <= following.start_s
        assert following.rest_before_s == pytest.approx(following.start_s - one.end_s)
    for exercise in ("squat", "plank", UNKNOWN):
        own = sum(effort.repetitions for of, effort in efforts if of == exercise)
        total = sets.total(exercise).repetitions
        # Unknown movement may turn out to have been an exercise.
        assert total <= own if exercise == UNKNOWN else total >= own
        assert [one.index for one in made if one.exercise == exercise] == list(
            range(1, 1 + sum(one.exercise == exercise for one in made))
        )
    for exercise in ("squat", "plank"):
        # Numbers restart with each set, and skip those that were reported as unknown.
        numbers = iter([at for one in made if one.exercise == exercise for at in range(1, one.stats.repetitions + 1)])
        assert all(one.index in numbers for one in counted if one.exercise == exercise)
