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
from fitsense.types import Frame, UInt8Array
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


def with_caption(rgb: UInt8Array, time_s: float, top: float, period_s: float) -> UInt8Array:
    """A picture with a white bar during the first half of each period."""
    height, width, _ = rgb.shape
    if time_s % period_s < period_s / 2:
        rgb = rgb.copy()
        rgb[round(top * height) : round((top + 0.1) * height), width // 5 : -width // 5] = 255
    return rgb


def with_passer_by(rgb: UInt8Array, time_s: float, since_s: float, seconds: float) -> UInt8Array:
    """A picture through which a dark bar moves once, in front of everything."""
    part = (time_s - since_s) / seconds
    height, width, _ = rgb.shape
    if 0 <= part < 1:
        left = round((part * 1.12 - 0.12) * width)
        rgb = rgb.copy()
        rgb[height // 10 :, max(0, left) : max(0, left + width // 8)] = (58, 62, 80)
    return rgb


@pytest.mark.parametrize(
    ("bout", "top", "period_s"),
    [
        (Bout("push_up", 10, 1.2), 0.55, 2.0),
        (Bout("push_up", 6, 2.2), 0.5, 0.7),
        (Bout("squat", 7, 1.8), 0.65, 1.0),
        (Bout("squat", 7, 1.8), 0.5, 0.7),
    ],
)
def test_counter_caption_that_blinks_costs_at_most_one_repetition(bout: Bout, top: float, period_s: float) -> None:
    video = FigureVideo([bout], rate_hz=15.0)
    frames = [Frame(with_caption(one.rgb, one.time_s, top, period_s), one.time_s) for one in video]
    reported, _ = numbers(counted(frames, video.duration_s))
    assert reported == pytest.approx(bout.repetitions, abs=1)


@pytest.mark.parametrize("bout", [Bout("push_up", 10, 1.2), Bout("squat", 10, 1.2), Bout("jumping_jack", 12, 0.8)])
def test_counter_somebody_who_passes_hides_only_the_repetitions_meanwhile(bout: Bout) -> None:
    video = FigureVideo([bout], rate_hz=15.0)
    frames = [Frame(with_passer_by(one.rgb, one.time_s, 4.0, 3.0), one.time_s) for one in video]
    reported, _ = numbers(counted(frames, video.duration_s))
    assert bout.repetitions - 3.0 / bout.tempo_s <= reported <= bout.repetitions
