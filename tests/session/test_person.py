"""The person that a session tracks: found once a picture, by an estimator or by the host, and in snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, ExerciseUpdated, PersonBox, RepetitionCompleted, SessionEnded, SessionWarning
from fitsense.events.schema import validate_event
from fitsense.session.config import PoseConfig, SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame
from tests.helpers.camera_stage import room
from tests.helpers.seen_bodies import NOBODY, SeenBodies, SteadyModel, frame_of, frames_of
from tests.pose.bodies import STICKS, pose_of, standing
from tests.repetitions.test_body_signal import alternating, curl, squat

RATE_HZ = 15.0
ON = SessionConfig(pose=PoseConfig(enabled="on"))


def waves(count: int, seconds: float = 2.0, rest_s: float = 1.0) -> list[float]:
    """Parts of a movement that is repeated, with a rest at either end."""
    steps = round(seconds * RATE_HZ)
    rest = [0.0] * round(rest_s * RATE_HZ)
    return [*rest, *[0.5 - 0.5 * math.cos(2 * math.pi * at / steps) for at in range(count * steps)], *rest]


@pytest.fixture
def estimator() -> SeenBodies:
    return SeenBodies(squat)


@pytest.fixture
def steady(model: fitsense.Model, estimator: SeenBodies) -> Any:
    return SteadyModel(model, "squat", estimator)


def run(model: Any, frames: Sequence[Frame], config: SessionConfig = ON) -> list[Event]:
    session = Session(model, config)
    events = session.push_many(frames) + session.finish()
    for event in events:
        validate_event(event.to_dict())
    return events


def of_type(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    return [event.data for event in events if isinstance(event.data, kind)]


def test_push_with_an_estimator_counts_from_joints_and_gives_boxes(steady: Any) -> None:
    events = run(steady, frames_of(waves(5)))
    repetitions = of_type(events, RepetitionCompleted)
    assert len(repetitions) == 5
    assert {one.joint for one in repetitions} == {"knee"}
    assert all(one.range_deg > 10 and one.phases is not None and one.tempo for one in repetitions)
    updated = of_type(events, ExerciseUpdated)
    assert {one.person for one in updated} == {"1"}
    assert all(isinstance(one.box, PersonBox) and one.box.left < 0.5 < one.box.right for one in updated)


def test_push_looks_for_the_person_ten_times_a_second(steady: Any, estimator: SeenBodies) -> None:
    session = Session(steady, ON)
    session.push_many(frames_of([0.0] * 150))
    # Once to find the person, and every other second to count people.
    assert estimator.detections == 6
    assert 98 <= estimator.estimates <= 101


def test_push_without_repetitions_looks_six_times_a_second(steady: Any, estimator: SeenBodies) -> None:
    config = SessionConfig(pose=PoseConfig(enabled="on"), repetitions=None)
    events = run(steady, frames_of([0.0] * 150), config)
    assert 58 <= estimator.estimates <= 61
    assert not of_type(events, RepetitionCompleted)


def test_push_with_boxes_off_gives_none(steady: Any) -> None:
    events = run(steady, frames_of(waves(3)), SessionConfig(pose=PoseConfig(enabled="on", boxes=False)))
    updated = of_type(events, ExerciseUpdated)
    assert updated
    assert all(one.box is None and one.person is None for one in updated)


def test_session_of_a_bundle_without_landmarks_has_no_pose_by_default(steady: Any, estimator: SeenBodies) -> None:
    run(steady, frames_of([0.0] * 30), SessionConfig())
    assert (estimator.detections, estimator.estimates) == (0, 0)


def test_resume_with_a_person_gives_the_same_events_and_bytes(steady: Any) -> None:
    frames = frames_of([*waves(3), *[None] * 20, *waves(2)])
    session, snapshots, whole = Session(steady, ON), {}, []
    for at, frame in enumerate(frames):
        if at in (7, 40, 100):
            snapshots[at] = session.snapshot()
        whole.append([event.to_json() for event in session.push(frame)])
    whole.append([event.to_json() for event in session.finish()])
    assert len(snapshots) == 3
    for at, snapshot in snapshots.items():
        resumed = Session.resume(steady, snapshot)
        assert resumed.snapshot() == snapshot
        events = resumed.push_many(frames[at:]) + resumed.finish()
        assert [event.to_json() for event in events] == [event for given in whole[at:] for event in given]


def test_push_with_poses_skips_the_estimator_and_gives_the_same_events(
    model: fitsense.Model, estimator: SeenBodies
) -> None:
    frames = frames_of(waves(4))
    expected = run(SteadyModel(model, "squat", SeenBodies(squat)), frames)
    config = SessionConfig(pose=PoseConfig(enabled="off", landmarks=STICKS))
    session = Session(SteadyModel(model, "squat"), config)  # type: ignore[arg-type]
    events = []
    for frame in frames:
        pose = estimator.pose(frame.rgb)
        assert pose is not None
        events += session.push(frame, poses=[pose])
    events += session.finish()
    assert [event.to_dict()["data"] for event in events] == [event.to_dict()["data"] for event in expected]


def test_push_with_bodies_skips_the_detector(steady: Any, estimator: SeenBodies) -> None:
    session = Session(steady, ON)
    for frame in frames_of(waves(2)):
        session.push(frame, bodies=[fitsense.BodyRegion(0.5, 0.5, 0.66)])
    assert estimator.detections == 0
    assert session._person is not None
    assert session._person.name == "1"


def test_push_with_invalid_poses_leaves_the_session_unchanged(steady: Any, model: fitsense.Model) -> None:
    session, frame = Session(steady, ON), frame_of(0.0, 0.0)
    session.push(frame)
    before = session.snapshot()
    torso = fitsense.Pose(np.zeros((4, 6)), 0.9)
    with pytest.raises(fitsense.InvalidInputError, match="expected 12 landmarks, of sticks, got 4"):
        session.push(frame_of(0.0, 0.1), poses=[torso])
    assert session.snapshot() == before
    with pytest.raises(fitsense.InvalidInputError, match="this session has no landmarks"):
        Session(SteadyModel(model, "squat")).push(frame, poses=[torso])  # type: ignore[arg-type]
    hosts = SessionConfig(pose=PoseConfig(enabled="off", landmarks=STICKS))
    with pytest.raises(fitsense.InvalidInputError, match="with a pose estimator"):
        Session(steady, hosts).push(frame, bodies=[fitsense.BodyRegion(0.5, 0.5, 1.0)])


def test_mark_cut_makes_whoever_follows_another_person(steady: Any) -> None:
    session = Session(steady, ON)
    frames = frames_of(waves(4))
    before = session.push_many(frames[: len(frames) // 2]) + session.mark_cut()
    after = session.push_many(frames[len(frames) // 2 :]) + session.finish()
    assert {one.person for one in of_type(before, ExerciseUpdated)} == {"1"}
    assert {one.person for one in of_type(after, ExerciseUpdated)} == {"2"}


def test_push_with_a_region_gives_boxes_in_shares_of_the_whole_picture(steady: Any, estimator: SeenBodies) -> None:
    right = fitsense.Region(0.5, 0.0, 1.0, 1.0)
    session = Session(steady, SessionConfig(pose=PoseConfig(enabled="on"), region=right))
    session.push_many([frame_of(0.0, at / RATE_HZ, size=(128, 48)) for at in range(5)])
    assert session._person is not None
    box = session._person.box
    assert box is not None
    assert box.left > 0.5
    assert (box.left + box.right) / 2 == pytest.approx(0.75, abs=0.05)


def test_push_region_without_the_tracked_person_is_analysed(steady: Any) -> None:
    session = Session(steady, ON)
    wide = (400, 48)
    session.push_many([frame_of(0.0, at / RATE_HZ, size=wide) for at in range(5)])
    for left, right in ((0.0, 0.1), (0.9, 1.0)):
        session.region = fitsense.Region(left, 0.0, right, 1.0)
        session.push(frame_of(0.0, 1.0 + left, size=wide))


def test_session_unknown_estimator_is_refused_with_the_known_ones(model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected an installed plugin with a pose estimator"):
        Session(SteadyModel(model, "squat"), ON)  # type: ignore[arg-type]


def test_push_empty_picture_gives_no_pose(steady: Any) -> None:
    session = Session(steady, ON)
    session.push_many(frames_of([None] * 15))
    assert frame_of(None, 0.0).rgb[0, 0, 0] == NOBODY
    assert session._person is not None
    assert session._person.name is None


def test_push_alternating_sides_are_counted_with_their_pairs(model: fitsense.Model) -> None:
    parts = [part * (1 if number % 2 else -1) for number in range(8) for part in waves(1, 1.6, 0.0)]
    estimator = SeenBodies(alternating(curl))
    events = run(SteadyModel(model, "bicep_curl", estimator), frames_of([0.0] * 10 + parts + [0.0] * 15))
    repetitions = of_type(events, RepetitionCompleted)
    assert {one.side for one in repetitions} == {"left", "right"}
    assert 7 <= len(repetitions) <= 8
    assert {one.joint for one in repetitions} == {"elbow"}
    (only,) = of_type(events, SessionEnded)[0].sets
    assert only.repetitions_left + only.repetitions_right == only.repetitions == len(repetitions)
    assert only.pairs == min(only.repetitions_left, only.repetitions_right) == repetitions[-1].pairs


def test_push_hold_gives_seconds_and_no_repetitions(model: fitsense.Model) -> None:
    events = run(SteadyModel(model, "plank", SeenBodies(squat)), frames_of(waves(4)))
    assert not of_type(events, RepetitionCompleted)
    (only,) = of_type(events, SessionEnded)[0].sets
    assert only.repetitions == 0
    assert only.held_s == pytest.approx(only.duration_s)


def on_a_turned_camera(parts: Sequence[float], turned_at: int) -> list[Frame]:
    """Frames of the figure before a room, of which the camera shows another part from one frame on."""
    frames = []
    for at, frame in enumerate(frames_of(parts)):
        left = 16 if at < turned_at else 32
        picture = np.ascontiguousarray(room(5)[16:80, left : left + 64])
        # The figure, where its landmarks are.
        top = 20 + round(16 * parts[at])
        picture[top : top + 20, 26:38] = 255
        picture[:2, :2] = frame.rgb[0, 0]
        frames.append(Frame(picture, frame.time_s))
    return frames


def test_push_turned_camera_ends_no_repetition_of_the_joints(steady: Any) -> None:
    parts = waves(8)
    still = run(steady, on_a_turned_camera(parts, len(parts)))
    # In the middle of the fourth repetition.
    turned = run(steady, on_a_turned_camera(parts, round(8.0 * RATE_HZ)))
    assert [one.code for one in of_type(turned, SessionWarning)] == ["camera_moved"]
    spans = [(one.start_s, one.end_s) for one in of_type(turned, RepetitionCompleted)]
    assert len(spans) >= 7
    assert spans == [(one.start_s, one.end_s) for one in of_type(still, RepetitionCompleted)]


def test_finish_single_repetition_is_reported(steady: Any) -> None:
    (only,) = of_type(run(steady, frames_of(waves(1, 2.0, 2.0))), RepetitionCompleted)
    assert (only.start_s, only.end_s) == (pytest.approx(2.0, abs=0.6), pytest.approx(4.0, abs=0.6))
    assert only.joint == "knee"


def test_push_repetitions_are_reported_soon_after_their_ends(steady: Any) -> None:
    session = Session(steady, ON)
    lags = []
    for frame in frames_of(waves(8)):
        events = session.push(frame)
        lags += [frame.time_s - one.end_s for one in of_type(events, RepetitionCompleted)]
    assert len(lags) >= 7
    # The first ones wait for another that resembles them.
    assert max(lags[3:]) <= 0.8


def test_push_first_repetition_does_not_wait_for_the_second(steady: Any) -> None:
    session = Session(steady, ON)
    told = []
    frames = frames_of(waves(3, 4.0, 3.0))
    for frame in frames:
        told += [(frame.time_s, one) for one in of_type(session.push(frame), RepetitionCompleted)]
    told += [(frames[-1].time_s, one) for one in of_type(session.finish(), RepetitionCompleted)]
    assert [one.index for _, one in told] == [1, 2, 3]
    at_s, first = told[0]
    assert abs(first.end_s - 7.0) < 0.8
    assert at_s <= 9.5
    assert first.joint == "knee"


def test_push_person_who_leaves_gives_a_warning(model: fitsense.Model) -> None:
    estimator = SeenBodies(squat, x=0.9)
    session = Session(SteadyModel(model, "squat", estimator), ON)  # type: ignore[arg-type]
    frames = frames_of([0.0] * 60)
    events = session.push_many(frames[:20])
    estimator.x = 0.98
    events += session.push_many(frames[20:]) + session.finish()
    for event in events:
        validate_event(event.to_dict())
    warned = [one for one in of_type(events, SessionWarning) if one.code == "person_cut_off"]
    assert [(one.over, one.limbs) for one in warned] == [(False, ("left_arm",)), (True, ("left_arm",))]


def test_push_empty_picture_gives_a_warning(steady: Any) -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    picture[0, 0] = NOBODY
    events = run(steady, [Frame(picture, at / RATE_HZ) for at in range(200)])
    (began, over) = (one for one in of_type(events, SessionWarning) if one.code == "no_person")
    assert (began.over, over.over) == (False, True)
    assert began.end_s == pytest.approx(10.0, abs=0.2)


def test_push_second_person_gives_a_warning(model: fitsense.Model) -> None:
    class Two(SeenBodies):
        def detect(self, picture: Any) -> Any:
            return [*super().detect(picture), fitsense.BodyDetection(fitsense.BodyRegion(0.9, 0.5, 0.66), 0.99)]

        def estimate(self, pictures: Any, regions: Any) -> Any:
            return [pose_of(standing(), 0.9 if one.x > 0.7 else 0.5) for one in regions]

    events = run(SteadyModel(model, "squat", Two(squat)), frames_of([0.0] * 90))
    assert "several_people" in {one.code for one in of_type(events, SessionWarning)}
