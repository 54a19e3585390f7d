"""Thumbnails in, repetitions out: pure. Any exercise, also one that no classifier knows.

The last seconds are looked at again and again. A look turns them into the movement's path
(:mod:`fitsense.repetitions.trajectory`) and finds the cycles in it (:mod:`fitsense.repetitions.cycles`). A cycle is
told as a repetition when two looks in a row have seen it and the movement has clearly turned round or come to rest
after it, or another cycle has followed. The first of a set needs the second to resemble; one alone is told only when
the run ends.

A repetition is told at most one late: by the look that tells it, at most one more is complete. The quicker the
movement, the sooner is the next look; what two looks have not agreed on when the second repetition after it is about
to end is decided by one; and what is seen only when two have followed is not told at all. What was told cannot be taken
back, but the next look may see better: no more repetitions are told than a look counts in all.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.locks import single_threaded_blas
from fitsense._internal.validators import number
from fitsense.errors import InvalidInputError
from fitsense.imaging.frame_rate import MAX_RATE_HZ
from fitsense.repetitions.cycles import Cycle, Proposal, alike, propose
from fitsense.repetitions.motion_range import JointRange, Phases
from fitsense.repetitions.sides import Side
from fitsense.repetitions.trajectory import Path, path
from fitsense.types import FloatArray

# Timestamps may miss the wanted rate by so much of a step.
_JITTER = 0.1
# A repetition is told when so much of its length has passed since: what follows may show it in another light.
_WAIT = 0.6
# Part of the quickest cycle that the last look saw, after which the next look is due.
_OFTEN = 0.3
# Part of a repetition after which the next one may be complete.
_SOON = 0.8
# Seconds by which the one repetition of a set may reach beyond it on either side.
_AROUND_S = 1.0
# What followed the last repetition is another exercise when its cycles make up so much of the motion since then, have
# this quality on average, are less like that repetition than this, and follow each other within this part of a length.
_OTHER_SHARE = 0.4
_OTHER_QUALITY = 0.6
_SAME_MOVEMENT = 0.5
_OTHER_PAUSE = 0.6
# So many times the usual length must pass after an attempt that no repetition follows: it may be another exercise's.
_ATTEMPT_WAIT = 2.0
# Looks at fewer thumbnails see nothing.
_FEWEST = 8
# Part of a repetition by which two looks may differ about it.
_SLACK = 0.3
# Part of a repetition that may lie before, or have been told as another's.
_OVERLAP = 0.3
# Part of a repetition that may pass before the next is seen to begin.
_PAUSE = 0.45
# Times as long, or as short, as the last repetition that the next one may be to go on from it.
_STEADY = 1.5
# A look that goes on where the last repetition ended, or that agrees with the last look, is worth so much more.
_CONTINUITY = 1.2


@attrs.frozen
class RepetitionConfig:
    """What is counted, and how closely the movement is looked at.

    :param max_rate_hz: most thumbnails a second that are kept; those that come faster are passed over.
    :param window_s: seconds that a look takes in; a little over two of the slowest repetitions.
    :param interval_s: most media time between two looks; quick repetitions are looked at more often.
    :param min_duration_s: the shortest repetition.
    :param min_confidence: of cycles, on average, from which they count.
    :param min_motion_share: part of the motion in view that cycles must make up to count.
    :param min_motion_share_single: the same for a single movement, which is told at the end of a run in which nothing
        was told before. A host that cannot tell by other means whether somebody exercises should ask for more, such as
        0.6.
    :param min_amplitude: how much a repetition changes the picture, at least: root of the mean square over its pixels,
        in standard deviations of its brightness. Somebody who sways while standing stays below.
    :param full_range_ratio: part of the other repetitions' extent below which a movement is an attempt.
    """

    max_rate_hz: float = attrs.field(default=MAX_RATE_HZ, validator=number(0.0, above=True))
    window_s: float = attrs.field(default=14.0, validator=number(0.0, 120.0, above=True))
    interval_s: float = attrs.field(default=0.5, validator=number(0.0, above=True))
    min_duration_s: float = attrs.field(default=0.4, validator=number(0.0, above=True))
    min_confidence: float = attrs.field(default=0.4, validator=number(0.0, 1.0))
    min_motion_share: float = attrs.field(default=0.2, validator=number(0.0, 1.0))
    min_motion_share_single: float = attrs.field(default=0.2, validator=number(0.0, 1.0))
    min_amplitude: float = attrs.field(default=0.08, validator=number(0.0, above=True))
    full_range_ratio: float = attrs.field(default=0.7, validator=number(0.0, 1.0))

    def __attrs_post_init__(self) -> None:
        if self.window_s < 2 * self.min_duration_s:
            raise InvalidInputError(
                f"RepetitionConfig.window_s: expected at least two of min_duration_s ({self.min_duration_s}), got "
                f"{self.window_s}"
            )


@attrs.frozen
class Details:
    """What a body's joints say of a repetition.

    :param side: whose repetition it is; None where both sides move.
    :param joint: the joint that leads it, and its range of motion; None where no joint's angle is known.
    :param phases: how long its parts take.
    """

    side: Side | None = None
    joint: JointRange | None = None
    phases: Phases | None = None


@attrs.frozen
class Repetition:
    """A whole way from the start position and back, in seconds of media time; `confidence` is in 0..1."""

    start_s: float
    end_s: float
    confidence: float
    details: Details = Details()


@attrs.frozen
class PartialRepetition:
    """A movement that came back early, among repetitions that went farther; in seconds of media time."""

    start_s: float
    end_s: float


Movement = Repetition | PartialRepetition


@attrs.frozen(eq=False)
class Look:
    """What the counter sees when it looks at the samples of the last seconds.

    :param path: the movement's, float64 (moments, dimensions); without dimensions where there is nothing to see.
    :param split: gives the cycles to count for a proposal's, each with the side that it is of, where sides take turns;
        else nothing.
    :param describe: gives the details of a cycle of `path`, from its first to its last moment, until the next begins.
    """

    path: Path
    split: Callable[[Proposal], Sequence[tuple[Cycle, Side]]] = lambda proposal: ()
    describe: Callable[[Cycle, int, Side | None], Details] = lambda cycle, until, side: Details()


class Signal(Protocol):
    """What repetitions are counted from: arrays of one shape, one for each moment."""

    def look(self, samples: FloatArray, rate_hz: float) -> Look:
        """Look at samples, evenly spaced in time."""


class ThumbnailSignal:
    """Counts from thumbnails, (height, width): all that moves in the picture."""

    def look(self, samples: FloatArray, rate_hz: float) -> Look:
        """As :meth:`Signal.look`."""
        return Look(path(samples, rate_hz))


@attrs.define(eq=False)
class RepetitionCounterState:
    """All that :class:`RepetitionCounter` remembers.

    :param thumbnails: of the last ``window_s``, float32 (height, width).
    :param times: theirs, in seconds of media time.
    :param next_s: when the next look is due.
    :param reported: start and end of the repetitions still in view that were told, or were seen too late for it.
    :param reported_s: where the newest movement that was told, or left out as told already, ends.
    :param tempo_s: how long the newest told repetition took.
    :param seen: start and end of what the last look saw and nobody was told.
    :param looks: how many looks of this run saw cycles.
    :param score: mean score of what they saw: the part of all motion that the cycles are, weighted by their quality.
    """

    thumbnails: list[FloatArray] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    next_s: float = -math.inf
    reported: list[tuple[float, float]] = attrs.field(factory=list)
    reported_s: float = -math.inf
    tempo_s: float = 0.0
    seen: list[tuple[float, float]] = attrs.field(factory=list)
    looks: int = 0
    score: float = 0.0


@attrs.frozen(eq=False)
class _View:
    """What some samples show.

    :param moments: in seconds of media time, evenly spaced.
    :param best: the cycles that count; None if there are none.
    """

    look: Look
    moments: NDArray[np.float64]
    best: Proposal | None


class RepetitionCounter:
    """The state machine from thumbnails, or other samples, to repetitions; it keeps ``window_s`` of them.


    :param signal: what the samples are.
    """

    def __init__(self, config: RepetitionConfig | None = None, signal: Signal | None = None) -> None:
        self._config = config or RepetitionConfig()
        self._signal = signal or ThumbnailSignal()
        self.state = RepetitionCounterState()

    def push(self, thumbnail: NDArray[Any], time_s: float) -> list[Movement]:
        """Take the thumbnail of one frame; give what is sure now, in order of time.

        :param thumbnail: grey levels (height, width), the same size throughout a run;
            :func:`fitsense.repetitions.trajectory.motion_thumbnail` makes them.
        :param time_s: seconds of media time, later than the thumbnail's before it.
        """
        config = self._config
        if not math.isfinite(time_s) or (self.state.times and time_s <= self.state.times[-1]):
            raise InvalidInputError(
                f"time_s: expected finite seconds after {self.state.times[-1:] or 'none'}, got {time_s!r}"
            )
        if self.state.times and time_s - self.state.times[-1] < (1.0 - _JITTER) / config.max_rate_hz:
            return []
        self.state.thumbnails.append(np.array(thumbnail, dtype=np.float32))
        self.state.times.append(time_s)
        while time_s - self.state.times[0] > config.window_s:
            del self.state.times[0], self.state.thumbnails[0]
        if time_s < self.state.next_s:
            return []
        return self._update(final=False)

    def end_run(self, end_s: float) -> list[Movement]:
        """Give what is complete at `end_s`; what is pushed next begins anew.

        :param end_s: the end of the run, in seconds of media time. Thumbnails after it, of a camera that was moved, are
            not looked at.
        """
        shown = bisect.bisect_right(self.state.times, end_s)
        del self.state.times[shown:], self.state.thumbnails[shown:]
        told = self._update(final=True)
        self.state = RepetitionCounterState()
        return told

    def end_set(self, start_s: float, end_s: float) -> list[Movement]:
        """Give the one repetition of a set that is over, if there is one alone; the run goes on.

        A host that knows by other means from when to when somebody exercised needs no second repetition to resemble.

        :param start_s: where the set began, in seconds of media time. What was told since then leaves nothing to do.
        :param end_s: where it ended.
        """
        if self.state.reported_s > start_s:
            return []
        # Whoever recognises an exercise may see it a little early or late.
        since_s, until_s = max(start_s - _AROUND_S, self.state.reported_s), end_s + _AROUND_S
        first = bisect.bisect_left(self.state.times, since_s)
        last = bisect.bisect_right(self.state.times, until_s)
        if last - first < _FEWEST:
            return []
        view = self._view(slice(first, last), single=True)
        if view.best is None or len(view.best.cycles) > 1:
            return []
        (cycle,) = view.best.cycles
        told = Repetition(float(view.moments[cycle.start]), float(view.moments[cycle.end]), cycle.quality)
        if not start_s <= (told.start_s + told.end_s) / 2 < end_s:
            return []
        self.state.reported_s = told.end_s
        self.state.reported.append((told.start_s, told.end_s))
        return [told]

    def _view(self, shown: slice, *, single: bool) -> _View:
        """What the kept thumbnails of a slice, at least :data:`_FEWEST`, show."""
        times = np.array(self.state.times[shown])
        moments = np.linspace(times[0], times[-1], len(times))
        rate_hz = (len(times) - 1) / float(times[-1] - times[0])
        with single_threaded_blas():
            look = self._signal.look(_at(moments, times, np.stack(self.state.thumbnails[shown])), rate_hz)
            if not look.path.shape[1]:
                return _View(look, moments, None)
            proposals = propose(look.path, self._config.min_duration_s, rate_hz, single)
        return _View(look, moments, self._choose(proposals, moments))

    def _update(self, *, final: bool) -> list[Movement]:
        times = self.state.times
        if not times:
            return []
        self.state.next_s = times[-1] + self._config.interval_s
        if len(times) < _FEWEST:
            return []
        alone = final and math.isinf(self.state.reported_s)
        view = self._view(slice(None), single=alone)
        view = self._other_exercise(view) or view
        if view.best is None:
            return []
        quickest_s = min(float(view.moments[cycle.end] - view.moments[cycle.start]) for cycle in view.best.cycles)
        self.state.next_s = times[-1] + min(self._config.interval_s, _OFTEN * quickest_s)
        self.state.looks += 1
        self.state.score += (view.best.score - self.state.score) / self.state.looks
        return self._report(view.best, view.look, view.moments, final)

    def _other_exercise(self, whole: _View) -> _View | None:
        """The view of what came since the last repetition that was told, if it shows another movement again and again.

        What came before is then forgotten: beside a larger movement, a smaller one looks like attempts, or nothing.
        """
        since_s = self.state.reported_s
        first = bisect.bisect_left(self.state.times, since_s)
        if first == 0 or len(self.state.times) - first < _FEWEST or not self.state.reported:
            return None
        view = self._view(slice(first, None), single=False)
        if view.best is None or len(view.best.cycles) < 2:
            return None
        if view.best.share < _OTHER_SHARE or view.best.score < _OTHER_QUALITY * view.best.share:
            return None
        one, other = view.best.cycles[-2:]
        if other.start - one.end > _OTHER_PAUSE * (one.end - one.start):
            return None
        since = int(np.searchsorted(whole.moments, since_s))
        if whole.best is not None:
            usual = self._config.full_range_ratio * median(cycle.extent for cycle in whole.best.cycles)
            goes_on = whole.best.score_since(whole.look.path, since, usual)
            if view.best.score <= goes_on:
                return None
        begun_s, ended_s = self.state.reported[-1]
        before = int(np.searchsorted(whole.moments, begun_s)), int(np.searchsorted(whole.moments, ended_s))
        if before[0] >= before[1]:
            return None
        likeness = alike(
            whole.look.path, before, [(since + cycle.start, since + cycle.end) for cycle in view.best.cycles]
        )
        if max(likeness) > _SAME_MOVEMENT:
            return None
        del self.state.times[:first], self.state.thumbnails[:first]
        return view

    def _choose(self, proposals: list[Proposal], moments: NDArray[np.float64]) -> Proposal | None:
        config = self._config

        def goes_on(cycle: Cycle) -> bool:
            start_s, end_s = float(moments[cycle.start]), float(moments[cycle.end])
            tempo_s = self.state.tempo_s
            follows = -_SLACK * tempo_s <= start_s - self.state.reported_s <= _PAUSE * tempo_s
            steady = tempo_s / _STEADY <= end_s - start_s <= tempo_s * _STEADY
            return (follows and steady) or any(_same((start_s, end_s), one) for one in self.state.seen)

        def worth(proposal: Proposal) -> float:
            return proposal.score * (_CONTINUITY if any(map(goes_on, proposal.cycles)) else 1.0)

        def counts(proposal: Proposal) -> bool:
            share = config.min_motion_share if len(proposal.cycles) > 1 else config.min_motion_share_single
            if proposal.share < share or proposal.score < config.min_confidence * proposal.share:
                return False
            return median(cycle.extent for cycle in proposal.cycles) >= config.min_amplitude

        # Cycles that resemble each other say more than one that has none to resemble.
        fit = [proposal for proposal in proposals if counts(proposal)]
        several = [proposal for proposal in fit if len(proposal.cycles) > 1]
        return max(several or fit, key=worth, default=None)

    def _report(self, best: Proposal, look: Look, moments: NDArray[np.float64], final: bool) -> list[Movement]:
        sides = {(cycle.start, cycle.end): (cycle, side) for cycle, side in look.split(best)}
        if sides:
            best = attrs.evolve(best, cycles=tuple(cycle for cycle, _ in sides.values()))
        told: list[Movement] = []
        now_s = float(moments[-1])
        before, self.state.seen = self.state.seen, []
        usual = median(cycle.extent for cycle in best.cycles)
        usual_s = median(float(moments[cycle.end] - moments[cycle.start]) for cycle in best.cycles)
        # The two sides' ways need not be alike.
        several = len(best.cycles) > 1 and not sides
        brief = best.short(look.path, self._config.full_range_ratio) if several else []
        first_s = float(moments[best.cycles[0].start])
        self.state.reported = [one for one in self.state.reported if one[1] > moments[0]]
        had = sum(first_s - start_s <= _OVERLAP * (end_s - start_s) for start_s, end_s in self.state.reported)
        whole = [cycle for cycle in best.cycles if cycle.extent >= self._config.full_range_ratio * usual]
        shown = 0
        for cycle in sorted([*best.cycles, *brief], key=lambda cycle: cycle.start):
            start_s, end_s = float(moments[cycle.start]), float(moments[cycle.end])
            seconds = end_s - start_s
            full = cycle in whole
            shown += full
            if self.state.reported_s - start_s > _OVERLAP * seconds:
                continue
            self.state.seen.append((start_s, end_s))
            later = [other for other in whole if other.start >= cycle.end]
            sure = any(_same(one, (start_s, end_s)) for one in before)
            settled = later or now_s - end_s >= (_WAIT * seconds if full else _ATTEMPT_WAIT * usual_s)
            pressing = later and self.state.next_s >= float(moments[later[-1].end]) + _SOON * seconds
            if not (final or (sure and settled) or pressing):
                break
            start_s = max(start_s, self.state.reported_s)
            self.state.reported_s = end_s
            if not full:
                told.append(PartialRepetition(start_s, end_s))
            elif had < shown:
                had += 1
                self.state.reported.append((start_s, end_s))
                # What two have followed is seen too late to be told; where sides take turns, two of each.
                if len(later) <= (3 if sides else 1):
                    until = later[0].start if later else len(moments) - 1
                    _, side = sides.get((cycle.start, cycle.end), (cycle, None))
                    details = look.describe(cycle, until, side)
                    told.append(Repetition(start_s, end_s, cycle.quality, details))
                    self.state.tempo_s = seconds
        return told


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two looks' starts and ends are of the same cycle, the second's."""
    slack_s = _SLACK * (other[1] - other[0])
    return abs(one[0] - other[0]) <= slack_s and abs(one[1] - other[1]) <= slack_s


def _at(moments: NDArray[np.float64], times: NDArray[np.float64], pictures: FloatArray) -> FloatArray:
    """`pictures`, taken at `times`, at the `moments`: those between two are their mixture."""
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    part = (moments - times[after - 1]) / (times[after] - times[after - 1])
    weights = np.clip(part, 0.0, 1.0).astype(np.float32)[:, None, None]
    mixed = pictures[after - 1]
    mixed *= 1 - weights
    others = pictures[after]
    others *= weights
    mixed += others
    return mixed
