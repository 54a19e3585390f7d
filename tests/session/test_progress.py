"""Heartbeats, and people who enter and leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.errors import InvalidInputError
from fitsense.events.schema import validate_event
from fitsense.session.heartbeat import Heartbeat
from fitsense.session.presence import Presence
from fitsense.types import Frame
from tests.pose.bodies import STICKS, pose_of, standing

Entered, Left = fitsense.PersonEntered, fitsense.PersonLeft


def still(seconds: float, rate_hz: float = 2.0, start_s: float = 0.0) -> list[Frame]:
    picture = np.zeros((40, 60, 3), np.uint8)
    return [Frame(picture, start_s + at / rate_hz) for at in range(round(seconds * rate_hz))]


def progress(events: Sequence[fitsense.Event]) -> list[fitsense.SessionProgress]:
    for event in events:
        validate_event(event.to_dict())
    return [event.data for event in events if isinstance(event.data, fitsense.SessionProgress)]


@given(st.lists(st.floats(0.01, 30.0), max_size=50), st.floats(0.1, 20.0))
def test_beat_periods_are_adjacent_and_long_enough(steps: list[float], interval_s: float) -> None:
    heartbeat, at_s, end_s = Heartbeat(interval_s), 0.0, 0.0
    for step in steps:
        heartbeat.add_frame(at_s)
        if (period := heartbeat.beat(at_s)) is not None:
            assert period[0] == end_s
            end_s = period[1]
            assert end_s - period[0] >= interval_s - 1e-5
        assert at_s - end_s < interval_s
        at_s += step


def test_session_idle_emits_progress_every_ten_seconds(model: fitsense.Model) -> None:
    session = fitsense.Session(model, fitsense.SessionConfig(camera=None))
    frames = still(26.0, rate_hz=5.0)
    events = session.push_many(frames) + session.finish()
    beats = progress(events)
    assert len(beats) == 2
    assert (beats[0].start_s, beats[1].start_s) == (0.0, beats[0].end_s)
    # A period ends with a window.
    assert all(10.0 <= beat.end_s - beat.start_s < 11.0 for beat in beats)
    assert all(beat.exercise is None and beat.people is None for beat in beats)
    assert beats[0].frames == pytest.approx(5 * beats[0].end_s, abs=2)


def test_session_progress_follows_its_interval_and_survives_a_snapshot(model: fitsense.Model) -> None:
    config = fitsense.SessionConfig(camera=None, progress_interval_s=4.0)
    frames = still(15.0, rate_hz=5.0)
    whole = fitsense.Session(model, config)
    expected = [event.to_json() for event in whole.push_many(frames) + whole.finish()]
    half = fitsense.Session(model, config)
    before = half.push_many(frames[:37])
    after = fitsense.Session.resume(model, half.snapshot())
    events = before + after.push_many(frames[37:]) + after.finish()
    assert [event.to_json() for event in events] == expected
    assert len(progress(events)) == 3
    silent = fitsense.Session(model, fitsense.SessionConfig(camera=None, progress_interval_s=None))
    assert progress(silent.push_many(frames) + silent.finish()) == []
    with pytest.raises(InvalidInputError, match="progress_interval_s"):
        fitsense.SessionConfig(progress_interval_s=0.0)


def test_multi_session_progress_has_no_subject_and_counts_people(model: fitsense.Model) -> None:
    sessions = fitsense.MultiSession(model, fitsense.SessionConfig(camera=None, progress_interval_s=2.0))
    everywhere = fitsense.Region(0.0, 0.0, 1.0, 1.0)
    events = [event for frame in still(5.0) for event in sessions.push(frame)]
    resumed = fitsense.MultiSession.resume(model, sessions.snapshot())
    for frame in still(5.0, start_s=5.0):
        events += resumed.push(frame, regions={"1": everywhere})
    events += resumed.finish()
    beats = [event for event in events if event.type == "fitsense.session.progress"]
    assert {event.subject for event in beats} == {None}
    assert [beat.people for beat in progress(beats)] == [0, 0, 1, 1]
    assert [beat.end_s for beat in progress(beats)] == [2.0, 4.0, 6.0, 8.0]


def test_presence_short_absence_is_none() -> None:
    presence = Presence()
    assert list(presence.update(None, 0.0)) == []
    assert list(presence.update("1", 1.0)) == [Entered("1", 1.0)]
    assert list(presence.update(None, 2.0)) == []
    assert list(presence.update("1", 3.5)) == []
    assert list(presence.update(None, 6.0)) == []
    assert list(presence.update(None, 6.5)) == [Left("1", 1.0, 3.5)]
    assert list(presence.update("2", 7.0)) == [Entered("2", 7.0)]
    assert list(presence.update("3", 7.5)) == [Left("2", 7.0, 7.0), Entered("3", 7.5)]
    assert presence.end() == [Left("3", 7.5, 7.5)]
    assert presence.end() == []


def test_session_pushed_poses_give_entered_and_left(model: fitsense.Model) -> None:
    pose = fitsense.PoseConfig(enabled="off", landmarks=STICKS)
    config = fitsense.SessionConfig(camera=None, repetitions=None, progress_interval_s=4.0, pose=pose)
    session, events = fitsense.Session(model, config), []
    for frame in still(12.0, rate_hz=5.0):
        there = 2.0 <= frame.time_s < 4.0
        events += session.push(frame, poses=[pose_of(standing())] if there else [])
        if frame.time_s == 3.0:
            session = fitsense.Session.resume(model, session.snapshot())
    events += session.finish()
    assert [beat.people for beat in progress(events)] == [1, 0]
    entered, left = [event.data for event in events if isinstance(event.data, (Entered, Left))]
    assert isinstance(entered, Entered)
    assert isinstance(left, Left)
    assert entered.start_s == left.start_s == pytest.approx(2.0, abs=0.3)
    assert left.end_s == pytest.approx(3.8, abs=0.3)
    assert entered.person == left.person
