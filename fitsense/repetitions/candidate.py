"""Decides when a cycle that the repetition counter found is certain enough to be reported."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fitsense.repetitions.cycles import Cycle

Span = tuple[float, float]
"""Start and end, in seconds of media time."""

# Constants in "lengths" are parts of a repetition's length in time.
SAME_CYCLE_LENGTHS = 0.3
"""Lengths by which two passes may differ about the same cycle."""
OVERLAP_LENGTHS = 0.3
"""Lengths of a cycle that may lie before the analysed seconds, or in a movement that was reported."""
STEADY_FACTOR = 1.3
"""Factor within which a repetition is of the tempo of those before it."""
# A repetition continues those before it if it begins within this many of their lengths.
_PAUSE_LENGTHS = 0.45
# Lengths after a repetition before it is reported: what follows may change its end. One that follows others at their
# tempo ends where it is expected.
_SETTLED_LENGTHS = 0.6
_STEADY_SETTLED_LENGTHS = 0.2
# Typical lengths after a partial repetition that no repetition follows: it may be another exercise's.
_PARTIAL_SETTLED_LENGTHS = 2.0
# Seconds after a repetition for which it may be reported, however many follow it.
_LATE_S = 1.5
# Lengths after a repetition before the next one may be complete.
_NEXT_LENGTHS = 0.8

# A run may end amid a movement, whose end is then found at most so many of its lengths before. It is a repetition if it
# comes back at least this part as far as the cycles of the same pass do, and has this part of their length.
_CUT_OFF_LENGTHS, _MIN_RETURN, _MIN_LENGTHS = 0.15, 0.5, 0.5

# A cycle begins shortly after its start position was left, and ends shortly before it is reached again: lengths by
# which a repetition begins earlier and ends later.
_EDGE_LENGTHS = 0.06


@attrs.frozen
class Candidate:
    """A cycle of one pass that may be reported, in seconds of media time.

    :param cycle: the cycle, in moments of the pass.
    :param quality: 0..1, as of :class:`fitsense.repetitions.cycles.Cycle`.
    :param is_full: whether it has the full range of motion; otherwise it is a partial repetition.
    :param is_steady: whether it follows a reported repetition without a pause and at its tempo.
    :param typical_s: median length of the pass's cycles.
    :param later_ends_s: ends of the full cycles after it, in order.
    :param next_start: moment in which the first of these starts; None without any.
    :param alternating: whether sides alternate, so that one cycle of each follows before the same side again.
    """

    cycle: Cycle
    start_s: float
    end_s: float
    quality: float
    is_full: bool
    is_steady: bool
    typical_s: float
    later_ends_s: tuple[float, ...]
    next_start: int | None = None
    alternating: bool = False

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def span(self) -> Span:
        return self.start_s, self.end_s

    def is_reported(self, reported_s: float) -> bool:
        """True if too much of it lies before the end of the newest report."""
        return reported_s - self.start_s > OVERLAP_LENGTHS * self.length_s

    def is_confirmed(self, previous: Iterable[Span]) -> bool:
        """True if the previous pass found it, too."""
        return any(is_same_cycle(span, self.span) for span in previous)

    def is_settled(self, now_s: float) -> bool:
        """True if its end cannot change any more: another cycle or enough time has followed."""
        lengths = _STEADY_SETTLED_LENGTHS if self.is_steady else _SETTLED_LENGTHS
        wait_s = lengths * self.length_s if self.is_full else _PARTIAL_SETTLED_LENGTHS * self.typical_s
        return bool(self.later_ends_s) or now_s - self.end_s >= wait_s

    def is_overdue(self, next_s: float) -> bool:
        """True if the second cycle after it may be complete by the next pass, at `next_s`."""
        return bool(self.later_ends_s) and next_s >= self.later_ends_s[-1] + _NEXT_LENGTHS * self.length_s

    def is_cut_off(self, end_s: float, returns: float) -> bool:
        """True if a run ended at `end_s` amid the repetition: it is clearly shorter than others, or comes back less.

        :param returns: how far it comes back, as a part of the median of the pass's cycles.
        """
        if self.alternating or not self.is_full:
            return False
        if self.length_s < _MIN_LENGTHS * self.typical_s:
            return True
        return returns < _MIN_RETURN and end_s - self.end_s <= _CUT_OFF_LENGTHS * self.length_s

    def is_too_late(self, now_s: float) -> bool:
        """True if two cycles have followed it, four where sides alternate, and it ended too long ago."""
        return len(self.later_ends_s) > (3 if self.alternating else 1) and now_s - self.end_s > _LATE_S


def continues(span: Span, reported_s: float, tempo_s: float, factor: float = STEADY_FACTOR) -> bool:
    """True if a cycle follows the last repetition without a pause, at its tempo within a factor.

    :param reported_s: end of the last repetition, in seconds of media time.
    :param tempo_s: its length in seconds.
    """
    pause_s, length_s = span[0] - reported_s, span[1] - span[0]
    follows = -SAME_CYCLE_LENGTHS * tempo_s <= pause_s <= _PAUSE_LENGTHS * tempo_s
    return follows and tempo_s / factor <= length_s <= tempo_s * factor


def is_same_cycle(one: Span, other: Span) -> bool:
    """True if start and end of two passes' cycles agree, within a part of the second one's length."""
    tolerance_s = SAME_CYCLE_LENGTHS * (other[1] - other[0])
    return abs(one[0] - other[0]) <= tolerance_s and abs(one[1] - other[1]) <= tolerance_s


def widened(span: Span, since_s: float, until_s: float) -> Span:
    """Span of the repetition that a cycle shows, between two moments at most: from the start to the end of its way."""
    edge_s = _EDGE_LENGTHS * (span[1] - span[0])
    return max(span[0] - edge_s, since_s), min(span[1] + edge_s, until_s)
