"""Where a path through few dimensions goes out and comes back, again and again in the same way: pure.

Candidates are made by many hands and judged alike. Each of several one-dimensional views of the path (its
components, and its distance from where it dwells) is cut at its turning points by hysteresis, coarsely and finely;
each cut proposes cycles. A cycle is worth as much as it comes back to where it began and as it resembles its
neighbour, both in several dimensions: going down is no cycle and unlike going up, so that halves score low. Few
dimensions leave noise out and many tell movements apart; which is better depends on the picture, so each number of
them judges on its own. A proposal that explains most of the motion by good cycles wins.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.motion import Path, typical

Floats = NDArray[np.float64]

# Parts of a view's range by which it must turn back for a turning point.
_HYSTERESIS = (0.7, 0.5, 0.35, 0.25)
# So many of the path's first dimensions judge.
_DIMENSIONS = (4, 6, 8)
# A cycle's path is compared at so many moments of it.
_PHASES = 24
# Part of the way out that still counts as being at the start.
_AT_START = 0.12
# So many of the best proposals are looked at closely: what their view hides may be like the cycles that it shows.
_GROWN = 6
# Where a cycle's like is sought: lengths, and pauses before it, as parts of that cycle's length.
_LENGTHS = np.array([0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4])
_PAUSES = np.array([0.0, 0.1, 0.2, 0.3, 0.45, 0.6])
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
_LEAST_WAY = 0.35
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
    :param view: what shows them, float64 (moments,).
    :param dimensions: so many of the path's judged them.
    """

    score: float
    share: float
    cycles: tuple[Cycle, ...]
    view: Floats
    dimensions: int

    def short(self, path: Path, full: float) -> list[Cycle]:
        """Ways out and back beside the cycles that go less than `full` of their usual way, in order; quality 0."""
        view, cycles = self.view, self.cycles
        judge = _DIMENSIONS.index(self.dimensions)
        ways = np.array([view[cycle.far] - view[cycle.start] for cycle in cycles])
        usual = float(np.median(ways))
        extent = float(np.median([cycle.extent for cycle in cycles]))
        found: list[Cycle] = []
        edges = [(cycles[0].end, cycles[0].end)] + [(cycle.start, cycle.end) for cycle in cycles[1:]]
        for (_, since), (until, _) in zip(edges, [*edges[1:], (len(view) - 1, 0)], strict=True):
            between = view[since : until + 1] * np.sign(usual)
            turns = turning_points(between, 0.5 * _LEAST_WAY * abs(usual))
            # A way out goes up here, so it begins in a minimum.
            rising = len(turns) > 1 and between[turns[1]] > between[turns[0]]
            for start, far, end in _spans(between, turns if rising else turns[1:], 2):
                out, closed = _extents(_sample(path, np.array([since + start]), np.array([since + end])))
                low = between[far] - between[start] < full * abs(usual)
                if low and _LEAST_WAY * extent < out[0, judge] < full * extent and closed[0, judge] > 0.5:
                    found.append(Cycle(since + start, since + far, since + end, 0.0, float(out[0, judge])))
        return found


def turning_points(view: Floats, least: float) -> list[int]:
    """Indices of alternating maxima and minima between which `view` changes by at least `least`."""
    if len(view) < 3:
        return []
    slopes = np.diff(view)
    moving = np.flatnonzero(slopes)
    turns = moving[1:][np.sign(slopes[moving[1:]]) != np.sign(slopes[moving[:-1]])]
    found: list[int] = []
    top = bottom = 0
    direction = 0
    for index in [0, *turns.tolist(), len(view) - 1]:
        value = view[index]
        if value > view[top]:
            top = index
        if value < view[bottom]:
            bottom = index
        if direction >= 0 and value <= view[top] - least:
            found.append(top)
            direction, bottom = -1, index
        elif direction <= 0 and value >= view[bottom] + least:
            found.append(bottom)
            direction, top = 1, index
    if direction:
        found.append(top if direction > 0 else bottom)
    return found


def propose(path: Path, least_s: float, rate_hz: float, single: bool) -> list[Proposal]:
    """Ways to see cycles in a path, in no order.

    :param path: float64 (moments, dimensions), evenly spaced in time.
    :param least_s: the shortest cycle, in seconds.
    :param single: whether one cycle alone, without a neighbour to resemble, may be proposed.
    """
    variances = path.var(axis=0)
    if len(path) < 4 or variances.min() > _NOISE * variances.max():
        return []
    travelled = [_travelled(path[:, :dimensions]) for dimensions in _DIMENSIONS]
    if travelled[0][-1] <= _EPSILON:
        return []
    least = round(least_s * rate_hz)
    proposals: list[Proposal] = []
    seen: set[tuple[int, ...]] = set()
    for view in _views(path):
        low, high = np.percentile(view, (3, 97))
        for part in _HYSTERESIS:
            turns = turning_points(view, part * float(high - low)) if high > low else []
            for first in (0, 1):
                spans = np.array(_spans(view, turns[first:], least), dtype=np.intp).reshape(-1, 3)
                key = tuple(spans.ravel().tolist())
                if key and key not in seen:
                    seen.add(key)
                    proposals += _judge(path, travelled, view, spans, single)
    proposals.sort(key=lambda proposal: (len(proposal.cycles) > 1, proposal.score), reverse=True)
    grown = [_grow(path, travelled, proposal, least) for proposal in proposals[:_GROWN]]
    return grown + proposals[_GROWN:]


def _travelled(path: Path) -> Floats:
    """How far the path has led until each moment; a leap, such as at a cut, counts little."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    steps = np.minimum(steps, _LEAP * typical(steps))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _views(path: Path) -> list[Floats]:
    squares = (path * path).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * path @ path.T, 0.0))
    near = np.percentile(distances, 15)
    rest = int((distances <= near).sum(axis=1).argmax())
    return [*path.T[:4], distances[rest]]


def _spans(view: Floats, turns: list[int], least: int) -> list[tuple[int, int, int]]:
    """(start, far, end) of every way out and back, from turning point to turning point of one kind."""
    spans: list[tuple[int, int, int]] = []
    for before, far, after in zip(turns[::2], turns[1::2], turns[2::2], strict=False):
        out, back = abs(view[far] - view[before]), abs(view[far] - view[after])
        if min(out, back) < 0.6 * max(out, back):
            continue
        leaving = np.abs(view[before : far + 1] - view[before]) <= _AT_START * out
        arriving = np.abs(view[far : after + 1] - view[after]) <= _AT_START * back
        start, end = before + int(np.flatnonzero(leaving)[-1]), far + int(np.flatnonzero(arriving)[0])
        if end - start >= least:
            spans.append((start, far, end))
    return spans


def _judge(path: Path, travelled: list[Floats], view: Floats, spans: NDArray[np.intp], single: bool) -> list[Proposal]:
    """What each number of dimensions makes of the spans; none where it sees no cycles."""
    starts, ends = spans[:, 0], spans[:, 2]
    ways = _sample(path, starts, ends)
    out, closed = _extents(ways)
    halves = _alike(ways[:, : _PHASES // 2], ways[:, _PHASES // 2 :])
    shares = np.stack([(way[ends] - way[starts]) / way[-1] for way in travelled], axis=1)
    lengths = (ends - starts).astype(np.float64)
    # A tempo changes by degrees.
    steady = np.minimum(1.0, 2.0 * np.minimum(lengths[:-1] / lengths[1:], lengths[1:] / lengths[:-1]))
    pairs = _alike(ways[:-1], ways[1:]) * steady[:, None]
    none = np.zeros((1, pairs.shape[1]))
    like = np.maximum(np.concatenate([pairs, none]), np.concatenate([none, pairs]))
    like[halves > _DOUBLE] *= 0.5
    quality = like * np.sqrt(closed)
    good = quality > 0.35
    proposals: list[Proposal] = []
    for judge, dimensions in enumerate(_DIMENSIONS):
        chosen, worth = good[:, judge], quality[:, judge]
        if np.count_nonzero(chosen) < 2:
            if not single:
                continue
            alone = (closed[:, judge] > 0.6) & (halves[:, judge] < -0.25)
            chosen = alone & (np.arange(len(spans)) == np.argmax(closed[:, judge] * shares[:, judge]))
            if not chosen.any():
                continue
            worth = _ALONE * closed[:, judge]
        cycles = tuple(
            Cycle(start, far, end, min(1.0, of), extent)
            for (start, far, end), of, extent in zip(
                spans[chosen].tolist(), worth[chosen].tolist(), out[chosen, judge].tolist(), strict=True
            )
        )
        share = shares[chosen, judge]
        proposals.append(Proposal(float((worth[chosen] * share).sum()), float(share.sum()), cycles, view, dimensions))
    return proposals


def _grow(path: Path, travelled: list[Floats], proposal: Proposal, least: int) -> Proposal:
    """The proposal with those cycles added, before, between and after its own, that are like their neighbours."""
    cycles = list(proposal.cycles)
    if len(cycles) < 2:
        return proposal
    judge = _DIMENSIONS.index(proposal.dimensions)
    way = travelled[judge]
    at = 0
    while at < len(cycles):
        until = cycles[at + 1].start if at + 1 < len(cycles) else len(path) - 1
        found = _next(path, way, judge, cycles[at], cycles[at].end, until, least, forward=True)
        if found is not None:
            cycles.insert(at + 1, found)
        at += 1
    at = len(cycles) - 1
    while at >= 0:
        since = cycles[at - 1].end if at else 0
        found = _next(path, way, judge, cycles[at], since, cycles[at].start, least, forward=False)
        if found is None:
            at -= 1
        else:
            cycles.insert(at, found)
    shares = np.array([way[cycle.end] - way[cycle.start] for cycle in cycles]) / way[-1]
    score = float(sum(cycle.quality * share for cycle, share in zip(cycles, shares, strict=True)))
    return attrs.evolve(proposal, score=score, share=float(shares.sum()), cycles=tuple(cycles))


def _next(
    path: Path, travelled: Floats, judge: int, like: Cycle, since: int, until: int, least: int, *, forward: bool
) -> Cycle | None:
    """The best cycle next to `like`, within `since` and `until`, that resembles it; None if there is none."""
    length = like.end - like.start
    lengths = np.maximum(least, np.rint(np.repeat(_LENGTHS, len(_PAUSES)) * length)).astype(np.intp)
    pauses = np.rint(np.tile(_PAUSES, len(_LENGTHS)) * length).astype(np.intp)
    starts = since + pauses if forward else until - pauses - lengths
    fits = (starts >= since) & (starts + lengths <= until)
    if not fits.any():
        return None
    starts, lengths = starts[fits], lengths[fits]
    ends = starts + lengths
    way = _sample(path, np.array([like.start]), np.array([like.end]))
    ways = _sample(path, starts, ends)
    out, closed = (found[:, judge] for found in _extents(ways))
    moved = (travelled[ends] - travelled[starts]) / (travelled[like.end] - travelled[like.start] + _EPSILON)
    quality = _alike(ways, way)[:, judge] * np.sqrt(closed) * ((moved > 0.5) & (moved < 2.0))
    best = int(quality.argmax())
    # What just fills the time between two cycles needs to be less like them.
    between = like.start < since < until < len(path) - 1 if forward else False
    fills = between and 0.7 * length <= until - since <= 1.4 * length
    if quality[best] < (_LIKE_BETWEEN if fills else _LIKE):
        return None
    start, end = int(starts[best]), int(ends[best])
    far = start + round((like.far - like.start) / length * (end - start))
    return Cycle(start, far, end, float(min(1.0, quality[best])), float(out[best]))


def _extents(ways: Floats) -> tuple[Floats, Floats]:
    """How far out each way goes, and how much of that it comes back, 0..1; as each number of dimensions sees it."""
    away = _in_all(np.square(ways - ways[:, :1]))
    out = np.sqrt(away.max(axis=1))
    return out, np.clip(1.0 - np.sqrt(away[:, -1]) / (out + _EPSILON), 0.0, 1.0)


def _sample(path: Path, starts: NDArray[np.floating | np.integer], ends: NDArray[np.floating | np.integer]) -> Floats:
    """The path between each start and end at equal parts of the time: (spans, phases, dimensions)."""
    at = starts[:, None] + (ends - starts)[:, None] * np.linspace(0.0, 1.0, _PHASES)
    before = np.minimum(at.astype(np.intp), len(path) - 2)
    part = (at - before)[..., None]
    return np.asarray(path[before] * (1.0 - part) + path[before + 1] * part, dtype=np.float64)


def _alike(some: Floats, others: Floats) -> Floats:
    """How alike ways are, wherever they are: 1 the same, 0 unrelated, below 0 contrary; as each number of dimensions
    sees it."""
    some = some - some.mean(axis=1, keepdims=True)
    others = others - others.mean(axis=1, keepdims=True)
    apart, one, other = (_in_all(np.square(ways).sum(axis=1)) for ways in (some - others, some, others))
    return np.asarray(1.0 - apart / (one + other + _EPSILON))


def _in_all(squares: Floats) -> Floats:
    """Sums over as many of the first dimensions, which come last, as each judge looks at."""
    most = squares.shape[-1]
    return np.asarray(squares.cumsum(axis=-1)[..., [min(dimensions, most) - 1 for dimensions in _DIMENSIONS]])
