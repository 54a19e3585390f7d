"""Person tracking: detections of single frames in, named tracks with boxes out. No I/O, no clock.

A track gets a name after enough detections, and keeps it until it has no match for some time; names are not reused. A
track's box contains the person's detections of the last seconds, and stays in place until the person leaves it: to a
session, a moving box looks like a moving person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense.errors import InvalidInputError
from fitsense.geometry import Detection, Region
from fitsense.pose.matching import match_nearest
from fitsense.pose.steady_box import SeenBox, recent, steady

# Largest distance of a match from the expected position, in sizes of the box: at first, its growth for each second
# without a match, and its maximum.
_REACH, _REACH_PER_S, _MAX_REACH = 0.4, 0.3, 1.0
# Distance that a doubling of the size adds.
_DOUBLING = 0.3
# Seconds for which a moving person is expected to continue.
_MOVES_ON_S = 1.0
# A track without a name is dropped after this many seconds without a match.
_DOUBT_S = 1.0
_TOLERANCE_S = 1e-6


@checks_arguments
@attrs.frozen
class TrackerConfig:
    """Configuration of a :class:`Tracker`.

    :param rate_hz: detector runs a second.
    :param min_hits: detections after which a track gets a name.
    :param min_score: lowest score of a detection that begins a track; any detection may continue one.
    :param max_lost_s: a track is dropped after this many seconds without a match; a returning person gets a new name.
    :param box_memory_s: a box contains the person's detections of this many seconds.
    :param margin: margin of the box on each side, as a share of its width or height.
    :param max_people: largest number of named tracks; others wait until one is dropped.
    :raises InvalidInputError: a value outside its range.
    """

    rate_hz: float = 5.0
    min_hits: int = 3
    min_score: float = 0.6
    max_lost_s: float = 5.0
    box_memory_s: float = 4.0
    margin: float = 0.05
    max_people: int = 8

    def __attrs_post_init__(self) -> None:
        for name in ("rate_hz", "min_hits", "max_lost_s", "box_memory_s", "max_people"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InvalidInputError(f"TrackerConfig.{name}: expected a number above 0, got {value!r}")
        if not 0 <= self.margin <= 1:
            raise InvalidInputError(f"TrackerConfig.margin: expected a number in 0..1, got {self.margin!r}")


@attrs.define
class _Track:
    """A tracked person.

    :param observations: observations of the last seconds, in order of time.
    :param name: name; None before ``min_hits`` detections.
    :param found: number of detections.
    :param speed_x: horizontal speed of the box's centre, in shares of the picture a second.
    :param speed_y: vertical speed, likewise.
    :param box: the box that is returned; None before the first.
    """

    observations: list[SeenBox]
    name: str | None = None
    found: int = 1
    speed_x: float = 0.0
    speed_y: float = 0.0
    box: Region | None = None


@attrs.define
class TrackerState:
    """State of a :class:`Tracker`.

    :param people: all tracks, with and without a name.
    :param updated_s: media time of the last update in seconds; None before the first.
    :param named: number of names given.
    """

    people: list[_Track] = attrs.field(factory=list)
    updated_s: float | None = None
    named: int = 0


class Tracker:
    """Tracks the people of one source."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self.state = TrackerState()

    def due(self, time_s: float) -> bool:
        """True if the detector should run on a frame of that time."""
        updated_s = self.state.updated_s
        return updated_s is None or not 0 <= time_s - updated_s < 1 / self._config.rate_hz - _TOLERANCE_S

    def update(self, detections: Iterable[Detection], time_s: float) -> dict[str, Region]:
        """Match a frame's detections, in any order, to the tracks.

        :param time_s: the frame's time in seconds of media time.
        :returns: box of each named track with a match in this frame, by name.
        """
        state = self.state
        if state.updated_s is not None and time_s < state.updated_s:
            self._set_back(state.updated_s - time_s)
        state.updated_s = time_s
        state.people = [person for person in state.people if not self._is_gone(person, time_s)]
        # The result must not depend on the order of the detections.
        found = sorted(detections, key=lambda one: (attrs.astuple(one.region), -one.score))
        matches = _matched(state.people, [one.region for one in found], time_s)
        updated = []
        for index, one in enumerate(found):
            observation = SeenBox(time_s, one.region)
            if index in matches:
                person = matches[index]
                self._observe(person, observation)
            elif one.score >= self._config.min_score:
                person = _Track([observation])
                state.people.append(person)
            else:
                continue
            self._name(person)
            updated.append(person)
        return {person.name: self._box(person) for person in updated if person.name is not None}

    def _is_gone(self, person: _Track, time_s: float) -> bool:
        max_lost_s = _DOUBT_S if person.name is None else self._config.max_lost_s
        return time_s - person.observations[-1].time_s > max_lost_s

    def _observe(self, person: _Track, observation: SeenBox) -> None:
        last = person.observations[-1]
        passed_s = observation.time_s - last.time_s
        if passed_s > 0:
            (x, y), (last_x, last_y) = _middle(observation.region), _middle(last.region)
            # Averaged with the new speed: a detector's boxes jitter.
            person.speed_x += ((x - last_x) / passed_s - person.speed_x) / 2
            person.speed_y += ((y - last_y) / passed_s - person.speed_y) / 2
        kept = recent(person.observations, observation.time_s - self._config.box_memory_s)
        person.observations = [*kept, observation]
        person.found += 1

    def _name(self, person: _Track) -> None:
        state = self.state
        if person.name is not None or person.found < self._config.min_hits:
            return
        if sum(other.name is not None for other in state.people) < self._config.max_people:
            state.named += 1
            person.name = str(state.named)

    def _box(self, person: _Track) -> Region:
        """The track's box, which moves only if it must."""
        person.box = steady(person.box, person.observations, self._config.margin)
        return person.box

    def _set_back(self, by_s: float) -> None:
        """Shift the observations after the clock was set back, as if no time had passed."""
        for person in self.state.people:
            person.observations = [SeenBox(one.time_s - by_s, one.region) for one in person.observations]


def _matched(people: Sequence[_Track], regions: Sequence[Region], time_s: float) -> Mapping[int, _Track]:
    """Match tracks to regions, by the region's index: nearest pairs first, and named tracks before others."""
    matches = match_nearest(
        [person.name is not None for person in people],
        len(regions),
        lambda who, where: _distance(people[who], regions[where], time_s),
    )
    return {where: people[who] for where, who in matches.items()}


def _distance(person: _Track, region: Region, time_s: float) -> float:
    """Distance of a region from the track's expected position, in sizes of its box; infinite if it is no match."""
    last = person.observations[-1]
    unseen_s = time_s - last.time_s
    ahead_s = min(unseen_s, _MOVES_ON_S)
    (x, y), (last_x, last_y) = _middle(region), _middle(last.region)
    aside = (last_x + ahead_s * person.speed_x - x) / ((_width(region) + _width(last.region)) / 2)
    above = (last_y + ahead_s * person.speed_y - y) / ((_height(region) + _height(last.region)) / 2)
    doublings = abs(math.log2(_area(region) / _area(last.region))) / 2
    distance = math.hypot(aside, above) + _DOUBLING * doublings
    return distance if distance < min(_REACH + _REACH_PER_S * unseen_s, _MAX_REACH) else math.inf


def _middle(region: Region) -> tuple[float, float]:
    return (region.left + region.right) / 2, (region.top + region.bottom) / 2


def _width(region: Region) -> float:
    return region.right - region.left


def _height(region: Region) -> float:
    return region.bottom - region.top


def _area(region: Region) -> float:
    return _width(region) * _height(region)
