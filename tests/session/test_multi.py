"""Sessions of several subjects in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, ExerciseEnded, SessionEnded, SessionStarted, SessionWarning
from fitsense.events.schema import validate_event
from fitsense.geometry import Region
from fitsense.session.multi import MultiSession
from fitsense.session.session import Session
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Frame

LEFT, RIGHT = Region(0.0, 0.0, 0.5, 1.0), Region(0.5, 0.0, 1.0, 1.0)
BOTH = {"anna": LEFT, "ben": RIGHT}


@pytest.fixture(scope="module")
def jacks() -> list[Frame]:
    return list(FigureVideo(bouts=(Bout("jumping_jack", 5, 1.2),), rate_hz=10.0, seed=8))


@pytest.fixture(scope="module")
def together(frames: list[Frame], jacks: list[Frame]) -> list[Frame]:
    """Anna squats at the left, Ben jumps at the right."""
    return [
        Frame(np.concatenate([one.rgb, other.rgb], axis=1), one.time_s)
        for one, other in zip(frames, jacks, strict=True)
    ]


def of(events: Sequence[Event], subject: str) -> list[object]:
    return [event.data for event in events if event.subject == subject]


def check(events: Sequence[Event]) -> None:
    for number, event in enumerate(events):
        document = event.to_dict()
        validate_event(document)
        assert document["sequence"] == f"{number:010d}"
        assert document.get("subject") == event.subject
    times = [event.time for event in events]
    assert times == sorted(times)


def alone(model: fitsense.Model, frames: Sequence[Frame]) -> list[object]:
    session = Session(model)
    return [event.data for event in session.push_many(frames) + session.finish()]


def test_multi_session_subject_has_the_events_of_a_single_session(
    model: fitsense.Model, together: list[Frame], frames: list[Frame], jacks: list[Frame]
) -> None:
    session = MultiSession(model)
    events = session.push(together[0], regions=BOTH)
    assert session.subjects == ["anna", "ben"]
    events += [event for frame in together[1:] for event in session.push(frame)] + session.finish()
    check(events)
    assert of(events, "anna") == alone(model, frames)
    assert of(events, "ben") == alone(model, jacks)
    ended = {event.subject: event.data.exercise for event in events if isinstance(event.data, ExerciseEnded)}
    assert ended == {"anna": "squat", "ben": "jumping_jack"}


def test_push_subjects_that_enter_and_leave_start_and_end_sessions(
    model: fitsense.Model, together: list[Frame], jacks: list[Frame]
) -> None:
    session = MultiSession(model, absent_s=1.0)
    events: list[Event] = []
    for at, frame in enumerate(together):
        # Ben comes after a second; Anna has no region after two.
        regions = {name: region for name, region in BOTH.items() if (at < 20 if name == "anna" else at >= 10)}
        events += session.push(frame, regions=regions)
    assert session.subjects == ["ben"]
    events += session.finish()
    check(events)
    anna, ben = of(events, "anna"), of(events, "ben")
    assert isinstance(anna[-1], SessionEnded)
    assert anna[-1].frames == 30
    assert anna[-1].end_s == pytest.approx(3.0)
    assert ben == alone(model, jacks[10:])
    # She returns as a new subject.
    again = MultiSession(model, absent_s=1.0)
    events = again.push(together[0], regions={"anna": LEFT}) + again.leave("anna")
    events += again.push(together[1], regions={"anna": LEFT}) + again.finish()
    check(events)
    assert [type(data) for data in of(events, "anna")].count(SessionStarted) == 2


def test_push_without_subjects_gives_no_events(model: fitsense.Model, together: list[Frame]) -> None:
    session = MultiSession(model)
    assert session.push(together[0]) == session.push(together[1], regions={}) == session.finish() == []
    with pytest.raises(fitsense.FitsenseError, match="finished"):
        session.push(together[2])


def test_push_camera_warning_has_no_subject(model: fitsense.Model, together: list[Frame]) -> None:
    session, events = MultiSession(model), list[Event]()
    black = np.zeros_like(together[0].rgb)
    for at in range(100):
        frame = together[at % 60] if at < 30 or at >= 70 else Frame(black, 0.0)
        events += session.push(attrs.evolve(frame, time_s=at / 10), regions=BOTH)
    events += session.warn("source_damaged", "the rest is unreadable") + session.finish()
    check(events)
    told = [event.data for event in events if event.subject is None]
    assert [(data.code, data.over) for data in told if isinstance(data, SessionWarning)] == [
        ("picture_black", False),
        ("picture_black", True),
        ("source_damaged", True),
    ]
    assert not [event for event in events if event.subject and isinstance(event.data, SessionWarning)]


def test_push_scene_cut_ends_all_segments(model: fitsense.Model, together: list[Frame]) -> None:
    other = [np.ascontiguousarray(np.rot90(frame.rgb, 2)) for frame in together]
    session, events = MultiSession(model), list[Event]()
    for at in range(60):
        rgb = together[at].rgb if at < 30 else other[at]
        events += session.push(Frame(rgb, at / 10), regions=BOTH)
    events += session.finish()
    check(events)
    assert [event.data.code for event in events if isinstance(event.data, SessionWarning)] == ["camera_cut"]
    for subject in BOTH:
        ended = [data for data in of(events, subject) if isinstance(data, ExerciseEnded)]
        assert all(data.end_s <= 3.4 or data.start_s >= 3.0 for data in ended)


def test_resume_any_snapshot_gives_the_same_events(model: fitsense.Model, together: list[Frame]) -> None:
    def run(restart_at: int | None) -> list[str]:
        session, events = MultiSession(model), list[Event]()
        for at, frame in enumerate(together):
            if at == restart_at:
                session = MultiSession.resume(model, session.snapshot())
            events += session.push(frame, regions=BOTH if at in (0, 40) else None)
        return [event.to_json() for event in events + session.finish()]

    assert run(35) == run(0) == run(None)
    with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
        MultiSession.resume(model, Session(model).snapshot())


def test_multi_session_invalid_calls_are_refused(model: fitsense.Model, together: list[Frame]) -> None:
    session = MultiSession(model)
    session.push(together[0], regions=BOTH)
    before = session.snapshot()
    with pytest.raises(fitsense.InvalidInputError, match="expected one of anna, ben, got 'carl'"):
        session.leave("carl")
    with pytest.raises(fitsense.InvalidInputError, match="time_s"):
        session.push(together[1].rgb)
    with pytest.raises(fitsense.InvalidInputError, match="absent_s"):
        MultiSession(model, absent_s=0)
    assert session.snapshot() == before


def test_push_moved_region_follows_the_subject(model: fitsense.Model, frames: list[Frame]) -> None:
    """A figure that moves through the picture looks like one that stays if the region moves with it."""
    height, width = frames[0].rgb.shape[:2]
    session, events = MultiSession(model), list[Event]()
    for at, frame in enumerate(frames):
        wide = np.zeros((height, 2 * width, 3), np.uint8)
        left = at * 2
        wide[:, left : left + width] = frame.rgb
        box = Region(left / (2 * width), 0.0, (left + width) / (2 * width), 1.0)
        events += session.push(attrs.evolve(frame, rgb=wide), regions={"anna": box})
    events += session.finish()
    assert of(events, "anna") == alone(model, frames)
