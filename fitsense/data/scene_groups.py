"""Grouping of clips into scenes: clips that show the same people and place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from fitsense.types import FloatArray

ALIKE = 0.12
"""Largest colour difference between clips of one scene. Chosen on a thousand clips with known scenes as the largest
value at which unrelated rooms do not merge: a divided scene makes metrics too good, while two merged ones do little
harm."""

_BLOCK = 256


def find_scenes(names: Sequence[str], given: Sequence[str], colours: FloatArray, alike: float = ALIKE) -> list[str]:
    """The scene of each clip.

    Clips of one given scene stay together. A clip without a given scene joins every clip of similar colours, and so
    those join each other. The name of a scene is the given one, else the name of its first clip.

    :param names: names of the clips.
    :param given: their scenes; empty if unknown.
    :param colours: from :func:`fitsense.data.probe.colours`, float32 (clips, COLOURS).
    :param alike: largest colour difference: 0 joins no clips, 1 joins all.
    """
    if alike == 0 or all(given):
        return [scene or name for name, scene in zip(names, given, strict=True)]
    groups = components(
        len(names), [*sharing(given), *_alike(colours, np.array([not scene for scene in given]), alike)]
    )
    called: dict[int, tuple[bool, str]] = {}
    for group, name, scene in zip(groups, names, given, strict=True):
        candidate = (not scene, scene or name)
        called[group] = min(candidate, called.get(group, candidate))
    return [called[group][1] for group in groups]


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The connected component, as its smallest index, of each of `count` items; `pairs` are the edges."""
    above = list(range(count))

    def top(index: int) -> int:
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    for one, other in pairs:
        above[max(top(one), top(other))] = min(top(one), top(other))
    return [top(index) for index in range(count)]


def sharing(values: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Pairs of indices that connect all equal values; skips empty values."""
    last: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if value:
            if value in last:
                yield last[value], index
            last[value] = index


def _alike(
    colours: FloatArray, free: np.ndarray[tuple[int], np.dtype[np.bool_]], alike: float
) -> Iterator[tuple[int, int]]:
    """Pairs of clips of similar colours, at least one of them in `free`."""
    for start in range(0, len(colours), _BLOCK):
        # One minus the Bhattacharyya coefficient, which rounding may put a little below 0.
        difference = 1.0 - colours[start : start + _BLOCK] @ colours.T
        near = (difference <= alike) & (free[start : start + _BLOCK, None] | free[None])
        for one, other in np.argwhere(near).tolist():
            if start + one < other:
                yield start + one, other
