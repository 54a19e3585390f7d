"""Warnings of sessions: the picture, the camera and the frames' times."""

from __future__ import annotations

import numpy as np
import pytest

import fitsense
from fitsense.events.model import (
    ExerciseEnded,
    SessionEnded,
    SessionWarning,
)
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame
from tests.helpers.sessions import check, run


def test_push_black_picture_gives_warnings(model: fitsense.Model, frames: list[Frame]) -> None:
    black = np.zeros_like(frames[0].rgb)
    stream = [Frame(black if 30 <= at < 70 else frames[at % 60].rgb, at / 10) for at in range(100)]
    events = run(model, stream)
    check(events)
    warnings = [e.data for e in events if isinstance(e.data, SessionWarning)]
    assert [(data.code, data.start_s, data.over) for data in warnings] == [
        ("picture_black", 3.0, False),
        ("picture_black", 3.0, True),
    ]
    assert 5.0 <= warnings[0].end_s < 5.3
    assert warnings[1].end_s == pytest.approx(6.9, abs=0.15)
    assert not [e for e in run(model, stream, SessionConfig(camera=None)) if isinstance(e.data, SessionWarning)]


def test_push_scene_cut_ends_the_segment(model: fitsense.Model, frames: list[Frame]) -> None:
    upside_down = [Frame(frame.rgb[::-1, ::-1], frame.time_s + 6) for frame in frames]
    events = run(model, [*frames, *upside_down])
    check(events)
    (cut,) = [e.data for e in events if isinstance(e.data, SessionWarning)]
    assert (cut.code, cut.start_s, cut.end_s) == ("camera_cut", 5.9, 6.0)
    ended = [e.data for e in events if isinstance(e.data, ExerciseEnded)]
    assert ended[0].exercise == "squat"
    assert ended[0].end_s == 6.0
    assert all(data.start_s >= ended[0].end_s for data in ended[1:])


def test_push_gap_gives_a_warning_and_ends_the_segment(model: fitsense.Model, frames: list[Frame]) -> None:
    later = [Frame(frame.rgb, frame.time_s + 100) for frame in frames]
    events = run(model, [*frames, *later])
    check(events)
    warning = next(e.data for e in events if isinstance(e.data, SessionWarning))
    assert (warning.code, round(warning.end_s - warning.start_s)) == ("gap", 94)
    ended = [e.data for e in events if e.type == "fitsense.exercise.ended"]
    assert len(ended) == 2
    assert ended[0].end_s < 7 < 100 <= ended[1].start_s  # type: ignore[union-attr]


def test_push_late_frames_give_one_warning(model: fitsense.Model, frames: list[Frame]) -> None:
    disturbed = [*frames[:20], frames[3], frames[4], *frames[20:]]
    events = run(model, disturbed)
    check(events)
    assert [e.data.code for e in events if isinstance(e.data, SessionWarning)] == ["late_frame"]
    undisturbed = [e.data for e in run(model, frames)[:-1]]
    assert [e.data for e in events[:-1] if not isinstance(e.data, SessionWarning)] == undisturbed
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    assert summary.late_frames == 2


def test_push_clock_set_back_gives_a_warning(model: fitsense.Model, frames: list[Frame]) -> None:
    later = [Frame(frame.rgb, frame.time_s + 100) for frame in frames]
    events = run(model, [*later, *frames])
    check(events)
    assert [e.data.code for e in events if isinstance(e.data, SessionWarning)] == ["late_frame", "clock_reset"]
    assert len([e for e in events if e.type == "fitsense.exercise.ended"]) == 2


def test_warn_before_negative_time_keeps_time_monotone(model: fitsense.Model) -> None:
    session = Session(model)
    events = session.warn("camera_slow", "the camera takes its time")
    events += session.push(np.zeros((8, 8, 3), np.uint8), -5.0) + session.finish()
    check(events)


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ([index * 33.3 for index in range(40)], "times_suspicious"),
        ([index / 2 for index in range(20)], "frame_rate_low"),
        ([index * 2.0 for index in range(10)], "frame_rate_low"),
        ([index / 10 for index in range(12)], "too_short"),
        ([index / 10 for index in range(40)], None),
    ],
)
def test_push_unsuitable_frame_times_warn_once(
    model: fitsense.Model, frames: list[Frame], times: list[float], code: str | None
) -> None:
    events = run(
        model, [Frame(frames[at % 60].rgb, time_s) for at, time_s in enumerate(times)], SessionConfig(camera=None)
    )
    check(events)
    warnings = [e.data.code for e in events if isinstance(e.data, SessionWarning)]
    assert warnings == ([code] if code else [])
