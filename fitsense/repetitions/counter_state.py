"""State of a repetition counter."""

from __future__ import annotations

import math

import attrs

from fitsense.repetitions.candidate import Span
from fitsense.types import FloatArray


@attrs.define(eq=False)
class RepetitionCounterState:
    """State of a :class:`RepetitionCounter`. Times are in seconds of media time.

    :param thumbnails: thumbnails of the last ``window_s``, float32 (height, width).
    :param times: times of the thumbnails.
    :param next_s: time of the next pass.
    :param reported: start and end of the repetitions still in the window that were reported, or found too late for it.
    :param reported_s: end of the newest movement that was reported, or omitted because it was reported before.
    :param tempo_s: length of the newest reported repetition.
    :param found: start and end of the cycles that the last pass found and did not report.
    :param alternating: whether sides alternate in the cycles of the last pass.
    :param next_first_s: time from which the first repetition of a set is searched for again.
    :param first_found: start and end of what the last such search found.
    :param passes: passes of this run that found cycles.
    :param score: mean score of what they found: the part of all motion in the cycles, weighted by their quality.
    """

    thumbnails: list[FloatArray] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    next_s: float = -math.inf
    reported: list[Span] = attrs.field(factory=list)
    reported_s: float = -math.inf
    tempo_s: float = 0.0
    found: list[Span] = attrs.field(factory=list)
    alternating: bool = False
    next_first_s: float = -math.inf
    first_found: Span | None = None
    passes: int = 0
    score: float = 0.0
