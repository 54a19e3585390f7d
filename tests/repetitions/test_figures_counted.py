"""Repetitions of synthetic figures, counted from their joints: supersets, tempo, slow and single repetitions."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fitsense.repetitions.body_signal import BodySignal
from fitsense.repetitions.choice import BodyOrMotionCounter
from fitsense.repetitions.movement import Repetition
from fitsense.repetitions.trajectory import SIDE
from fitsense.synthetic.figures import EXERCISES, Bout, FigureVideo
from tests.pose.bodies import SIZE, STICKS
from tests.repetitions.figure_poses import figure_poses


def count(bouts: list[Bout], seed: int) -> tuple[list[int], list[int], int]:
    """True and counted repetitions of each exercise in turn, and all that were counted."""
    video = FigureVideo(bouts, seed=seed)
    signal = BodySignal(STICKS)
    counter = BodyOrMotionCounter(signal)
    blank = np.full((SIDE, SIDE), 90.0, np.float32)
    found, time_s = [], 0.0
    for pose, time_s in figure_poses(video, seed, turn=random.Random(seed).uniform(0.0, 1.4)):
        found += counter.push(blank, signal.sample(pose, SIZE), time_s)
    found += counter.end_run(time_s)
    counted = [(one.start_s + one.end_s) / 2 for one in found if isinstance(one, Repetition)]
    true = [(one.start_s + one.end_s) / 2 for one in video.repetitions]
    within = [
        tuple(sum(part.start_s <= middle_s < part.end_s for middle_s in middles) for middles in (true, counted))
        for part in video.segments
    ]
    return [number for number, _ in within], [number for _, number in within], len(counted)


@pytest.mark.parametrize("seed", range(2))
def test_counter_superset_of_four_is_counted_in_each_part(seed: int) -> None:
    choice = random.Random(seed)
    first, second = choice.sample(EXERCISES, 2)
    tempi = choice.choice([1.2, 1.5, 2.0]), choice.choice([1.2, 1.5, 2.0])
    true, counted, _ = count([Bout(first, 5, tempi[0]), Bout(second, 6, tempi[1])] * 2, seed)
    assert counted == pytest.approx(true, abs=1)
    assert sum(true) - 1 <= sum(counted) <= sum(true)


@pytest.mark.parametrize(
    ("exercise", "tempi"),
    [*((exercise, (1.2, 3.0, 1.2)) for exercise in EXERCISES), ("squat", (1.0, 2.0, 4.0, 2.0, 1.0))],
)
def test_counter_tempo_pyramid_is_counted_in_full(exercise: str, tempi: tuple[float, ...]) -> None:
    true, _, total = count([Bout(exercise, 2, tempo_s) for tempo_s in tempi], 1)
    assert total == sum(true)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_counter_repetitions_of_eight_seconds_are_counted(exercise: str) -> None:
    true, counted, _ = count([Bout(exercise, 4, 8.0)], 0)
    assert counted == true


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("after_s", [0.5, 3.0, 6.0])
def test_end_run_single_repetition_before_standing_is_counted(exercise: str, after_s: float) -> None:
    bouts = [Bout("no_exercise", 0, 4.0), Bout(exercise, 1, 2.5), Bout("no_exercise", 0, after_s)]
    # A push-up between standing and standing may be counted from one to the other.
    assert count(bouts, 2)[2] == 1
