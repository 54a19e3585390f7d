"""Finds cycles in a movement's path: where it goes out and comes back, again and again in the same way.

Candidate cycles come from several 1-D projections and are scored by one similarity measure. The projections are the
path's components, and the distance from its most frequent point. Each is cut at its turning points by hysteresis, at
several thresholds; each cut proposes cycles. A cycle's quality is how far it returns to its start and resembles its
neighbour, in several dimensions. Half a cycle does not return, and going down is unlike going up, so that halves score
low. Few dimensions leave out noise and many separate movements; which is better depends on the picture, so that each
number of dimensions is scored separately. The proposal whose good cycles explain most of the motion wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.projection import Projection, Triple
from fitsense.repetitions.similarity import DIMENSIONS, EPSILON, Floats, extents, pairwise_similarity, sample
from fitsense.repetitions.trajectory import Path, typical

# Parts of a projection's range by which it must turn back for a turning point.
_HYSTERESIS = (0.7, 0.5, 0.35, 0.25)
# Number of the best proposals to which similar neighbouring cycles are added: their projection may hide some.
_EXTENDED_PROPOSALS = 6
# Candidates for a neighbouring cycle: lengths, and pauses before it, as parts of the cycle's length.
_LENGTHS, _PAUSES = (
    pairs.ravel()
    for pairs in np.meshgrid([0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4], [0.0, 0.1, 0.2, 0.3, 0.45, 0.6], indexing="ij")
)
# Least quality of a neighbouring cycle, and of one that just fills the time between two cycles.
_MIN_NEIGHBOUR_QUALITY = 0.25
_MIN_FILLING_QUALITY = 0.2
# Least quality of a cycle that has a neighbour to resemble.
_MIN_QUALITY = 0.35
# Quality of a single cycle, as a part of how far it returns.
_SINGLE_FACTOR = 0.7
# Cycles whose halves are more similar than this are two cycles.
_MAX_HALF_SIMILARITY = 0.6
# A step of the path counts at most this many typical steps.
_MAX_STEP = 3.0
# A movement has few dimensions: a path is noise if its smallest variance exceeds this part of its largest.
_NOISE_RATIO = 0.5
# A way out of less than this part of the typical one is no movement.
_MIN_WAY = 0.35


@attrs.frozen
class Cycle:
    """One way out and back.

    :param start: index into the path: last moment at the start.
    :param far: index of the turning point.
    :param end: index of the first moment back at the start.
    :param quality: 0..1, how far it returns and how much it resembles its neighbour.
    :param extent: its largest distance from the start, in units of the path.
    """

    start: int
    far: int
    end: int
    quality: float
    extent: float

    def reach(self, path: Path) -> float:
        """Distance of the nearer end from the turning point, as a part of the largest distance from there."""
        away = np.linalg.norm(path - path[self.far], axis=1)
        return float(min(away[self.start], away[self.end]) / (away.max() + EPSILON))

    def returns(self, path: Path) -> float:
        """Part of the way out that the cycle comes back, at most 1."""
        out, left = (float(np.linalg.norm(path[at] - path[self.start])) for at in (self.far, self.end))
        return 1.0 - left / (out + EPSILON)

    def begins_as(self, path: Path) -> bool:
        """True if the path begins nearer to the start than to the turning point: otherwise the cycle lies between two
        turning points of a movement whose start is this one's."""
        start, far = (float(np.linalg.norm(path[0] - path[at])) for at in (self.start, self.far))
        return start <= far


@attrs.frozen(eq=False)
class Proposal:
    """Cycles of one projection of the path, in order.

    :param score: 0..1, the cycles' part of all motion, weighted by their quality.
    :param share: the same without weights.
    :param projection: the projection, float64 (moments,).
    :param dimensions: number of the path's first dimensions in which the cycles were scored.
    """

    score: float
    share: float
    cycles: tuple[Cycle, ...]
    projection: Floats
    dimensions: int

    def relative_return(self, path: Path, cycle: Cycle) -> float:
        """How far a cycle comes back, as a part of the median of the proposal's cycles; 1 if these do not."""
        typical_return = float(np.median([one.returns(path) for one in self.cycles]))
        return cycle.returns(path) / typical_return if typical_return > EPSILON else 1.0

    def score_since(self, path: Path, since: int, extent: float) -> float:
        """Score of the cycles from index `since` on, within the motion from then on.

        :param extent: cycles of a smaller extent do not count.
        """
        way = _travelled(path[:, : self.dimensions])
        weighted = sum(
            cycle.quality * (way[cycle.end] - way[cycle.start])
            for cycle in self.cycles
            if cycle.start >= since and cycle.extent >= extent
        )
        return float(weighted / (way[-1] - way[since] + EPSILON))

    def partial_cycles(self, path: Path, full: float) -> list[Cycle]:
        """Find ways out and back beside the cycles that go less than `full` of their way, in order; quality 0."""
        view, cycles = self.projection, self.cycles
        column = DIMENSIONS.index(self.dimensions)
        typical = float(np.median([view[cycle.far] - view[cycle.start] for cycle in cycles]))
        extent = float(np.median([cycle.extent for cycle in cycles]))
        found: list[Cycle] = []
        edges = [(cycles[0].end, cycles[0].end)] + [(cycle.start, cycle.end) for cycle in cycles[1:]]
        for (_, since), (until, _) in zip(edges, [*edges[1:], (len(view) - 1, 0)], strict=True):
            between = view[since : until + 1] * np.sign(typical)
            projection = Projection(between, 2)
            turns = projection.turning_points(0.5 * _MIN_WAY * abs(typical))
            # The sign makes a way out go up, so that it begins at a minimum.
            rising = len(turns) > 1 and between[turns[1]] > between[turns[0]]
            for start, far, end in projection.spans(turns if rising else turns[1:]):
                out, closed = extents(sample(path, np.array([since + start]), np.array([since + end])))
                low = between[far] - between[start] < full * abs(typical)
                if low and _MIN_WAY * extent < out[0, column] < full * extent and closed[0, column] > 0.5:
                    found.append(Cycle(since + start, since + far, since + end, 0.0, float(out[0, column])))
        return found


Accept = Callable[[NDArray[np.intp]], NDArray[np.bool_]]
"""Tells which of several cycles may count, by their indices of start, turning point and end, (cycles, 3)."""


def propose(path: Path, min_s: float, rate_hz: float, single: bool, accept: Accept | None = None) -> list[Proposal]:
    """Propose sets of cycles in a path, in no order.

    :param path: float64 (moments, dimensions), evenly spaced in time.
    :param min_s: length of the shortest cycle in seconds.
    :param rate_hz: moments a second.
    :param single: whether a single cycle, without a neighbour to resemble, may be proposed.
    :param accept: which cycles may be proposed; None for all.
    """
    variances = path.var(axis=0)
    if len(path) < 4 or variances.min() > _NOISE_RATIO * variances.max():
        return []
    travelled = [_travelled(path[:, :dimensions]) for dimensions in DIMENSIONS]
    if travelled[0][-1] <= EPSILON:
        return []
    min_length = round(min_s * rate_hz)
    # Keyed by their spans, so that each cut is scored once.
    cuts: dict[tuple[Triple, ...], Floats] = {}
    views = _projections(path)
    for view, low, high in zip(views, *np.percentile(views, (3, 97), axis=1).tolist(), strict=True):
        if low == high:
            continue
        projection = Projection(view, min_length)
        for part in _HYSTERESIS:
            turns = projection.turning_points(part * (high - low))
            for first in (0, 1):
                if spans := tuple(projection.spans(turns[first:])):
                    cuts.setdefault(spans, view)
    if accept is not None:
        cuts = _accepted(cuts, accept)
    proposals = _score(path, travelled, cuts, single) if cuts else []
    proposals.sort(key=lambda proposal: (len(proposal.cycles) > 1, proposal.score), reverse=True)
    neighbours = _Neighbours(path, travelled, min_length)
    extended = [_extend(neighbours, proposal, accept) for proposal in proposals[:_EXTENDED_PROPOSALS]]
    return extended + proposals[_EXTENDED_PROPOSALS:]


def _accepted(cuts: Mapping[tuple[Triple, ...], Floats], accept: Accept) -> dict[tuple[Triple, ...], Floats]:
    """The cuts without the spans that may not count."""
    spans = list(dict.fromkeys(span for cut in cuts for span in cut))
    if not spans:
        return {}
    kept = dict(zip(spans, accept(np.array(spans, np.intp)).tolist(), strict=True))
    found: dict[tuple[Triple, ...], Floats] = {}
    for cut, view in cuts.items():
        if left := tuple(span for span in cut if kept[span]):
            found.setdefault(left, view)
    return found


def _travelled(path: Path) -> Floats:
    """Length of the path until each moment; a leap, such as at a scene cut, counts little."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    steps = np.minimum(steps, _MAX_STEP * typical(steps))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _projections(path: Path) -> list[Floats]:
    """The path's first components, and its distance from the point with the most others near it."""
    squares = (path * path).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * path @ path.T, 0.0))
    near = np.percentile(distances, 15)
    centre = int((distances <= near).sum(axis=1).argmax())
    return [*path.T[:4], distances[centre]]


def _score(
    path: Path, travelled: list[Floats], cuts: Mapping[tuple[Triple, ...], Floats], single: bool
) -> list[Proposal]:
    """Score each cut in each number of dimensions; cuts without cycles are left out.

    :param cuts: projections by the spans that they were cut into.
    """
    spans = np.array([span for cut in cuts for span in cut], dtype=np.intp)
    firsts = np.cumsum([0, *(len(cut) for cut in cuts)])
    starts, ends = spans[:, 0], spans[:, 2]
    ways = sample(path, starts, ends)
    out, closed = extents(ways)
    halves = pairwise_similarity(*np.split(ways, 2))
    shares = np.stack([(way[ends] - way[starts]) / way[-1] for way in travelled], axis=1)
    lengths = (ends - starts).astype(np.float64)
    # A tempo changes gradually.
    steady = np.minimum(1.0, 2.0 * np.minimum(lengths[:-1] / lengths[1:], lengths[1:] / lengths[:-1]))
    pairs = pairwise_similarity(ways[:, :-1], ways[:, 1:]) * steady[:, None]
    # The last cycle of a cut is no neighbour of the next cut's first.
    pairs[firsts[1:-1] - 1] = 0.0
    none = np.zeros((1, pairs.shape[1]))
    similarity = np.maximum(np.concatenate([pairs, none]), np.concatenate([none, pairs]))
    similarity[halves > _MAX_HALF_SIMILARITY] *= 0.5
    quality = similarity * np.sqrt(closed)
    good = quality > _MIN_QUALITY
    may_be_single = (closed > 0.6) & (halves < -0.25)
    proposals: list[Proposal] = []
    for (cut, view), first, last in zip(cuts.items(), firsts[:-1].tolist(), firsts[1:].tolist(), strict=True):
        for column, dimensions in enumerate(DIMENSIONS):
            chosen = first + np.flatnonzero(good[first:last, column])
            qualities = quality[chosen, column]
            if len(chosen) < 2:
                best = first + int(np.argmax(closed[first:last, column] * shares[first:last, column]))
                if not (single and may_be_single[best, column]):
                    continue
                chosen = np.array([best])
                qualities = _SINGLE_FACTOR * closed[chosen, column]
            extent, share = out[chosen, column], shares[chosen, column]
            triples = [cut[at - first] for at in chosen.tolist()]
            cycles = tuple(
                Cycle(start, far, end, min(1.0, one), way)
                for (start, far, end), one, way in zip(triples, qualities.tolist(), extent.tolist(), strict=True)
            )
            score = float((qualities * share).sum())
            proposals.append(Proposal(score, float(share.sum()), cycles, view, dimensions))
    return proposals


def _extend(neighbours: _Neighbours, proposal: Proposal, accept: Accept | None) -> Proposal:
    """Add cycles before, between and after the proposal's that are similar to their neighbours, and may count."""
    cycles = list(proposal.cycles)
    if len(cycles) < 2:
        return proposal
    column = DIMENSIONS.index(proposal.dimensions)
    at = 0
    while at < len(cycles):
        until = cycles[at + 1].start if at + 1 < len(cycles) else neighbours.last
        found = neighbours.after(cycles[at], until, column)
        if found is not None:
            cycles.insert(at + 1, found)
        at += 1
    at = len(cycles) - 1
    while at >= 0:
        found = neighbours.before(cycles[at], cycles[at - 1].end if at else 0, column)
        if found is None:
            at -= 1
        else:
            cycles.insert(at, found)
    if accept is not None and len(cycles) > len(proposal.cycles):
        may_count = accept(np.array([(cycle.start, cycle.far, cycle.end) for cycle in cycles], np.intp))
        cycles = [
            cycle for cycle, kept in zip(cycles, may_count.tolist(), strict=True) if kept or cycle in proposal.cycles
        ]
    way = neighbours.travelled[column]
    shares = np.array([way[cycle.end] - way[cycle.start] for cycle in cycles]) / way[-1]
    score = float(sum(cycle.quality * share for cycle, share in zip(cycles, shares, strict=True)))
    return attrs.evolve(proposal, score=score, share=float(shares.sum()), cycles=tuple(cycles))


class _Comparison(NamedTuple):
    """Spans of a path compared with one cycle, in each number of dimensions.

    :param starts: indices into the path, (spans,).
    :param ends: indices into the path, (spans,).
    :param quality: how far each span returns and how much it resembles the cycle, (spans, len(DIMENSIONS)).
    :param extents: largest distance from the start, (spans, len(DIMENSIONS)).
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    quality: Floats
    extents: Floats


class _Neighbours:
    """Finds cycles that resemble the one beside them. Proposals share cycles, so that comparisons are cached.

    :param travelled: length of `path` until each moment, for each number of dimensions.
    :param min_length: moments of the shortest cycle.
    """

    def __init__(self, path: Path, travelled: list[Floats], min_length: int) -> None:
        self.travelled = travelled
        self.last = len(path) - 1
        self._path = path
        self._min_length = min_length
        self._comparisons: dict[tuple[int, int, int, int, bool], _Comparison | None] = {}

    def after(self, cycle: Cycle, until: int, column: int) -> Cycle | None:
        """The best similar cycle between the end of `cycle` and index `until`; None if there is none."""
        length = cycle.end - cycle.start
        # A cycle that just fills the time between two others needs less similarity.
        between = cycle.end < until < self.last
        fills = between and 0.7 * length <= until - cycle.end <= 1.4 * length
        min_quality = _MIN_FILLING_QUALITY if fills else _MIN_NEIGHBOUR_QUALITY
        return self._best(cycle, cycle.end, until, column, min_quality, forward=True)

    def before(self, cycle: Cycle, since: int, column: int) -> Cycle | None:
        """The best similar cycle between index `since` and the start of `cycle`; None if there is none."""
        return self._best(cycle, since, cycle.start, column, _MIN_NEIGHBOUR_QUALITY, forward=False)

    def _best(
        self, cycle: Cycle, since: int, until: int, column: int, min_quality: float, *, forward: bool
    ) -> Cycle | None:
        key = (cycle.start, cycle.end, since, until, forward)
        if key not in self._comparisons:
            self._comparisons[key] = self._compare(*key)
        compared = self._comparisons[key]
        if compared is None:
            return None
        starts, ends, way = compared.starts, compared.ends, self.travelled[column]
        moved = (way[ends] - way[starts]) / (way[cycle.end] - way[cycle.start] + EPSILON)
        quality = compared.quality[:, column] * ((moved > 0.5) & (moved < 2.0))
        best = int(quality.argmax())
        if quality[best] < min_quality:
            return None
        start, end = int(starts[best]), int(ends[best])
        far = start + round((cycle.far - cycle.start) / (cycle.end - cycle.start) * (end - start))
        return Cycle(start, far, end, float(min(1.0, quality[best])), float(compared.extents[best, column]))

    def _compare(self, start: int, end: int, since: int, until: int, forward: bool) -> _Comparison | None:
        """Compare spans within `since` and `until` with that from `start` to `end`; None if none fits."""
        lengths = np.maximum(self._min_length, np.rint(_LENGTHS * (end - start))).astype(np.intp)
        pauses = np.rint(_PAUSES * (end - start)).astype(np.intp)
        starts = since + pauses if forward else until - pauses - lengths
        fits = (starts >= since) & (starts + lengths <= until)
        if not fits.any():
            return None
        starts, ends = starts[fits], (starts + lengths)[fits]
        way = sample(self._path, np.array([start]), np.array([end]))
        ways = sample(self._path, starts, ends)
        out, closed = extents(ways)
        return _Comparison(starts, ends, pairwise_similarity(ways, way) * np.sqrt(closed), out)
