"""The repetition counter on rendered figures, whose repetitions are known exactly."""

from __future__ import annotations

import attrs
import pytest

from fitsense.camera.view_features import camera_thumbnail
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import PartialRepetition
from fitsense.repetitions.trajectory import motion_thumbnail
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.synthetic.repetitions import RepetitionVideo, Stroke
from tests.helpers.movements import counted, late, numbers

FIGURES = {
    "quick squats": RepetitionVideo("squat", [Stroke(1.0)] * 6),
    "slow squats": RepetitionVideo("squat", [Stroke(6.0)] * 3),
    "push-ups": RepetitionVideo("push_up", [Stroke(1.5)] * 5),
    "jumping jacks": RepetitionVideo("jumping_jack", [Stroke(1.0)] * 8),
    "pauses at the start": RepetitionVideo("push_up", [Stroke(1.8, pause_s=1.5)] * 3),
    "pauses at the far end": RepetitionVideo("squat", [Stroke(1.8, hold_s=1.5)] * 3),
    "slower and slower": RepetitionVideo("squat", [Stroke(1.2 + 0.5 * index) for index in range(5)]),
    "a hand-held camera": RepetitionVideo("squat", [Stroke(2.0)] * 4, shake=0.01, seed=3),
}


@pytest.mark.parametrize("video", [attrs.evolve(v, size=(96, 72)) for v in FIGURES.values()], ids=list(FIGURES))
def test_counter_rendered_figures_are_counted_right(video: RepetitionVideo) -> None:
    repetitions = RepetitionCounter()
    timed = []
    for frame in video:
        timed += [
            (one, frame.time_s) for one in repetitions.push(motion_thumbnail(camera_thumbnail(frame.rgb)), frame.time_s)
        ]
    timed += [(one, video.duration_s) for one in repetitions.end_run(video.duration_s)]
    assert max(late(timed, [(one.start_s, one.end_s) for one in video.repetitions])) <= 1
    reported = [one for one, _ in timed]
    assert numbers(reported) == (len(video.repetitions), 0)
    # From start to start, or from far end to far end: both are one repetition.
    for one, truth in zip(reported, video.repetitions, strict=True):
        assert one.start_s < truth.end_s
        assert truth.start_s < one.end_s


def test_counter_aborted_movement_is_a_partial_repetition() -> None:
    movements = [*[Stroke(2.0)] * 3, Stroke(1.2, depth=0.4), *[Stroke(2.0)] * 3]
    video = RepetitionVideo("squat", movements, size=(96, 72))
    reported = counted(video, video.duration_s)
    assert numbers(reported) == (6, 1)
    (attempt,) = [one for one in reported if isinstance(one, PartialRepetition)]
    (truth,) = video.attempts
    assert attempt.start_s == pytest.approx(truth.start_s, abs=0.5)


def test_counter_standing_person_gives_none() -> None:
    video = FigureVideo((Bout("no_exercise", 0, 14.0),), size=(96, 72), seed=3)
    assert counted(video, video.duration_s, RepetitionConfig(min_motion_share_single=0.6)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Bout("squat", 5, 2.0), Bout("jumping_jack", 8, 1.0)),
        (Bout("squat", 5, 2.0), Bout("push_up", 5, 1.5)),
        (Bout("jumping_jack", 8, 1.0), Bout("push_up", 5, 1.5)),
    ],
)
def test_push_second_exercise_without_a_rest_is_counted_in_full(first: Bout, second: Bout) -> None:
    video = FigureVideo([first, second], size=(160, 90), rate_hz=15.0)
    one, other = video.segments
    reported = counted(video, other.end_s)
    assert numbers(reported) == (first.repetitions + second.repetitions, 0)
    assert sum(movement.start_s + movement.end_s < 2 * one.end_s for movement in reported) == first.repetitions
