"""1-D projections of a movement's path, and their turning points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Triple = tuple[int, int, int]
"""Indices of start, turning point and end of a way out and back."""

# Part of the way out that still counts as the start.
_AT_START = 0.12
# The shorter of the ways out and back must be at least this part of the longer.
_MIN_RETURN = 0.6


def turning_points(values: Floats, min_change: float) -> list[int]:
    """Indices of alternating maxima and minima between which `values` change by at least `min_change`."""
    return Projection(values, 0).turning_points(min_change)


class Projection:
    """A 1-D projection of a path, which is cut at several thresholds; spans are cached.

    :param values: float64 (moments,).
    :param min_length: moments of the shortest way out and back.
    """

    def __init__(self, values: Floats, min_length: int) -> None:
        # Access to single elements is many times as fast in a list as in an array.
        self._values: list[float] = values.tolist()
        self._min_length = min_length
        self._found: dict[Triple, Triple | None] = {}
        self._bends: list[int] = []
        if len(values) > 2:
            slopes = np.diff(values)
            moving = np.flatnonzero(slopes)
            rising = slopes[moving] > 0
            self._bends = [0, *moving[1:][rising[1:] != rising[:-1]].tolist(), len(values) - 1]

    def turning_points(self, min_change: float) -> list[int]:
        """Indices of the turning points, as for the function :func:`turning_points`."""
        values = self._values
        found: list[int] = []
        top = bottom = 0
        direction = 0
        for index in self._bends:
            value = values[index]
            if value > values[top]:
                top = index
            if value < values[bottom]:
                bottom = index
            if direction >= 0 and value <= values[top] - min_change:
                found.append(top)
                direction, bottom = -1, index
            elif direction <= 0 and value >= values[bottom] + min_change:
                found.append(bottom)
                direction, top = 1, index
        if direction:
            found.append(top if direction > 0 else bottom)
        return found

    def spans(self, turns: list[int]) -> list[Triple]:
        """(start, far, end) of every way out and back, from turning point to turning point of the same kind."""
        spans: list[Triple] = []
        for turn in zip(turns[::2], turns[1::2], turns[2::2], strict=False):
            if turn not in self._found:
                self._found[turn] = self._span(*turn)
            if (span := self._found[turn]) is not None:
                spans.append(span)
        return spans

    def _span(self, before: int, far: int, after: int) -> Triple | None:
        values = self._values
        first, last = values[before], values[after]
        out, back = abs(values[far] - first), abs(values[far] - last)
        if min(out, back) < _MIN_RETURN * max(out, back):
            return None
        # Plain loops, which take half of the time of generators; they end at the turning points.
        start = end = far
        near = _AT_START * out
        while abs(values[start] - first) > near:
            start -= 1
        near = _AT_START * back
        while abs(values[end] - last) > near:
            end += 1
        return (start, far, end) if end - start >= self._min_length else None
