"""What a detector finds in single pictures in, people with names and boxes out: pure.

Who is found in enough pictures is given a name, and keeps it until they were not found for a while; no name is given
twice. The box that is said to be theirs holds all that they reached in the last seconds, and stays where it is until
they leave it, since a session sees a box that moves as somebody who moves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import attrs

from fitsense.errors import InvalidInputError
from fitsense.geometry import Detection, Region

# How far from where they are expected somebody may be found: in sizes of their box, and more for each second in which
# nobody saw them, up to the most.
_REACH, _REACH_PER_S, _MAX_REACH = 0.4, 0.3, 1.0
# A doubling of the size counts for so much of that distance.
_DOUBLING = 0.3
# Somebody who was last seen on the move is expected further on, for so many seconds.
_MOVES_ON_S = 1.0
# Somebody not followed yet is forgotten when not found for so many seconds.
_DOUBT_S = 1.0
# A box is too large when it is so many times larger than need be.
_TOO_LARGE = 2.0
_TOLERANCE_S = 1e-6


@attrs.frozen
class TrackerConfig:
    """How people are followed.

    :param rate_hz: in how many pictures a second they are looked for.
    :param min_hits: in so many pictures somebody new must be found.
    :param min_score: of what may be somebody new; who has a name is found by any.
    :param max_lost_s: who was not found for so many seconds is gone, and somebody new if they come back.
    :param box_memory_s: a box holds what its person reached in so many seconds.
    :param margin: what it adds on each side, as a share of its width or height.
    :param max_people: so many people at a time; others wait until somebody is gone.
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


@attrs.frozen
class _Observation:
    """Where somebody was seen."""

    time_s: float
    region: Region


@attrs.define
class _Track:
    """Somebody.

    :param name: None as long as it is doubtful that there is anybody.
    :param observations: of the last seconds, in the order of time.
    :param found: pictures in which they were found.
    :param speed_x: of the box's middle, in shares of the picture a second.
    :param speed_y: likewise.
    :param shown: the box that is said to be theirs.
    """

    observations: list[_Observation]
    name: str | None = None
    found: int = 1
    speed_x: float = 0.0
    speed_y: float = 0.0
    shown: Region | None = None


@attrs.define
class TrackerState:
    """All that :class:`Tracker` remembers.

    :param updated_s: when people were last looked for.
    :param named: how many have been given a name.
    """

    people: list[_Track] = attrs.field(factory=list)
    updated_s: float | None = None
    named: int = 0


class Tracker:
    """Follows the people of one stream."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self.state = TrackerState()

    def due(self, time_s: float) -> bool:
        """Whether it is time to look for people again."""
        looked_s = self.state.updated_s
        return looked_s is None or not 0 <= time_s - looked_s < 1 / self._config.rate_hz - _TOLERANCE_S

    def update(self, detections: Iterable[Detection], time_s: float) -> dict[str, Region]:
        """Take who was found in a picture, in any order.

        :param time_s: the picture's, in seconds of media time.
        :returns: where each person is, by name; those who were not found just now are left out.
        """
        state = self.state
        if state.updated_s is not None and time_s < state.updated_s:
            self._set_back(state.updated_s - time_s)
        state.updated_s = time_s
        state.people = [person for person in state.people if not self._is_gone(person, time_s)]
        # The same people, in whatever order a detector names them.
        found = sorted(detections, key=lambda one: (attrs.astuple(one.region), -one.score))
        matches = _matched(state.people, [one.region for one in found], time_s)
        seen = []
        for index, one in enumerate(found):
            sight = _Observation(time_s, one.region)
            if index in matches:
                person = matches[index]
                self._observe(person, sight)
            elif one.score >= self._config.min_score:
                person = _Track([sight])
                state.people.append(person)
            else:
                continue
            self._name(person)
            seen.append(person)
        return {person.name: self._show(person) for person in seen if person.name is not None}

    def _is_gone(self, person: _Track, time_s: float) -> bool:
        patience_s = _DOUBT_S if person.name is None else self._config.max_lost_s
        return time_s - person.observations[-1].time_s > patience_s

    def _observe(self, person: _Track, sight: _Observation) -> None:
        last = person.observations[-1]
        passed_s = sight.time_s - last.time_s
        if passed_s > 0:
            (x, y), (last_x, last_y) = _middle(sight.region), _middle(last.region)
            # Half of what is new: a detector's boxes tremble.
            person.speed_x += ((x - last_x) / passed_s - person.speed_x) / 2
            person.speed_y += ((y - last_y) / passed_s - person.speed_y) / 2
        since_s = sight.time_s - self._config.box_memory_s
        person.observations = [*(one for one in person.observations if one.time_s > since_s), sight]
        person.found += 1

    def _name(self, person: _Track) -> None:
        state = self.state
        if person.name is not None or person.found < self._config.min_hits:
            return
        if sum(other.name is not None for other in state.people) < self._config.max_people:
            state.named += 1
            person.name = str(state.named)

    def _show(self, person: _Track) -> Region:
        """The box that is theirs, which moves only if it must."""
        shown, needed = person.shown, _inside(person.observations[-1].region)
        if shown is None or not _holds(shown, needed) or _area(shown) > _TOO_LARGE * _area(self._around(person)):
            shown = person.shown = self._around(person)
        return shown

    def _around(self, person: _Track) -> Region:
        regions = [sight.region for sight in person.observations]
        left, right = min(one.left for one in regions), max(one.right for one in regions)
        top, bottom = min(one.top for one in regions), max(one.bottom for one in regions)
        aside, above = self._config.margin * (right - left), self._config.margin * (bottom - top)
        return Region(max(0.0, left - aside), max(0.0, top - above), min(1.0, right + aside), min(1.0, bottom + above))

    def _set_back(self, by_s: float) -> None:
        """The clock was set back: as if no time had passed."""
        for person in self.state.people:
            person.observations = [_Observation(sight.time_s - by_s, sight.region) for sight in person.observations]


def _matched(people: Sequence[_Track], regions: Sequence[Region], time_s: float) -> Mapping[int, _Track]:
    """Who is in which of the regions, by its index: the nearest pairs first, and people with names before others."""
    pairs = sorted(
        (people[who].name is None, distance, who, where)
        for who, where in itertools.product(range(len(people)), range(len(regions)))
        if (distance := _distance(people[who], regions[where], time_s)) < math.inf
    )
    matches: dict[int, _Track] = {}
    taken: set[int] = set()
    for _, _, who, where in pairs:
        if who not in taken and where not in matches:
            taken.add(who)
            matches[where] = people[who]
    return matches


def _distance(person: _Track, region: Region, time_s: float) -> float:
    """How far a region is from where somebody is expected, in sizes of their box; infinite if it is too far."""
    last = person.observations[-1]
    unseen_s = time_s - last.time_s
    ahead_s = min(unseen_s, _MOVES_ON_S)
    (x, y), (last_x, last_y) = _middle(region), _middle(last.region)
    aside = (last_x + ahead_s * person.speed_x - x) / ((_width(region) + _width(last.region)) / 2)
    above = (last_y + ahead_s * person.speed_y - y) / ((_height(region) + _height(last.region)) / 2)
    doublings = abs(math.log2(_area(region) / _area(last.region))) / 2
    distance = math.hypot(aside, above) + _DOUBLING * doublings
    return distance if distance < min(_REACH + _REACH_PER_S * unseen_s, _MAX_REACH) else math.inf


def _inside(region: Region) -> Region:
    """What of it lies in the picture."""
    return Region(max(0.0, region.left), max(0.0, region.top), min(1.0, region.right), min(1.0, region.bottom))


def _holds(region: Region, other: Region) -> bool:
    return (
        region.left <= other.left
        and region.top <= other.top
        and region.right >= other.right
        and region.bottom >= other.bottom
    )


def _middle(region: Region) -> tuple[float, float]:
    return (region.left + region.right) / 2, (region.top + region.bottom) / 2


def _width(region: Region) -> float:
    return region.right - region.left


def _height(region: Region) -> float:
    return region.bottom - region.top


def _area(region: Region) -> float:
    return _width(region) * _height(region)
