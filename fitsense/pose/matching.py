"""Matching of the tracks of people to what a picture shows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable


def match_nearest(named: list[bool], found: int, distance: Callable[[int, int], float]) -> dict[int, int]:
    """Match tracks to found people greedily: nearest pairs first, and tracks with names before others.

    :param named: for each track, whether it has a name.
    :param found: number of found people.
    :param distance: function of the indices of a track and of a found person; infinite if they cannot match.
    :returns: index of the track by the index of the found person, without those that have no match.
    """
    pairs = sorted(
        (not named[who], away, who, where)
        for who, where in itertools.product(range(len(named)), range(found))
        if (away := distance(who, where)) < math.inf
    )
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, who, where in pairs:
        if who not in taken and where not in matches:
            taken.add(who)
            matches[where] = who
    return matches
