"""Boxes that stay in place until the person leaves them: to a network, a moving box looks like a moving person."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from fitsense.geometry import Region

MEMORY_S = 4.0
"""Seconds for which a box contains where the person was."""

# A box is replaced if its area is this many times the area needed.
_TOO_LARGE = 2.0


@attrs.frozen
class SeenBox:
    """Observed box of a person, with its media time in seconds."""

    time_s: float
    region: Region


@attrs.define
class SteadyBoxState:
    """State of a :class:`SteadyBox`.

    :param seen: where the person was in the last seconds, in order of time.
    :param box: None before the person was seen.
    """

    seen: list[SeenBox] = attrs.field(factory=list)
    box: Region | None = None


class SteadyBox:
    """The box of one person.

    :param memory_s: seconds for which the box contains where the person was.
    :param margin: margin on each side, as a share of the width or height.
    """

    def __init__(self, memory_s: float = MEMORY_S, margin: float = 0.0) -> None:
        self._memory_s = memory_s
        self._margin = margin
        self.state = SteadyBoxState()

    def update(self, region: Region, time_s: float) -> Region:
        """Take where the person was seen, and return the box.

        :param region: in shares of the picture; it may reach beyond it.
        :param time_s: not before the time of the call before.
        """
        state = self.state
        state.seen = [*recent(state.seen, time_s - self._memory_s), SeenBox(time_s, region)]
        state.box = steady(state.box, state.seen, self._margin)
        return state.box

    def forget(self) -> None:
        """Begin anew, as after a scene cut."""
        self.state = SteadyBoxState()


def recent(seen: Sequence[SeenBox], since_s: float) -> list[SeenBox]:
    """Observed boxes after a time."""
    return [one for one in seen if one.time_s > since_s]


def steady(box: Region | None, seen: Sequence[SeenBox], margin: float) -> Region:
    """Return the box that contains where the person was: the one before, unless the person left it or it is too large.

    :param seen: where the person was, in order of time; at least once.
    """
    around = _around([one.region for one in seen], margin)
    if box is None or not _contains(box, _inside(seen[-1].region)) or _area(box) > _TOO_LARGE * _area(around):
        return around
    return box


def _around(regions: Sequence[Region], margin: float) -> Region:
    left, right = min(one.left for one in regions), max(one.right for one in regions)
    top, bottom = min(one.top for one in regions), max(one.bottom for one in regions)
    aside, above = margin * (right - left), margin * (bottom - top)
    return Region(max(0.0, left - aside), max(0.0, top - above), min(1.0, right + aside), min(1.0, bottom + above))


def _inside(region: Region) -> Region:
    """The part of a region inside the picture."""
    return Region(max(0.0, region.left), max(0.0, region.top), min(1.0, region.right), min(1.0, region.bottom))


def _contains(region: Region, other: Region) -> bool:
    return (
        region.left <= other.left
        and region.top <= other.top
        and region.right >= other.right
        and region.bottom >= other.bottom
    )


def _area(region: Region) -> float:
    return (region.right - region.left) * (region.bottom - region.top)
