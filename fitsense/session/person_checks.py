"""Checks the states of a snapshot that come from the person's landmarks."""

from __future__ import annotations

import itertools

import attrs
import numpy as np

from fitsense.pose.landmarks import VISIBILITY, WORLD, LandmarkSet, X, Y
from fitsense.pose.likeness import BONES
from fitsense.pose.tracker import PersonTrackerState
from fitsense.repetitions.choice import BodyOrMotionState
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter_state import RepetitionCounterState
from fitsense.repetitions.joints import JointSignal
from fitsense.repetitions.motion_range import ANGLES
from fitsense.repetitions.movement import Movement, PartialRepetition
from fitsense.session.person_track import PersonTrackState
from fitsense.session.snapshot_requirements import require, require_array
from fitsense.types import FloatArray

_TOLERANCE_S = 1e-3
# Longest interval between two pictures of a tracker.
_SOON_S = 1e3


def check_counter(state: RepetitionCounterState, path: str, config: RepetitionConfig, now_s: float) -> None:
    """Refuse a counter's state, but for its samples, that does not fit its configuration.

    :param now_s: time of the last frame, in seconds of media time.
    :raises InvalidInputError: with the path.
    """
    times = state.times
    require(len(times) == len(state.thumbnails), f"{path}.times", "a time for each thumbnail")
    if times:
        close = bool(np.all(np.diff(times) > 0.5 / config.max_rate_hz))
        close = close and times[-1] - times[0] <= config.window_s + _TOLERANCE_S
        require(close and times[-1] <= now_s, f"{path}.times", "times as far apart as max_rate_hz and window_s allow")
    for name in ("reported", "found"):
        for start_s, end_s in getattr(state, name):
            require(start_s <= end_s <= now_s, f"{path}.{name}", "starts before ends, and ends before now")
    require(state.reported_s <= now_s, f"{path}.reported_s", "no later time than the last frame's", state.reported_s)
    require(state.next_s <= now_s + config.interval_s, f"{path}.next_s", "a pass within interval_s", state.next_s)
    require(state.tempo_s >= 0, f"{path}.tempo_s", "a number from 0 on", state.tempo_s)


def check_body_counter(
    state: BodyOrMotionState, landmark_set: LandmarkSet | None, config: RepetitionConfig, now_s: float
) -> None:
    """Refuse a state of the counter of the body, but for the counter of all motion, that does not fit.

    :raises InvalidInputError: with the path.
    """
    require(landmark_set is not None, "repetitions", "a session with landmarks")
    assert landmark_set is not None
    check_counter(state.body, "repetitions.body", config, now_s)
    shape = (len(JointSignal(landmark_set).names), 6)
    for sample in state.body.thumbnails:
        require_array(sample, "repetitions.body.thumbnails", "float32", shape)
        _check_body(sample, "repetitions.body.thumbnails")
    times = [time_s for time_s, _ in state.boxes]
    require(times == sorted(times) and times[-1:] <= [now_s], "repetitions.boxes", "times in order, and before now")
    require(all(len(box) == 4 for _, box in state.boxes), "repetitions.boxes", "four edges each")
    finite = bool(np.isfinite([edge for _, box in state.boxes for edge in box]).all())
    require(finite, "repetitions.boxes", "finite numbers")
    require(set(state.waiting) == {"body", "motion"}, "repetitions.waiting", "movements of the body and of all motion")
    require(state.reported_s <= now_s, "repetitions.reported_s", "no later time than the last frame's")
    for movements in state.waiting.values():
        for movement in movements:
            ordered = movement.start_s <= movement.end_s <= now_s
            require(ordered, "repetitions.waiting", "starts before ends, and ends before now")
            check_movement(movement, "repetitions.waiting")


def check_movement(movement: Movement, path: str) -> None:
    """Refuse a movement whose details no event may have.

    :raises InvalidInputError: with the path.
    """
    if isinstance(movement, PartialRepetition):
        return
    phases = movement.details.phases
    require(0 <= movement.confidence <= 1, path, "a confidence in 0..1")
    for joint in movement.details.joints:
        known = joint.joint in ANGLES and 0 <= joint.range_deg <= 360 and 0 <= joint.confidence <= 1
        require(known, f"{path}.joints", "a joint, an angle in 0..360, and a confidence in 0..1")
    if phases is not None:
        require(min(attrs.astuple(phases)) >= 0 and phases.confidence <= 1, f"{path}.phases", "numbers from 0 on")


def check_person(state: PersonTrackState, landmark_set: LandmarkSet | None, now_s: float) -> None:
    """Refuse a state of the person's track that does not fit the landmark set.

    :raises InvalidInputError: with the path.
    """
    require(landmark_set is not None, "person", "a session with landmarks")
    assert landmark_set is not None
    check_tracker(state.tracker, "person.tracker", now_s)
    times = [one.time_s for one in state.steady.seen]
    require(
        all(before <= after for before, after in itertools.pairwise([*times, now_s])),
        "person.steady.seen",
        "times in order, up to the last frame's",
    )


def check_tracker(state: PersonTrackerState, path: str, now_s: float) -> None:
    """Refuse a tracker's state with which tracking could fail.

    :raises InvalidInputError: with the path.
    """
    for name in ("looked_s", "detected_s", "empty_since_s"):
        time_s = getattr(state, name)
        require(time_s is None or time_s <= now_s, f"{path}.{name}", "no later time than the last frame's")
    require(state.due_s <= now_s + _SOON_S, f"{path}.due_s", "a time soon after the last frame's", state.due_s)
    names = [track.name for track in state.tracks if track.name is not None]
    numbered = all(name.isascii() and name.isdigit() and 1 <= int(name) <= state.named for name in names)
    require(numbered and len(set(names)) == len(names), f"{path}.tracks", "names from 1 to the number of people")
    for track in state.tracks:
        require(min(track.place.size, track.home.size) > 0, f"{path}.tracks", "sizes above 0")
        now = track.seen_s <= now_s and 0 <= track.score <= 1
        require(now, f"{path}.tracks", "a time before now, and a score in 0..1")
        if track.build is not None:
            require_array(track.build, f"{path}.tracks.build", "float32", (BONES,))


def _check_body(sample: FloatArray, path: str) -> None:
    """Refuse a sample of joints that is neither whole nor missing; places in metres may be missing on their own."""
    missing = np.isnan(sample)
    if missing.all():
        return
    require(not missing[:, [X, Y, VISIBILITY]].any(), path, "a place and a visibility for each joint")
    require(bool(missing[:, WORLD].all()) or not missing[:, WORLD].any(), path, "places in metres, or none")
