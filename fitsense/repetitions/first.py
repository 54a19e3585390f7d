"""Decides when the first repetition of a set is certain, although nothing before it shows how one looks. Pure."""

from __future__ import annotations

from fitsense.repetitions.cycles import Cycle
from fitsense.repetitions.trajectory import Path

# Both ends are at least this part as far from the turning point as any moment is: a slow repetition may be half done.
_MIN_REACH = 0.7
# Least quality of a cycle that no other one follows.
_MIN_QUALITY = 0.5
# Lengths after its end at which it is reported; if the pass before found it, too, the second number is enough.
_SETTLED_LENGTHS, _AGREED_SETTLED_LENGTHS = 0.4, 0.1


def is_certain(cycle: Cycle, path: Path, lengths_after: float, *, agreed: bool, followed: bool) -> bool:
    """True if the first cycle of a known exercise is a whole repetition.

    :param path: of the pass that found the cycle.
    :param lengths_after: how many times the cycle's length has passed since its end.
    :param agreed: whether the pass before found the same cycle.
    :param followed: whether a cycle that resembles it follows.
    """
    if cycle.reach(path) < _MIN_REACH or not cycle.begins_as(path):
        return False
    settled = lengths_after >= (_AGREED_SETTLED_LENGTHS if agreed else _SETTLED_LENGTHS)
    return followed or (settled and cycle.quality >= _MIN_QUALITY)
