"""Which clips belong together, since they show the same people and place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from fitsense.types import FloatArray

ALIKE = 0.12
"""How different the colours of clips of one scene may be. Chosen on a thousand clips whose scenes are known, as the
largest at which strangers' rooms do not yet run together into one: a scene that is parted flatters figures, while two
that are joined do little harm."""

_BLOCK = 256


def find_scenes(names: Sequence[str], given: Sequence[str], colours: FloatArray, alike: float = ALIKE) -> list[str]:
    """The scene of each clip.

    Clips of one given scene stay together. A clip without one joins every clip whose colours are alike, and so those
    join each other; a scene is called as given, else after the first of its clips.

    :param names: what clips are called.
    :param given: their scenes; empty where nobody says.
    :param colours: of :func:`fitsense.data.probe.colours`, float32 (clips, COLOURS).
    :param alike: how different their colours may be: 0 joins nothing, 1 everything.
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
    """For each of `count` things the number of the group that it is in, where `pairs` belong together."""
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
    """Pairs of indices that link all equal values with each other; empty ones are left out."""
    last: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if value:
            if value in last:
                yield last[value], index
            last[value] = index


def _alike(
    colours: FloatArray, free: np.ndarray[tuple[int], np.dtype[np.bool_]], alike: float
) -> Iterator[tuple[int, int]]:
    """Pairs of clips whose colours are alike, at least one of them free to join."""
    for start in range(0, len(colours), _BLOCK):
        # One minus the Bhattacharyya coefficient, which rounding may put a little below 0.
        difference = 1.0 - colours[start : start + _BLOCK] @ colours.T
        near = (difference <= alike) & (free[start : start + _BLOCK, None] | free[None])
        for one, other in np.argwhere(near).tolist():
            if start + one < other:
                yield start + one, other
