"""Tracking of people by the poses of single pictures. Pure.

A tracked person is expected at the place of the last pose. The detector runs only if nobody is tracked, if a tracked
person was lost or is uncertain, after a cut or a gap, and at intervals if more people are expected; less often if
nobody has been in view for some seconds. A person keeps a name while position, size and proportions allow it; names are
not reused.

One picture takes these steps::

    regions = tracker.regions(time_s)
    poses = estimator.estimate([picture] * len(regions), regions)
    if tracker.wants_detection(poses, time_s):
        found = tracker.candidates(estimator.detect(picture), poses, size)
        tracker.detected(time_s)
        others = estimator.estimate([picture] * len(found), found)
    people = tracker.update(time_s, poses, others, size)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region
from fitsense.pose.landmarks import BodyDetection, BodyRegion, LandmarkSet, Pose, body_box
from fitsense.pose.likeness import Place, aspect, place_of, proportions, same_body, unlike
from fitsense.pose.matching import match_nearest
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.types import FloatArray

Size = tuple[int, int]
"""A picture's width and height in pixels."""

_TOLERANCE_S = 1e-6
# Largest distance of a match from the expected place, in sizes of the person's square; its growth per second without a
# match; and its maximum.
_REACH, _REACH_PER_S, _MAX_REACH = 0.25, 0.5, 1.0
# A doubling of the size, and a difference in proportions, as parts of a distance.
_DOUBLING, _UNLIKE = 0.3, 0.5
# People exercise in one place: seconds over which that place is averaged, seconds for which it counts after the person
# has left it, and the distances, in sizes, up to which a person is at this place, and from which away.
_HOME_S, _SETTLED_S = 4.0, 4.0
_AT_HOME, _AWAY = 0.2, 0.3
# Largest excess of the cost of a person at a home place over that of the person tracked under the name.
_LESS_LIKE = 0.05
# The expected place of a moving person moves on for this many seconds.
_MOVES_ON_S = 0.5
# Part of the newest proportions in those remembered.
_LEARNING = 0.1
# A person without a name is dropped after this many seconds without a match.
_DOUBT_S = 0.5
# A person smaller than this share of the smallest known person is in the background.
_STRANGER_SIZE = 0.6
# Detections that lie this near to a pose that was found, in sizes, are of the same person.
_EXPLAINED = 0.15


@attrs.frozen(eq=False)
class TrackedPerson:
    """A person in a picture.

    :param name: the same from picture to picture.
    :param pose: in this picture.
    :param box: the part of the picture that holds the body; None where nothing of it is in the picture.
    """

    name: str
    pose: Pose
    box: Region | None


@attrs.define(eq=False)
class _Track:
    """A tracked person.

    :param place: where they were last.
    :param home: where they have been lately.
    :param settled_s: for how many seconds they have stayed there, at most ``_SETTLED_S``; less the seconds since.
    :param region: where the person is expected next; None if unknown.
    :param seen_s: when they were last seen.
    :param score: of the last pose.
    :param name: name; None while the detection is doubtful.
    :param found: in how many pictures they were found.
    :param speed_x: in longer sides of the picture a second.
    :param speed_y: likewise.
    :param build: :func:`fitsense.pose.likeness.proportions`, averaged.
    """

    place: Place
    home: Place
    region: BodyRegion | None
    seen_s: float
    score: float
    name: str | None = None
    found: int = 1
    speed_x: float = 0.0
    speed_y: float = 0.0
    settled_s: float = 0.0
    build: FloatArray | None = None


@attrs.define(eq=False)
class PersonTrackerState:
    """State of :class:`PersonTracker`.

    :param tracks: tracks, named ones first.
    :param looked_s: time of the last picture.
    :param due_s: time from which the next picture is analysed.
    :param detected_s: time of the last detection.
    :param empty_since_s: time of the first picture since which nobody has been in view; None if somebody was in the
        last one.
    :param named: number of people that have got a name.
    """

    tracks: list[_Track] = attrs.field(factory=list)
    looked_s: float | None = None
    due_s: float = -math.inf
    detected_s: float | None = None
    empty_since_s: float | None = None
    named: int = 0


class PersonTracker:
    """Tracks the people of one stream.

    :param landmark_set: of the poses.
    """

    def __init__(self, landmark_set: LandmarkSet, config: PersonTrackerConfig | None = None) -> None:
        self._landmark_set = landmark_set
        self._config = config or PersonTrackerConfig()
        self.state = PersonTrackerState()

    def due(self, time_s: float) -> bool:
        """True if a picture at `time_s` is looked at, so that on average ``rate_hz`` pictures a second are."""
        state = self.state
        early = state.looked_s is not None and state.looked_s <= time_s < state.due_s - _TOLERANCE_S
        return not early

    def regions(self, time_s: float) -> list[BodyRegion]:
        """Regions of a picture in which tracked people are expected; call it first for each picture."""
        state = self.state
        if state.looked_s is not None and time_s < state.looked_s:
            self._set_back(state.looked_s - time_s)
        elif state.looked_s is not None and time_s - state.looked_s > self._config.gap_s:
            self._forget_regions()
        state.looked_s = time_s
        # Pictures do not come exactly when one is due: the next one makes up for it.
        interval_s = 1 / self._config.rate_hz
        state.due_s = interval_s + (state.due_s if 0 <= time_s - state.due_s < interval_s else time_s)
        state.tracks = [track for track in state.tracks if not self._is_gone(track, time_s)]
        if state.tracks:
            state.empty_since_s = None
        elif state.empty_since_s is None:
            state.empty_since_s = time_s
        return [track.region for track in state.tracks if track.region is not None]

    def wants_detection(self, poses: Sequence[Pose | None], time_s: float) -> bool:
        """True if the detector has to look at the picture, too.

        :param poses: one for each of :meth:`regions`.
        """
        state, config = self.state, self._config
        since_s = math.inf if state.detected_s is None else time_s - state.detected_s
        empty_s = 0.0 if state.empty_since_s is None else time_s - state.empty_since_s
        interval_s = config.detect_s
        if empty_s >= config.empty_s:
            interval_s = max(interval_s, config.empty_detect_s)
        if since_s < interval_s - _TOLERANCE_S:
            return False
        if len(poses) < len(state.tracks) or not poses:
            return True
        if any(pose is None or pose.score < config.sure for pose in poses):
            return True
        away = any(track.settled_s > 0 and track.place.distance(track.home) > _AWAY for track in state.tracks)
        return (away or config.people > len(poses)) and since_s >= config.search_s - _TOLERANCE_S

    def detected(self, time_s: float) -> None:
        """Take down that the detector looked at the picture."""
        self.state.detected_s = time_s

    def candidates(
        self, detections: Sequence[BodyDetection], poses: Sequence[Pose | None], size: Size
    ) -> list[BodyRegion]:
        """Regions of detections that no certain pose explains, the largest and most certain first.

        :param poses: one for each of :meth:`regions`.
        """
        if detections:
            self.state.empty_since_s = None
        scale = aspect(*size)
        known = [
            place_of(pose, self._landmark_set, scale)
            for pose in poses
            if pose is not None and pose.score >= self._config.sure
        ]

        def explained(region: BodyRegion) -> bool:
            place = Place(region.x * scale[0], region.y * scale[1], region.side)
            return any(place.distance(other) < _EXPLAINED and place.doublings(other) < 1 for other in known)

        # A distant person is detected with the same certainty as the person in front.
        ordered = sorted(detections, key=lambda one: (-one.score * one.region.side, attrs.astuple(one.region)))
        # One more than may be tracked: of two, the nearer to the person who was lost is the one.
        return [one.region for one in ordered if not explained(one.region)][: self._config.people + 1]

    def update(
        self, time_s: float, poses: Sequence[Pose | None], others: Sequence[Pose | None], size: Size
    ) -> list[TrackedPerson]:
        """Take the poses of a picture.

        :param time_s: as given to :meth:`regions`.
        :param poses: one for each of :meth:`regions`.
        :param others: poses in other regions, from :meth:`candidates` or from the host.
        :param size: the picture's.
        :returns: those who were found and have a name, in the order of their names.
        """
        state, scale = self.state, aspect(*size)
        known = [track for track in state.tracks if track.region is not None]
        if len(poses) != len(known):
            raise InvalidInputError(f"poses: expected one for each of {len(known)} regions, got {len(poses)}")
        found = self._distinct([pose for pose in (*poses, *others) if pose is not None], scale)
        places = [place_of(pose, self._landmark_set, scale) for pose in found]
        builds = [proportions(pose, self._landmark_set) for pose in found]
        taken = self._at_home(self._match(places, builds, time_s), places, builds)
        for lost in state.tracks:
            if not any(track is lost for track in taken.values()):
                # Only the detector can find this person again: another person is at the expected place.
                lost.region = None
        people: list[tuple[_Track, Pose]] = []
        for index, pose in enumerate(found):
            track = taken.get(index)
            if track is not None:
                self._see(track, places[index], pose, builds[index], time_s)
            elif pose.score >= self._config.new_score:
                track = _Track(places[index], places[index], pose.region, time_s, pose.score, build=builds[index])
                state.tracks.append(track)
            else:
                continue
            people.append((track, pose))
        people.sort(key=lambda one: -one[0].score * one[0].place.size)
        for track, _ in people:
            self._name(track)
        self._drop_bystanders(time_s)
        state.tracks.sort(key=lambda track: track.name is None)
        named = [TrackedPerson(track.name, pose, body_box(pose.landmarks)) for track, pose in people if track.name]
        return sorted(named, key=lambda person: int(person.name))

    def strangers(self, poses: Sequence[Pose], known: Sequence[Pose], size: Size) -> list[Pose]:
        """Certain poses of new people: of none of the known people, and not much smaller."""
        scale = aspect(*size)
        least = _STRANGER_SIZE * min((place_of(pose, self._landmark_set, scale).size for pose in known), default=0.0)
        kept: list[Pose] = []
        for pose in poses:
            large = place_of(pose, self._landmark_set, scale).size >= least
            others = (*known, *kept)
            if (
                large
                and pose.score >= self._config.sure
                and not any(same_body(pose, other, self._landmark_set, scale) for other in others)
            ):
                kept.append(pose)
        return kept

    def cut(self) -> None:
        """Mark a scene cut: all people after it are new."""
        self.state.tracks = []
        self.state.detected_s = self.state.empty_since_s = None

    def _distinct(self, poses: Sequence[Pose], scale: tuple[float, float]) -> list[Pose]:
        """The most certain pose of each body, in an order that does not depend on theirs."""
        kept: list[Pose] = []
        for pose in sorted(poses, key=lambda one: (-one.score, *one.landmarks[0, :2].tolist())):
            if not any(same_body(pose, other, self._landmark_set, scale) for other in kept):
                kept.append(pose)
        return kept

    def _match(self, places: Sequence[Place], builds: Sequence[FloatArray | None], time_s: float) -> dict[int, _Track]:
        """The track of each place that has one, by the place's index: nearest first, those with names before others."""
        tracks = self.state.tracks
        matches = match_nearest(
            [track.name is not None for track in tracks],
            len(places),
            lambda who, where: _cost(tracks[who], places[where], builds[where], time_s),
        )
        return {where: tracks[who] for where, who in matches.items()}

    def _at_home(
        self, matches: dict[int, _Track], places: Sequence[Place], builds: Sequence[FloatArray | None]
    ) -> dict[int, _Track]:
        """Restore names that a person walking past in front has taken.

        If a person who has stayed in one place seems to leave, and a similar person is found in that place, it was
        another person who left.
        """
        result = dict(matches)
        for where, track in matches.items():
            if track.name is None or track.settled_s <= 0 or places[where].distance(track.home) <= _AWAY:
                continue
            free = [
                index
                for index, place in enumerate(places)
                if (index not in matches or matches[index].name is None)
                and place.distance(track.home) <= _AT_HOME
                and unlike(track.build, builds[index]) <= unlike(track.build, builds[where]) + _LESS_LIKE
            ]
            if free:
                nearest = min(free, key=lambda index: places[index].distance(track.home))
                del result[where]
                result[nearest] = track
        return result

    def _see(self, track: _Track, place: Place, pose: Pose, build: FloatArray | None, time_s: float) -> None:
        passed_s = time_s - track.seen_s
        if passed_s > 0:
            track.speed_x += ((place.x - track.place.x) / passed_s - track.speed_x) / 2
            track.speed_y += ((place.y - track.place.y) / passed_s - track.speed_y) / 2
            part = 1 - math.exp(-passed_s / _HOME_S)
            home = track.home
            stays = place.distance(home) <= _AT_HOME
            track.settled_s = min(_SETTLED_S, max(0.0, track.settled_s + (passed_s if stays else -passed_s)))
            track.home = Place(
                home.x + part * (place.x - home.x),
                home.y + part * (place.y - home.y),
                home.size + part * (place.size - home.size),
            )
        if build is not None:
            before = build if track.build is None else np.where(np.isnan(track.build), build, track.build)
            new = np.where(np.isnan(build), before, build)
            track.build = np.asarray(before + _LEARNING * (new - before), np.float32)
        track.place, track.region, track.score, track.seen_s = place, pose.region, pose.score, time_s
        track.found += 1

    def _name(self, track: _Track) -> None:
        state, config = self.state, self._config
        needed = config.confirm if config.people > 1 else 1
        if track.name is not None or track.found < needed:
            return
        if sum(other.name is not None for other in state.tracks) < config.people:
            state.named += 1
            track.name = str(state.named)

    def _drop_bystanders(self, time_s: float) -> None:
        """Once as many as are wanted are in view, finding the landmarks of others costs time for nothing."""
        named = [track for track in self.state.tracks if track.name is not None]
        if len(named) == self._config.people and all(track.seen_s == time_s for track in named):
            self.state.tracks = named

    def _is_gone(self, track: _Track, time_s: float) -> bool:
        patience_s = _DOUBT_S if track.name is None else self._config.lost_s
        return time_s - track.seen_s > patience_s

    def _forget_regions(self) -> None:
        for track in self.state.tracks:
            track.region = None

    def _set_back(self, by_s: float) -> None:
        """The clock was set back: as if no time had passed."""
        for track in self.state.tracks:
            track.seen_s -= by_s
        if self.state.detected_s is not None:
            self.state.detected_s -= by_s
        if self.state.empty_since_s is not None:
            self.state.empty_since_s -= by_s


def _cost(track: _Track, place: Place, build: FloatArray | None, time_s: float) -> float:
    """Cost of matching a person with a place; infinite if it is too far."""
    unseen_s = time_s - track.seen_s
    ahead_s = min(unseen_s, _MOVES_ON_S)
    expected = Place(track.place.x + ahead_s * track.speed_x, track.place.y + ahead_s * track.speed_y, track.place.size)
    distance = expected.distance(place) + _DOUBLING * expected.doublings(place)
    if distance >= min(_REACH + _REACH_PER_S * unseen_s, _MAX_REACH):
        return math.inf
    return distance + _UNLIKE * unlike(track.build, build)
