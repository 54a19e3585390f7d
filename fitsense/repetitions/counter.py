"""Counts repetitions in thumbnails, of any exercise, also of one that no classifier knows. No I/O, no clock.

The counter analyses the last seconds again and again. Each pass computes the movement's path
(:mod:`fitsense.repetitions.trajectory`) and finds the cycles in it (:mod:`fitsense.repetitions.cycles`). A cycle is
reported as a repetition if two consecutive passes have found it and the movement has clearly turned round or come to
rest after it, or another cycle has followed. The first repetition of a set needs a second one to resemble; a single
one is reported only when the run ends, or to a host that recognises the exercise by other means.

A repetition is reported at most one repetition late: in the pass that reports it, at most one more is complete. The
quicker the movement, the sooner the next pass. If two passes have not agreed on a cycle by the time that the second
repetition after it is about to end, one pass decides; a cycle that is found only after two more have followed is not
reported at all. A report is final, but a later pass may be more accurate: the counter reports no more repetitions than
a pass finds in all.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.locks import single_threaded_blas
from fitsense.errors import InvalidInputError
from fitsense.repetitions.bouts import Bout, divide
from fitsense.repetitions.candidate import Candidate, Span, continues, is_same_cycle, widened
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter_state import RepetitionCounterState
from fitsense.repetitions.cycles import Cycle, Proposal, propose
from fitsense.repetitions.first import is_certain
from fitsense.repetitions.movement import Movement, PartialRepetition, Repetition
from fitsense.repetitions.rest import end_of_last_rest
from fitsense.repetitions.signal import Signal, SignalView, ThumbnailSignal
from fitsense.repetitions.similarity import similarities
from fitsense.repetitions.trajectory import Path, interpolate, rate_of

# Constants in "lengths" are parts of a repetition's length in time.
# Tolerance of the thumbnail rate, as a part of the interval between thumbnails.
_RATE_TOLERANCE = 0.1
# Fewest thumbnails in which a pass can find cycles.
_MIN_THUMBNAILS = 8

# Lengths of the quickest cycle between two passes.
_INTERVAL_LENGTHS = 0.3

# The next repetition is expected within this many lengths of the last one; until then, lengths and least seconds
# between two passes.
_STEADY_LENGTHS = 2.0
_STEADY_INTERVAL_LENGTHS, _STEADY_INTERVAL_S = 0.1, 0.15

# A proposal that continues after the last repetition, or agrees with the last pass, has its score multiplied by this.
_CONTINUITY_FACTOR = 1.2
# One that contains all reported repetitions has its score increased by this part: else, cycles between two turning
# points at the far end take the place of those between two starts, and half a repetition is lost at each change.
_AGREEMENT = 0.3
# It continues if its tempo is within this factor of the last repetition's.
_CONTINUITY_TEMPO_FACTOR = 1.5

# The movement since the last repetition is another exercise if its cycles make up this part of the motion, have this
# mean quality, have less than this similarity to that repetition, and follow each other within this many lengths.
_NEW_EXERCISE_MIN_SHARE = 0.4
_NEW_EXERCISE_MIN_QUALITY = 0.6
_NEW_EXERCISE_MAX_SIMILARITY = 0.5
_NEW_EXERCISE_PAUSE_LENGTHS = 0.6

# Seconds by which the only repetition of a set may reach beyond the set on either side.
_SET_MARGIN_S = 1.0


@attrs.frozen(eq=False)
class _Analysis:
    """Result of analysing some thumbnails.

    :param moments: times of the path's points, evenly spaced, in seconds of media time.
    :param best: the cycles that count; None if there are none.
    """

    view: SignalView
    moments: NDArray[np.float64]
    best: Proposal | None


class RepetitionCounter:
    """Counts repetitions in thumbnails or other samples; keeps ``window_s`` of them.

    :param signal: how to read the samples.
    :param accept: tells which of several cycles may count, by start, turning point and end in seconds of media time,
        (cycles, 3); None if all may.
    """

    def __init__(
        self,
        config: RepetitionConfig | None = None,
        signal: Signal | None = None,
        accept: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    ) -> None:
        self._config = config or RepetitionConfig()
        self._signal = signal or ThumbnailSignal()
        self._accept = accept
        self.state = RepetitionCounterState()

    def push(self, thumbnail: NDArray[Any], time_s: float, min_interval_s: float = 0.0) -> list[Movement]:
        """Take the thumbnail of one frame; return the movements that are certain now, in order of time.

        :param thumbnail: grey levels (height, width) from :func:`fitsense.repetitions.trajectory.motion_thumbnail`,
            of the same size throughout a run.
        :param time_s: seconds of media time, later than the previous thumbnail's.
        :param min_interval_s: least seconds until the next pass, if this frame has one.
        :raises InvalidInputError: a time that is not finite or not later.
        """
        config = self._config
        if not math.isfinite(time_s) or (self.state.times and time_s <= self.state.times[-1]):
            raise InvalidInputError(
                f"time_s: expected finite seconds after {self.state.times[-1:] or 'none'}, got {time_s!r}"
            )
        if self.state.times and time_s - self.state.times[-1] < (1.0 - _RATE_TOLERANCE) / config.max_rate_hz:
            return []
        self.state.thumbnails.append(np.array(thumbnail, dtype=np.float32))
        self.state.times.append(time_s)
        while time_s - self.state.times[0] > config.window_s:
            del self.state.times[0], self.state.thumbnails[0]
        if time_s < self.state.next_s:
            return []
        movements = self._update(final=False)
        self.state.next_s = max(self.state.next_s, time_s + min_interval_s)
        return movements

    def end_run(self, end_s: float) -> list[Movement]:
        """End the run; return the movements that are complete at `end_s`.

        :param end_s: the end of the run, in seconds of media time. Later thumbnails, of a camera that was moved, are
            dropped.
        """
        until = bisect.bisect_right(self.state.times, end_s)
        del self.state.times[until:], self.state.thumbnails[until:]
        movements = self._update(final=True)
        self.state = RepetitionCounterState()
        return movements

    def begin_set(self, start_s: float) -> list[Movement]:
        """Return the first repetition of a set that goes on, as soon as it is complete; the run continues.

        A host that recognises the exercise by other means needs no second repetition to resemble.

        :param start_s: start of the set, in seconds of media time. Nothing is returned after a report in it.
        """
        times = self.state.times
        if not times or self.state.reported_s > start_s or times[-1] < self.state.next_first_s:
            return []
        self.state.next_first_s = times[-1] + self._config.interval_s
        first = bisect.bisect_left(times, max(start_s - _SET_MARGIN_S, self.state.reported_s))
        if len(times) - first < _MIN_THUMBNAILS:
            return []
        found = self._analyse(slice(first, None), single=True)
        previous, self.state.first_found = self.state.first_found, None
        if found.best is None or found.view.split(found.best, self.state.alternating):
            return []
        cycle = found.best.cycles[0]
        span = _span(cycle, found.moments)
        self.state.first_found = span
        lengths_after = (times[-1] - span[1]) / (span[1] - span[0])
        agreed, followed = previous is not None and is_same_cycle(span, previous), len(found.best.cycles) > 1
        if not is_certain(cycle, found.view.path, lengths_after, agreed=agreed, followed=followed):
            return []
        repetition = self._describe(cycle, found)
        return self._take(repetition) if repetition.middle_s >= start_s else []

    def end_set(self, start_s: float, end_s: float) -> list[Movement]:
        """Return the only repetition of a set that ended, if it has exactly one; the run continues.

        A host that recognises the exercise by other means needs no second repetition to resemble.

        :param start_s: start of the set, in seconds of media time. If a movement in it was reported, nothing is
            returned.
        :param end_s: end of the set.
        """
        if self.state.reported_s > start_s:
            return []
        # An exercise may be recognised a little early or late.
        since_s, until_s = max(start_s - _SET_MARGIN_S, self.state.reported_s), end_s + _SET_MARGIN_S
        first = bisect.bisect_left(self.state.times, since_s)
        last = bisect.bisect_right(self.state.times, until_s)
        if last - first < _MIN_THUMBNAILS:
            return []
        found = self._analyse(slice(first, last), single=True)
        if found.best is None or len(found.best.cycles) > 1:
            return []
        (cycle,) = found.best.cycles
        repetition = self._describe(cycle, found)
        if not start_s <= repetition.middle_s < end_s:
            return []
        return self._take(repetition)

    def _describe(self, cycle: Cycle, found: _Analysis) -> Repetition:
        assert found.best is not None
        details = found.view.describe(cycle, found.best, len(found.moments) - 1, None)
        since_s = max(self.state.reported_s, self.state.times[0])
        span = widened(_span(cycle, found.moments), since_s, float(found.moments[-1]))
        return Repetition(*span, cycle.quality, details)

    def _take(self, repetition: Repetition) -> list[Movement]:
        self.state.reported_s = repetition.end_s
        self.state.reported.append((repetition.start_s, repetition.end_s))
        self.state.tempo_s = repetition.end_s - repetition.start_s
        return [repetition]

    def _analyse(self, part: slice, *, single: bool) -> _Analysis:
        """Analyse a slice of the kept thumbnails, at least :data:`_MIN_THUMBNAILS` of them."""
        times = np.array(self.state.times[part])
        moments = np.linspace(times[0], times[-1], len(times))
        with single_threaded_blas():
            view = self._signal.view(interpolate(moments, times, np.stack(self.state.thumbnails[part])), moments)
            if not view.path.shape[1]:
                return _Analysis(view, moments, None)
            may_count = self._accept
            accept = None if may_count is None else lambda cycles: may_count(moments[cycles])
            proposals = propose(view.path, self._config.min_duration_s, rate_of(moments), single, accept)
        return _Analysis(view, moments, self._choose(proposals, moments))

    def _update(self, *, final: bool) -> list[Movement]:
        times = self.state.times
        if not times:
            return []
        self.state.next_s = times[-1] + self._config.interval_s
        if len(times) < _MIN_THUMBNAILS:
            return []
        single = final and math.isinf(self.state.reported_s)
        found = self._analyse(slice(None), single=single)
        found = self._find_new_exercise(found) or found
        if found.best is None:
            return []
        quickest_s = min(float(found.moments[cycle.end] - found.moments[cycle.start]) for cycle in found.best.cycles)
        self.state.next_s = times[-1] + min(self._config.interval_s, _INTERVAL_LENGTHS * quickest_s)
        tempo_s = self.state.tempo_s
        if tempo_s > 0 and times[-1] - self.state.reported_s < _STEADY_LENGTHS * tempo_s:
            # The next repetition is expected.
            quickly_s = max(_STEADY_INTERVAL_S, _STEADY_INTERVAL_LENGTHS * tempo_s)
            self.state.next_s = min(self.state.next_s, times[-1] + quickly_s)
        self.state.passes += 1
        self.state.score += (found.best.score - self.state.score) / self.state.passes
        return self._report(found.best, found.view, found.moments, final)

    def _find_new_exercise(self, whole: _Analysis) -> _Analysis | None:
        """Analyse the movement since the last report, or the last rest after it; None unless another one is repeated.

        Older thumbnails are then dropped: beside a larger movement, a smaller one looks like partial repetitions, or
        like nothing.
        """
        if not self.state.reported:
            return None
        last_start_s, last_end_s = self.state.reported[-1]
        first = bisect.bisect_left(self.state.times, self.state.reported_s)
        rest_end = end_of_last_rest(self.state.thumbnails, np.array(self.state.times), (last_start_s, last_end_s))
        # The way to another position, such as getting up from the floor, is part of neither exercise.
        first = max(first, rest_end or 0)
        if first == 0 or len(self.state.times) - first < _MIN_THUMBNAILS:
            return None
        found = self._analyse(slice(first, None), single=False)
        best = found.best
        if best is None or len(best.cycles) < 2:
            return None
        if best.share < _NEW_EXERCISE_MIN_SHARE or best.score < _NEW_EXERCISE_MIN_QUALITY * best.share:
            return None
        one, other = best.cycles[-2:]
        if other.start - one.end > _NEW_EXERCISE_PAUSE_LENGTHS * (one.end - one.start):
            return None
        since = int(np.searchsorted(whole.moments, self.state.times[first]))
        if whole.best is not None:
            full_extent = self._config.full_range_ratio * median(cycle.extent for cycle in whole.best.cycles)
            if best.score <= whole.best.score_since(whole.view.path, since, full_extent):
                return None
        last = int(np.searchsorted(whole.moments, last_start_s)), int(np.searchsorted(whole.moments, last_end_s))
        if last[0] >= last[1]:
            return None
        similarity = similarities(whole.view.path, last, [(since + one.start, since + one.end) for one in best.cycles])
        if max(similarity) > _NEW_EXERCISE_MAX_SIMILARITY:
            return None
        del self.state.times[:first], self.state.thumbnails[:first]
        return found

    def _choose(self, proposals: list[Proposal], moments: NDArray[np.float64]) -> Proposal | None:
        """Choose the best of the proposals that count; None if none does."""
        config = self._config

        def goes_on(cycle: Cycle) -> bool:
            span = _span(cycle, moments)
            return continues(span, self.state.reported_s, self.state.tempo_s, _CONTINUITY_TEMPO_FACTOR) or any(
                is_same_cycle(span, found) for found in self.state.found
            )

        def rank(proposal: Proposal) -> float:
            factor = _CONTINUITY_FACTOR if any(map(goes_on, proposal.cycles)) else 1.0
            spans = [_span(cycle, moments) for cycle in proposal.cycles]
            # A repetition of one side is half a cycle.
            known = [] if self.state.alternating else self.state.reported
            agreeing = sum(any(is_same_cycle(span, one) for span in spans) for one in known)
            return proposal.score * factor * (1.0 + _AGREEMENT * agreeing / max(1, len(known)))

        def counts(proposal: Proposal) -> bool:
            share = config.min_motion_share if len(proposal.cycles) > 1 else config.min_motion_share_single
            if proposal.share < share or proposal.score < config.min_confidence * proposal.share:
                return False
            return median(cycle.extent for cycle in proposal.cycles) >= config.min_amplitude

        # Cycles that resemble each other are stronger evidence than a single one.
        counted = [proposal for proposal in proposals if counts(proposal)]
        several = [proposal for proposal in counted if len(proposal.cycles) > 1]
        return max(several or counted, key=rank, default=None)

    def _report(self, best: Proposal, view: SignalView, moments: NDArray[np.float64], final: bool) -> list[Movement]:
        """Report the candidates of a pass up to the first one that is not certain yet."""
        # A cycle of both sides is as long as a repetition, so that that of one side may be half as long.
        shortest_s = self._config.min_duration_s / 2
        sides = {
            (cycle.start, cycle.end): (cycle, side)
            for cycle, side in view.split(best, self.state.alternating)
            if moments[cycle.end] - moments[cycle.start] >= shortest_s
        }
        self.state.alternating = bool(sides)
        if sides:
            best = attrs.evolve(best, cycles=tuple(cycle for cycle, _ in sides.values()))
        now_s = float(moments[-1])
        previous, self.state.found = self.state.found, []
        self.state.reported = [span for span in self.state.reported if span[1] > moments[0]]
        bouts = divide(best.cycles, view.path, moments, alternating=bool(sides))
        # What was reported of another movement says nothing of how many repetitions this one has.
        bout_of = {cycle: at for at, bout in enumerate(bouts) for cycle in bout.cycles}
        reported = [bout.count_of(self.state.reported, bouts) for bout in bouts]
        full = [0] * len(bouts)
        movements: list[Movement] = []
        for candidate in self._candidates(best, bouts, view.path, moments, alternating=bool(sides)):
            bout = bout_of.get(candidate.cycle, 0)
            full[bout] += candidate.is_full
            if candidate.is_reported(self.state.reported_s):
                continue
            self.state.found.append(candidate.span)
            certain = candidate.is_confirmed(previous) and candidate.is_settled(now_s)
            if final and not certain:
                returns = best.relative_return(view.path, candidate.cycle)
                if candidate.is_cut_off(now_s, returns):
                    continue
            if not (final or certain or candidate.is_overdue(self.state.next_s)):
                break
            start_s = max(candidate.start_s, self.state.reported_s)
            if not candidate.is_full:
                self.state.reported_s = candidate.end_s
                movements.append(PartialRepetition(start_s, candidate.end_s))
                continue
            next_start_s = None if candidate.next_start is None else float(moments[candidate.next_start])
            since_s = max(self.state.reported_s, float(moments[0]))
            span = widened(candidate.span, since_s, now_s if next_start_s is None else next_start_s)
            self.state.reported_s = span[1]
            if reported[bout] < full[bout]:
                reported[bout] += 1
                self.state.reported.append((start_s, candidate.end_s))
                if not candidate.is_too_late(now_s):
                    _, side = sides.get((candidate.cycle.start, candidate.cycle.end), (None, None))
                    details = view.describe(candidate.cycle, best, candidate.next_start or len(moments) - 1, side)
                    movements.append(Repetition(*span, candidate.quality, details))
                    self.state.tempo_s = candidate.length_s
        return movements

    def _candidates(
        self, best: Proposal, bouts: Sequence[Bout], points: Path, moments: NDArray[np.float64], *, alternating: bool
    ) -> list[Candidate]:
        """Full and partial repetitions of a proposal, in order of time."""
        ratio = self._config.full_range_ratio
        typical_s = median(float(moments[cycle.end] - moments[cycle.start]) for cycle in best.cycles)
        full = [
            cycle
            for bout in bouts
            for cycle in bout.cycles
            if cycle.extent >= ratio * median(other.extent for other in bout.cycles)
        ]
        # The paths of the two sides may differ.
        partial = best.partial_cycles(points, ratio) if len(best.cycles) > 1 and not alternating else []
        return [
            Candidate(
                cycle=cycle,
                start_s=float(moments[cycle.start]),
                end_s=float(moments[cycle.end]),
                quality=cycle.quality,
                is_full=cycle in full,
                is_steady=continues(_span(cycle, moments), self.state.reported_s, self.state.tempo_s),
                typical_s=typical_s,
                later_ends_s=tuple(float(moments[other.end]) for other in full if other.start >= cycle.end),
                next_start=next((other.start for other in full if other.start >= cycle.end), None),
                alternating=alternating,
            )
            for cycle in sorted([*best.cycles, *partial], key=lambda cycle: cycle.start)
        ]


def _span(cycle: Cycle, moments: NDArray[np.float64]) -> Span:
    return float(moments[cycle.start]), float(moments[cycle.end])
