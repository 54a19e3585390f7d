"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHORTEST_STEM = 3


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` with the most similar name; empty if none is similar."""
    names = list(known)
    # The beginning of a name, such as `hop` of `hop_s`, is similar enough.
    begun = [one for one in names if len(name) > 1 and one.startswith(f"{name}_")]
    # So is an abbreviation, such as `reps` of `repetitions`, if it can stand for one name only.
    stem = name.removesuffix("s")
    abbreviated = [one for one in names if len(stem) >= _SHORTEST_STEM and one.startswith(stem)]
    if not begun and len(abbreviated) == 1:
        begun = abbreviated
    similar = begun or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {similar[0]!r}?" if similar else ""
