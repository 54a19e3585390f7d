"""Similarity of parts of a movement's path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.trajectory import Path

Floats = NDArray[np.float64]

DIMENSIONS = (4, 6, 8)
"""Numbers of the path's first dimensions in which cycles are scored; the last axis of scores follows this order."""
EPSILON = 1e-12
"""Keeps quotients finite."""

# Spans are compared at these parts of their length.
_PHASES = np.linspace(0.0, 1.0, 24)[:, None]


def extents(ways: Floats) -> tuple[Floats, Floats]:
    """Largest distance of each way from its start, and the part of it by which it returns, 0..1.

    :param ways: sampled spans, (phases, spans, dimensions).
    :returns: two arrays, (spans, len(DIMENSIONS)).
    """
    away = _sum_dimensions(np.square(ways - ways[:1]))
    out = np.sqrt(away.max(axis=0))
    return out, np.clip(1.0 - np.sqrt(away[-1]) / (out + EPSILON), 0.0, 1.0)


def similarities(path: Path, one: tuple[int, int], others: Sequence[tuple[int, int]]) -> list[float]:
    """Similarity of one span of a path to each of others, without regard to their position: 1 equal, 0 unrelated.

    :param one: indices of the span's first and last moment.
    :param others: the same of the other spans.
    """
    starts, ends = np.array([one, *others], dtype=np.intp).T
    ways = sample(path, starts, ends)
    found = pairwise_similarity(ways[:, 1:], ways[:, :1]).max(axis=1)
    return [float(value) for value in found]


def sample(path: Path, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> Floats:
    """Sample the path between each start and end at equal steps in time: (phases, spans, dimensions)."""
    at = starts + (ends - starts) * _PHASES
    before = np.minimum(at.astype(np.intp), len(path) - 2)
    part = (at - before)[..., None]
    return np.asarray(path[before] * (1.0 - part) + path[before + 1] * part, dtype=np.float64)


def pairwise_similarity(some: Floats, others: Floats) -> Floats:
    """Similarity of pairs of ways, without regard to their position: 1 equal, 0 unrelated, below 0 contrary.

    :param some: sampled spans, (phases, spans, dimensions); `others` has the same shape, or broadcasts to it.
    :returns: (spans, len(DIMENSIONS)).
    """
    some = some - some.mean(axis=0)
    others = others - others.mean(axis=0)
    apart, one, other = (_sum_dimensions(np.square(ways).sum(axis=0)) for ways in (some - others, some, others))
    return np.asarray(1.0 - apart / (one + other + EPSILON))


def _sum_dimensions(squares: Floats) -> Floats:
    """Sums over the first dimensions of the last axis, for each of :data:`DIMENSIONS`, which is the new last axis."""
    total = np.zeros(squares.shape[:-1])
    sums = np.empty((*squares.shape[:-1], len(DIMENSIONS)))
    since = 0
    for column, until in enumerate(DIMENSIONS):
        for dimension in range(since, min(until, squares.shape[-1])):
            total += squares[..., dimension]
        sums[..., column] = total
        since = until
    return sums
