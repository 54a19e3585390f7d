"""The person that a session analyses: found once a picture, for recognition, counting, warnings and events."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from fitsense.errors import InvalidInputError, WeightsError
from fitsense.events.model import PersonBox
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.inference.person_tracking import count_others, track_people, track_poses
from fitsense.inference.pose_estimator import LoadedPoseEstimator, landmark_estimator
from fitsense.pose.landmarks import BodyRegion, LandmarkSet, Pose
from fitsense.pose.recording import TimedPose
from fitsense.pose.steady_box import SteadyBox, SteadyBoxState
from fitsense.pose.tracker import PersonTracker, PersonTrackerState, TrackedPerson
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.session.config import SessionConfig
from fitsense.types import UInt8Array

_RATE_HZ, _RECOGNITION_RATE_HZ = 10.0, 6.0
# Seconds between two pictures in which the people are counted.
_SURVEY_S = 2.0


@attrs.frozen(eq=False)
class HostPeople:
    """Knowledge of a host about the people in a frame; None for unknown values.

    :param poses: poses of all people, in shares of the whole picture.
    :param bodies: regions of bodies, likewise.
    :param tracked: the person to analyse, if the host tracks people; empty if there is none.
    """

    poses: Sequence[Pose] | None = None
    bodies: Sequence[BodyRegion] | None = None
    tracked: Sequence[TrackedPerson] | None = None


@attrs.frozen(eq=False)
class PersonInFrame:
    """Result of looking for the person in a frame.

    :param person: the found person; None for nobody.
    :param size: the whole picture's width and height in pixels.
    :param people: number of people in the picture; None if they were not counted.
    """

    person: TrackedPerson | None
    size: tuple[int, int]
    people: int | None = None


@attrs.define(eq=False)
class PersonTrackState:
    """State of a :class:`PersonTrack`.

    :param tracker: the tracker's state.
    :param name: name of the person who was found last.
    :param box: their box.
    :param surveyed_s: time of the last picture in which the people were counted, in seconds of media time.
    :param steady: the box that branches see a square around.
    """

    tracker: PersonTrackerState
    steady: SteadyBoxState
    name: str | None = None
    box: PersonBox | None = None
    surveyed_s: float = -math.inf


class PersonTrack:
    """Tracks one person from frame to frame.

    :param landmark_set: of the poses.
    :param estimator: finds the poses; None if the host pushes them.
    :param rate_hz: most pictures a second that are looked at.
    """

    def __init__(self, landmark_set: LandmarkSet, estimator: LoadedPoseEstimator | None, rate_hz: float) -> None:
        self.landmark_set = landmark_set
        self._estimator = estimator
        self._tracker = PersonTracker(landmark_set, PersonTrackerConfig(rate_hz=rate_hz))
        self._steady = SteadyBox()
        self._state = PersonTrackState(self._tracker.state, self._steady.state)
        # For the host; a snapshot does not need it.
        self.newest: TimedPose | None = None

    @property
    def state(self) -> PersonTrackState:
        """The track's state, with its tracker's; may be replaced."""
        return self._state

    @state.setter
    def state(self, state: PersonTrackState) -> None:
        self._state = state
        self._tracker.state = state.tracker
        self._steady.state = state.steady

    @property
    def name(self) -> str | None:
        """Name of the person who was found last; another name is another person."""
        return self._state.name

    @property
    def box(self) -> PersonBox | None:
        """The part of the picture that contained that person."""
        return self._state.box

    @property
    def steady_box(self) -> Region | None:
        """The person's box, which moves only if it must; None before a person was found."""
        return self._steady.state.box

    def check(self, host: HostPeople) -> None:
        """Refuse what does not fit, before anything changes.

        :raises InvalidInputError: poses of another landmark set, or regions without an estimator.
        """
        for pose in host.poses or ():
            if len(pose.landmarks) != len(self.landmark_set):
                raise InvalidInputError(
                    f"poses: expected {len(self.landmark_set)} landmarks, of {self.landmark_set.name}, got "
                    f"{len(pose.landmarks)}"
                )
        if host.bodies is not None and self._estimator is None:
            raise InvalidInputError("bodies: expected a session with a pose estimator, got one without")

    def locate(self, rgb: UInt8Array, time_s: float, region: Region | None, host: HostPeople) -> PersonInFrame | None:
        """Look for the person in a picture; None if the picture comes too soon, or the host gave nothing.

        :param rgb: the whole picture, uint8 (height, width, 3).
        :param time_s: seconds of media time, later than the previous picture's.
        :param region: the part of the picture that is analysed; None for all of it.
        """
        height, width, _ = rgb.shape
        size = (width, height)
        if host.tracked is not None:
            return self._keep(host.tracked, time_s, size)
        if not self._tracker.due(time_s):
            return None
        if host.poses is not None:
            people = track_poses(self._tracker, host.poses, time_s, size)
            return attrs.evolve(self._keep(people, time_s, size), people=len(host.poses))
        if self._estimator is None:
            return None
        people = track_people(self._tracker, self._estimator, rgb, time_s, region=region, bodies=host.bodies)
        located = self._keep(people, time_s, size)
        if host.bodies is not None:
            return attrs.evolve(located, people=len(host.bodies))
        if not people or 0 <= time_s - self._state.surveyed_s < _SURVEY_S:
            return located
        self._state.surveyed_s = time_s
        others = count_others(self._tracker, self._estimator, rgb, people, region=region)
        return attrs.evolve(located, people=len(people) + others)

    def mark_cut(self) -> None:
        """Mark a scene cut: people after it are other people."""
        self._tracker.cut()
        self._forget_box()

    def _forget_box(self) -> None:
        self._steady.forget()
        self._state.steady = self._steady.state

    def _keep(self, people: Sequence[TrackedPerson], time_s: float, size: tuple[int, int]) -> PersonInFrame:
        state, person = self._state, next(iter(people), None)
        self.newest = TimedPose(time_s, None if person is None else person.pose, self.landmark_set)
        if person is not None:
            if person.name != state.name:
                self._forget_box()
            if person.box is not None:
                self._steady.update(person.box, time_s)
            state.name = person.name
            state.box = None if person.box is None else PersonBox(*attrs.astuple(person.box))
        return PersonInFrame(person, size)


def person_track(model: Model, config: SessionConfig) -> PersonTrack | None:
    """The track of a session's person; None for a session without landmarks.

    :raises InvalidInputError: landmarks are required, and no plugin provides an estimator.
    :raises UnknownNameError: no plugin offers the estimator.
    :raises WeightsError: the estimator needs third-party files that cannot be fetched.
    """
    pose = config.pose
    estimator = _estimator(model, config)
    landmark_set = pose.landmarks or (estimator.landmark_set if estimator else None)
    if landmark_set is None:
        return None
    if estimator is not None and estimator.landmark_set != landmark_set:
        raise InvalidInputError(
            f"pose.landmarks: expected {estimator.landmark_set.name}, as {estimator.name} finds, got "
            f"{landmark_set.name}; set pose.enabled to 'off' to use only the poses that are pushed"
        )
    rate_hz = pose.rate_hz or (_RECOGNITION_RATE_HZ if config.repetitions is None else _RATE_HZ)
    return PersonTrack(landmark_set, estimator, rate_hz)


def _estimator(model: Model, config: SessionConfig) -> LoadedPoseEstimator | None:
    pose = config.pose
    if pose.enabled == "off":
        return None
    name = pose.estimator or landmark_estimator(model.manifest, model.plugins)
    if pose.enabled == "on":
        name = name or next(iter(model.plugins.pose_estimators()), None)
        if name is None:
            raise InvalidInputError("pose.enabled: expected an installed plugin with a pose estimator, got none")
        return model.pose_estimators.load(name)
    if name is None or (pose.landmarks is not None and pose.estimator is None):
        return None
    try:
        return model.pose_estimators.load(name)
    except WeightsError:
        # Repetitions are then counted from all motion in the picture.
        return None
