"""Where a path through few dimensions goes out and comes back, again and again in the same way: pure.

Candidates are made by many hands and judged alike. Each of several one-dimensional views of the path (its
components, and its distance from where it dwells) is cut at its turning points by hysteresis, coarsely and finely;
each cut proposes cycles. A cycle is worth as much as it comes back to where it began and as it resembles its
neighbour, both in several dimensions: going down is no cycle and unlike going up, so that halves score low. Few
dimensions leave noise out and many tell movements apart; which is better depends on the picture, so each number of
them judges on its own. A proposal that explains most of the motion by good cycles wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.trajectory import Path, typical

Floats = NDArray[np.float64]

_Span = tuple[int, int, int]

# Parts of a view's range by which it must turn back for a turning point.
_HYSTERESIS = (0.7, 0.5, 0.35, 0.25)
# So many of the path's first dimensions judge.
_DIMENSIONS = (4, 6, 8)
# A cycle's path is compared at these parts of it.
_PHASES = np.linspace(0.0, 1.0, 24)[:, None]
# Part of the way out that still counts as being at the start.
_AT_START = 0.12
# So many of the best proposals are looked at closely: what their view hides may be like the cycles that it shows.
_GROWN = 6
# Where a cycle's like is sought: lengths, and pauses before it, as parts of that cycle's length.
_LENGTHS, _PAUSES = (
    pairs.ravel()
    for pairs in np.meshgrid([0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4], [0.0, 0.1, 0.2, 0.3, 0.45, 0.6], indexing="ij")
)
_LIKE = 0.25
_LIKE_BETWEEN = 0.2
# What coming back alone, without a neighbour to resemble, is worth.
_ALONE = 0.7
# Two halves that are so much alike are two cycles.
_DOUBLE = 0.6
# Steps count as at most so many typical ones.
_LEAP = 3.0
# A movement has few dimensions; where the smallest varies by so much of what the largest does, there is only noise.
_NOISE = 0.5
# What turns back earlier than this part of the usual way is no movement at all.
_MIN_WAY = 0.35
_EPSILON = 1e-12


@attrs.frozen
class Cycle:
    """One way out and back; indices into the path.

    :param start: last moment at the start.
    :param far: the turning point.
    :param end: first moment back at the start.
    :param quality: 0..1, how much it comes back and resembles its neighbour.
    :param extent: how far out it goes.
    """

    start: int
    far: int
    end: int
    quality: float
    extent: float


@attrs.frozen(eq=False)
class Proposal:
    """Cycles that one view of the path shows, in order.

    :param score: 0..1, the part of all motion that the cycles are, weighted by their quality.
    :param share: the same without weights.
    :param projection: what shows them, float64 (moments,).
    :param dimensions: so many of the path's judged them.
    """

    score: float
    share: float
    cycles: tuple[Cycle, ...]
    projection: Floats
    dimensions: int

    def score_since(self, path: Path, since: int, extent: float) -> float:
        """The score of the cycles from a moment on, within the motion from then on.

        :param extent: cycles that go less far do not count.
        """
        way = _travelled(path[:, : self.dimensions])
        worth = sum(
            cycle.quality * (way[cycle.end] - way[cycle.start])
            for cycle in self.cycles
            if cycle.start >= since and cycle.extent >= extent
        )
        return float(worth / (way[-1] - way[since] + _EPSILON))

    def short(self, path: Path, full: float) -> list[Cycle]:
        """Ways out and back beside the cycles that go less than `full` of their usual way, in order; quality 0."""
        view, cycles = self.projection, self.cycles
        judge = _DIMENSIONS.index(self.dimensions)
        ways = np.array([view[cycle.far] - view[cycle.start] for cycle in cycles])
        usual = float(np.median(ways))
        extent = float(np.median([cycle.extent for cycle in cycles]))
        found: list[Cycle] = []
        edges = [(cycles[0].end, cycles[0].end)] + [(cycle.start, cycle.end) for cycle in cycles[1:]]
        for (_, since), (until, _) in zip(edges, [*edges[1:], (len(view) - 1, 0)], strict=True):
            between = view[since : until + 1] * np.sign(usual)
            shown = _Projection(between, 2)
            turns = shown.turning_points(0.5 * _MIN_WAY * abs(usual))
            # A way out goes up here, so it begins in a minimum.
            rising = len(turns) > 1 and between[turns[1]] > between[turns[0]]
            for start, far, end in shown.spans(turns if rising else turns[1:]):
                out, closed = _extents(_sample(path, np.array([since + start]), np.array([since + end])))
                low = between[far] - between[start] < full * abs(usual)
                if low and _MIN_WAY * extent < out[0, judge] < full * extent and closed[0, judge] > 0.5:
                    found.append(Cycle(since + start, since + far, since + end, 0.0, float(out[0, judge])))
        return found


def turning_points(view: Floats, least: float) -> list[int]:
    """Indices of alternating maxima and minima between which `view` changes by at least `least`."""
    return _Projection(view, 0).turning_points(least)


class _Projection:
    """One number for each moment: cut again and again, so that what was found once is kept.

    :param view: float64 (moments,).
    :param least: moments of the shortest way out and back.
    """

    def __init__(self, view: Floats, least: int) -> None:
        # One by one, numbers of Python's own are many times as fast as numpy's.
        self._values: list[float] = view.tolist()
        self._least = least
        self._found: dict[_Span, _Span | None] = {}
        self._bends: list[int] = []
        if len(view) > 2:
            slopes = np.diff(view)
            moving = np.flatnonzero(slopes)
            rising = slopes[moving] > 0
            self._bends = [0, *moving[1:][rising[1:] != rising[:-1]].tolist(), len(view) - 1]

    def turning_points(self, least: float) -> list[int]:
        """As :func:`turning_points`."""
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
            if direction >= 0 and value <= values[top] - least:
                found.append(top)
                direction, bottom = -1, index
            elif direction <= 0 and value >= values[bottom] + least:
                found.append(bottom)
                direction, top = 1, index
        if direction:
            found.append(top if direction > 0 else bottom)
        return found

    def spans(self, turns: list[int]) -> list[_Span]:
        """(start, far, end) of every way out and back, from turning point to turning point of one kind."""
        spans: list[_Span] = []
        for turn in zip(turns[::2], turns[1::2], turns[2::2], strict=False):
            if turn not in self._found:
                self._found[turn] = self._span(*turn)
            if (span := self._found[turn]) is not None:
                spans.append(span)
        return spans

    def _span(self, before: int, far: int, after: int) -> _Span | None:
        values = self._values
        first, last = values[before], values[after]
        out, back = abs(values[far] - first), abs(values[far] - last)
        if min(out, back) < 0.6 * max(out, back):
            return None
        start = next(at for at in range(far, before - 1, -1) if abs(values[at] - first) <= _AT_START * out)
        end = next(at for at in range(far, after + 1) if abs(values[at] - last) <= _AT_START * back)
        return (start, far, end) if end - start >= self._least else None


def propose(path: Path, min_s: float, rate_hz: float, single: bool) -> list[Proposal]:
    """Ways to see cycles in a path, in no order.

    :param path: float64 (moments, dimensions), evenly spaced in time.
    :param min_s: the shortest cycle, in seconds.
    :param single: whether one cycle alone, without a neighbour to resemble, may be proposed.
    """
    variances = path.var(axis=0)
    if len(path) < 4 or variances.min() > _NOISE * variances.max():
        return []
    travelled = [_travelled(path[:, :dimensions]) for dimensions in _DIMENSIONS]
    if travelled[0][-1] <= _EPSILON:
        return []
    least = round(min_s * rate_hz)
    # By their spans, so that each is judged once.
    cuts: dict[tuple[_Span, ...], Floats] = {}
    views = _projections(path)
    for view, low, high in zip(views, *np.percentile(views, (3, 97), axis=1).tolist(), strict=True):
        if low == high:
            continue
        shown = _Projection(view, least)
        for part in _HYSTERESIS:
            turns = shown.turning_points(part * (high - low))
            for first in (0, 1):
                if spans := tuple(shown.spans(turns[first:])):
                    cuts.setdefault(spans, view)
    proposals = _judge(path, travelled, cuts, single) if cuts else []
    proposals.sort(key=lambda proposal: (len(proposal.cycles) > 1, proposal.score), reverse=True)
    neighbours = _Neighbours(path, travelled, least)
    return [_grow(neighbours, proposal) for proposal in proposals[:_GROWN]] + proposals[_GROWN:]


def _travelled(path: Path) -> Floats:
    """How far the path has led until each moment; a leap, such as at a cut, counts little."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    steps = np.minimum(steps, _LEAP * typical(steps))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _projections(path: Path) -> list[Floats]:
    squares = (path * path).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * path @ path.T, 0.0))
    near = np.percentile(distances, 15)
    rest = int((distances <= near).sum(axis=1).argmax())
    return [*path.T[:4], distances[rest]]


def _judge(
    path: Path, travelled: list[Floats], cuts: Mapping[tuple[_Span, ...], Floats], single: bool
) -> list[Proposal]:
    """What each number of dimensions makes of each cut, which is a view by its spans; none where it sees no cycles."""
    spans = np.array([span for cut in cuts for span in cut], dtype=np.intp)
    firsts = np.cumsum([0, *(len(cut) for cut in cuts)])
    starts, ends = spans[:, 0], spans[:, 2]
    ways = _sample(path, starts, ends)
    out, closed = _extents(ways)
    halves = _alike(*np.split(ways, 2))
    shares = np.stack([(way[ends] - way[starts]) / way[-1] for way in travelled], axis=1)
    lengths = (ends - starts).astype(np.float64)
    # A tempo changes by degrees.
    steady = np.minimum(1.0, 2.0 * np.minimum(lengths[:-1] / lengths[1:], lengths[1:] / lengths[:-1]))
    pairs = _alike(ways[:, :-1], ways[:, 1:]) * steady[:, None]
    # One cut's last is no neighbour of the next one's first.
    pairs[firsts[1:-1] - 1] = 0.0
    none = np.zeros((1, pairs.shape[1]))
    like = np.maximum(np.concatenate([pairs, none]), np.concatenate([none, pairs]))
    like[halves > _DOUBLE] *= 0.5
    quality = like * np.sqrt(closed)
    good = quality > 0.35
    alone = (closed > 0.6) & (halves < -0.25)
    proposals: list[Proposal] = []
    for (cut, view), first, last in zip(cuts.items(), firsts[:-1].tolist(), firsts[1:].tolist(), strict=True):
        for judge, dimensions in enumerate(_DIMENSIONS):
            chosen = first + np.flatnonzero(good[first:last, judge])
            worth = quality[chosen, judge]
            if len(chosen) < 2:
                most = first + int(np.argmax(closed[first:last, judge] * shares[first:last, judge]))
                if not (single and alone[most, judge]):
                    continue
                chosen = np.array([most])
                worth = _ALONE * closed[chosen, judge]
            extents, share = out[chosen, judge], shares[chosen, judge]
            shown = [cut[at - first] for at in chosen.tolist()]
            cycles = tuple(
                Cycle(start, far, end, min(1.0, of), extent)
                for (start, far, end), of, extent in zip(shown, worth.tolist(), extents.tolist(), strict=True)
            )
            score = float((worth * share).sum())
            proposals.append(Proposal(score, float(share.sum()), cycles, view, dimensions))
    return proposals


def _grow(neighbours: _Neighbours, proposal: Proposal) -> Proposal:
    """The proposal with those cycles added, before, between and after its own, that are like their neighbours."""
    cycles = list(proposal.cycles)
    if len(cycles) < 2:
        return proposal
    judge = _DIMENSIONS.index(proposal.dimensions)
    at = 0
    while at < len(cycles):
        until = cycles[at + 1].start if at + 1 < len(cycles) else neighbours.last
        found = neighbours.after(cycles[at], until, judge)
        if found is not None:
            cycles.insert(at + 1, found)
        at += 1
    at = len(cycles) - 1
    while at >= 0:
        found = neighbours.before(cycles[at], cycles[at - 1].end if at else 0, judge)
        if found is None:
            at -= 1
        else:
            cycles.insert(at, found)
    way = neighbours.travelled[judge]
    shares = np.array([way[cycle.end] - way[cycle.start] for cycle in cycles]) / way[-1]
    score = float(sum(cycle.quality * share for cycle, share in zip(cycles, shares, strict=True)))
    return attrs.evolve(proposal, score=score, share=float(shares.sum()), cycles=tuple(cycles))


class _Compared(NamedTuple):
    """Ways of a path that may be like one of its cycles, as each number of dimensions sees them.

    :param starts: moments, (ways,).
    :param ends: likewise.
    :param quality: how much each comes back and resembles the cycle, (ways, judges).
    :param extents: how far out each goes, (ways, judges).
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    quality: Floats
    extents: Floats


class _Neighbours:
    """Finds cycles that are like the one beside them. Proposals share cycles, so that what was compared once is kept.

    :param travelled: how far `path` has led until each moment, as each number of dimensions sees it.
    :param least: moments of the shortest cycle.
    """

    def __init__(self, path: Path, travelled: list[Floats], least: int) -> None:
        self.travelled = travelled
        self.last = len(path) - 1
        self._path = path
        self._least = least
        self._compared: dict[tuple[int, int, int, int, bool], _Compared | None] = {}

    def after(self, like: Cycle, until: int, judge: int) -> Cycle | None:
        """The best cycle from the end of `like` until a moment that resembles it; None if there is none."""
        length = like.end - like.start
        # What just fills the time between two cycles needs to be less like them.
        between = like.end < until < self.last
        fills = between and 0.7 * length <= until - like.end <= 1.4 * length
        return self._best(like, like.end, until, judge, _LIKE_BETWEEN if fills else _LIKE, forward=True)

    def before(self, like: Cycle, since: int, judge: int) -> Cycle | None:
        """The best cycle since a moment until the start of `like` that resembles it; None if there is none."""
        return self._best(like, since, like.start, judge, _LIKE, forward=False)

    def _best(self, like: Cycle, since: int, until: int, judge: int, least: float, *, forward: bool) -> Cycle | None:
        key = (like.start, like.end, since, until, forward)
        if key not in self._compared:
            self._compared[key] = self._compare(*key)
        compared = self._compared[key]
        if compared is None:
            return None
        starts, ends, way = compared.starts, compared.ends, self.travelled[judge]
        moved = (way[ends] - way[starts]) / (way[like.end] - way[like.start] + _EPSILON)
        quality = compared.quality[:, judge] * ((moved > 0.5) & (moved < 2.0))
        best = int(quality.argmax())
        if quality[best] < least:
            return None
        start, end = int(starts[best]), int(ends[best])
        far = start + round((like.far - like.start) / (like.end - like.start) * (end - start))
        return Cycle(start, far, end, float(min(1.0, quality[best])), float(compared.extents[best, judge]))

    def _compare(self, start: int, end: int, since: int, until: int, forward: bool) -> _Compared | None:
        """Ways within `since` and `until` against that from `start` to `end`; None if there is no room for any."""
        lengths = np.maximum(self._least, np.rint(_LENGTHS * (end - start))).astype(np.intp)
        pauses = np.rint(_PAUSES * (end - start)).astype(np.intp)
        starts = since + pauses if forward else until - pauses - lengths
        fits = (starts >= since) & (starts + lengths <= until)
        if not fits.any():
            return None
        starts, ends = starts[fits], (starts + lengths)[fits]
        way = _sample(self._path, np.array([start]), np.array([end]))
        ways = _sample(self._path, starts, ends)
        out, closed = _extents(ways)
        return _Compared(starts, ends, _alike(ways, way) * np.sqrt(closed), out)


def _extents(ways: Floats) -> tuple[Floats, Floats]:
    """How far out each way goes, and how much of that it comes back, 0..1: (spans, judges)."""
    away = _in_all(np.square(ways - ways[:1]))
    out = np.sqrt(away.max(axis=0))
    return out, np.clip(1.0 - np.sqrt(away[-1]) / (out + _EPSILON), 0.0, 1.0)


def alike(path: Path, one: tuple[int, int], others: Sequence[tuple[int, int]]) -> list[float]:
    """How alike one stretch of a path is to each of others, wherever they are: 1 the same, 0 unrelated.

    :param one: its first and last moment; `others` likewise.
    """
    starts, ends = np.array([one, *others], dtype=np.intp).T
    ways = _sample(path, starts, ends)
    found = _alike(ways[:, 1:], ways[:, :1]).max(axis=1)
    return [float(value) for value in found]


def _sample(path: Path, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> Floats:
    """The path between each start and end at equal parts of the time: (phases, spans, dimensions)."""
    at = starts + (ends - starts) * _PHASES
    before = np.minimum(at.astype(np.intp), len(path) - 2)
    part = (at - before)[..., None]
    return np.asarray(path[before] * (1.0 - part) + path[before + 1] * part, dtype=np.float64)


def _alike(some: Floats, others: Floats) -> Floats:
    """How alike ways are, wherever they are: 1 the same, 0 unrelated, below 0 contrary: (spans, judges)."""
    some = some - some.mean(axis=0)
    others = others - others.mean(axis=0)
    apart, one, other = (_in_all(np.square(ways).sum(axis=0)) for ways in (some - others, some, others))
    return np.asarray(1.0 - apart / (one + other + _EPSILON))


def _in_all(squares: Floats) -> Floats:
    """Sums over as many of the first dimensions, which come last, as each judge looks at; judges come last."""
    total = np.zeros(squares.shape[:-1])
    sums = np.empty((*squares.shape[:-1], len(_DIMENSIONS)))
    since = 0
    for judge, until in enumerate(_DIMENSIONS):
        for dimension in range(since, min(until, squares.shape[-1])):
            total += squares[..., dimension]
        sums[..., judge] = total
        since = until
    return sums
