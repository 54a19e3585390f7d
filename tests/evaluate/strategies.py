"""Cases for the laws of figures."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Answers = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""How sure answers are, and whether they are right."""

Ranked = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Scores, of which some are equal, and which clips are positive."""

_MOST = 40


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """At least one answer."""
    pairs = draw(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=_MOST))
    return np.array([sure for sure, _ in pairs]), np.array([right for _, right in pairs])


@st.composite
def ranked(draw: st.DrawFn) -> Ranked:
    """At least one clip; also only positives, and none."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=_MOST))
    return np.array([score / 12 for score, _ in pairs]), np.array([positive for _, positive in pairs])


def scenes(count: int) -> st.SearchStrategy[list[str]]:
    """The scenes of so many clips."""
    return st.lists(st.sampled_from("abcdefgh"), min_size=count, max_size=count)
