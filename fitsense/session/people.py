"""Finds the people of a source, with a name and a region for each: by a pose estimator, or by a detector of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from fitsense.geometry import Region
from fitsense.inference.detector import Detector
from fitsense.inference.people import PeopleSource
from fitsense.inference.person_tracking import track_people
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.pose.landmarks import VISIBILITY, LandmarkSet
from fitsense.pose.steady_box import SteadyBox, SteadyBoxState
from fitsense.pose.tracker import PersonTracker, PersonTrackerState, TrackedPerson
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.tracking import Tracker, TrackerConfig
from fitsense.types import Frame

_RATE_HZ = 10.0
# Least visibility of a landmark that is seen, and least share of the landmarks of a new person that are.
_VISIBLE, _VISIBLE_SHARE = 0.5, 0.45


@attrs.frozen(eq=False)
class FoundPeople:
    """The people in a frame, by name.

    :param regions: the part of the picture to analyse for each.
    :param poses: each person's pose; None if only regions are known.
    """

    regions: Mapping[str, Region]
    poses: Mapping[str, TrackedPerson] | None = None


class PeopleFinder(Protocol):
    """Finds the people of one source, frame by frame."""

    state: Any

    @property
    def landmark_set(self) -> LandmarkSet | None:
        """Landmark set of the poses; None for a finder without poses."""

    def find(self, frame: Frame) -> FoundPeople | None:
        """Find the people in a frame; None if the frame comes too soon."""

    def mark_cut(self) -> None:
        """Mark a scene cut: everyone who is found from now on is another person."""


class DetectedPeople:
    """People in the boxes of a detector.

    :param detect: the detector.
    """

    landmark_set: LandmarkSet | None = None

    def __init__(self, detect: Detector, config: TrackerConfig) -> None:
        self._detect = detect
        self._tracker = Tracker(config)

    @property
    def state(self) -> Any:
        """The tracker's state; may be replaced."""
        return self._tracker.state

    @state.setter
    def state(self, state: Any) -> None:
        self._tracker.state = state

    def find(self, frame: Frame) -> FoundPeople | None:
        """Find the people in a frame; None if the detector is not due."""
        if not self._tracker.due(frame.time_s):
            return None
        return FoundPeople(self._tracker.update(self._detect(frame.rgb), frame.time_s))

    def mark_cut(self) -> None:
        """Keep everyone: boxes that stay in place are taken for the same people."""


@attrs.define
class SeenPeopleState:
    """State of :class:`SeenPeople`.

    :param tracker: the tracker's state.
    :param boxes: state of each person's box, by name.
    """

    tracker: PersonTrackerState
    boxes: dict[str, SteadyBoxState] = attrs.field(factory=dict)


class SeenPeople:
    """People whose landmarks a pose estimator finds; a region contains the body that was found.

    :param estimator: finds the bodies.
    """

    def __init__(self, estimator: LoadedPoseEstimator, config: TrackerConfig) -> None:
        self._estimator = estimator
        self._config = config
        self._tracker = PersonTracker(
            estimator.landmark_set,
            PersonTrackerConfig(
                rate_hz=_RATE_HZ,
                people=config.max_people,
                confirm=config.min_hits,
                new_score=config.min_score,
                lost_s=config.max_lost_s,
            ),
        )
        self._state = SeenPeopleState(self._tracker.state)

    @property
    def landmark_set(self) -> LandmarkSet | None:
        """Landmark set of the estimator."""
        return self._estimator.landmark_set

    @property
    def state(self) -> SeenPeopleState:
        """The state, with the tracker's; may be replaced."""
        return self._state

    @state.setter
    def state(self, state: SeenPeopleState) -> None:
        self._state = state
        self._tracker.state = state.tracker

    def find(self, frame: Frame) -> FoundPeople | None:
        """Find the people in a frame; None if it comes too soon."""
        if not self._tracker.due(frame.time_s):
            return None
        people = track_people(self._tracker, self._estimator, frame.rgb, frame.time_s)
        known = {track.name for track in self._tracker.state.tracks}
        self._state.boxes = {name: box for name, box in self._state.boxes.items() if name in known}
        shown = [person for person in people if person.name in self._state.boxes or _is_body(person)]
        regions = {person.name: self._region(person, frame.time_s) for person in shown if person.box is not None}
        return FoundPeople(regions, {person.name: person for person in people if person.name in regions})

    def mark_cut(self) -> None:
        """Mark a scene cut: everyone who is found from now on is another person."""
        self._tracker.cut()
        self._state.boxes = {}

    def _region(self, person: TrackedPerson, time_s: float) -> Region:
        assert person.box is not None
        steady = SteadyBox(self._config.box_memory_s, self._config.margin)
        steady.state = self._state.boxes.setdefault(person.name, SteadyBoxState())
        if steady.state.seen and time_s < steady.state.seen[-1].time_s:
            # The clock was set back.
            steady.forget()
        region = steady.update(person.box, time_s)
        self._state.boxes[person.name] = steady.state
        return region


def _is_body(person: TrackedPerson) -> bool:
    """True if enough landmarks are visible for a new person: detectors also find people in floors and furniture."""
    return float((person.pose.landmarks[:, VISIBILITY] >= _VISIBLE).mean()) >= _VISIBLE_SHARE


def people_finder(people: PeopleSource, config: TrackerConfig) -> PeopleFinder:
    """The finder that uses a detector or a pose estimator."""
    if isinstance(people, LoadedPoseEstimator):
        return SeenPeople(people, config)
    return DetectedPeople(people, config)
