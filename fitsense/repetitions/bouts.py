"""Divides cycles into bouts: cycles of one movement that follow each other. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.candidate import OVERLAP_LENGTHS, Span
from fitsense.repetitions.cycles import Cycle
from fitsense.repetitions.similarity import similarities
from fitsense.repetitions.trajectory import Path

# Neighbouring cycles are of one bout if they are at least so similar, within so many of their lengths in time, and if
# the way from one to the other is at most so many times as far as they go.
_MIN_SIMILARITY = 0.5
_MAX_PAUSE_LENGTHS = 2.0
_MAX_APART = 1.0


@attrs.frozen
class Bout:
    """Cycles of one movement, in order.

    :param span: start of the first and end of the last.
    """

    cycles: tuple[Cycle, ...]
    span: Span

    def count_of(self, spans: Collection[Span], others: Collection[Bout]) -> int:
        """Number of spans that lie in this bout, and not more in one of the others."""
        return sum(
            _overlap(one, self.span) > OVERLAP_LENGTHS * (one[1] - one[0])
            and all(_overlap(one, self.span) >= _overlap(one, other.span) for other in others)
            for one in spans
        )


def divide(cycles: Sequence[Cycle], path: Path, moments: NDArray[np.float64], *, alternating: bool) -> list[Bout]:
    """Divide cycles into bouts.

    :param cycles: in order of time, at least one.
    :param path: that the cycles are of.
    :param moments: times of the path's points, in seconds of media time.
    :param alternating: whether sides alternate, so that a cycle is unlike its neighbours.
    """
    bouts: list[list[Cycle]] = [[cycles[0]]]
    for cycle in cycles[1:]:
        last = bouts[-1][-1]
        length = max(last.end - last.start, cycle.end - cycle.start)
        apart = float(np.linalg.norm(path[cycle.start] - path[last.end]))
        near = apart <= _MAX_APART * max(last.extent, cycle.extent)
        follows = near and cycle.start - last.end <= _MAX_PAUSE_LENGTHS * length
        if follows and (alternating or _similarity(path, last, cycle) >= _MIN_SIMILARITY):
            bouts[-1].append(cycle)
        else:
            bouts.append([cycle])
    return [Bout(tuple(one), (float(moments[one[0].start]), float(moments[one[-1].end]))) for one in bouts]


def _similarity(path: Path, one: Cycle, other: Cycle) -> float:
    return similarities(path, (one.start, one.end), [(other.start, other.end)])[0]


def _overlap(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])
