"""Repetitions and stretches of exercises in, sets with their rests and tempo out: pure.

A set is what is done of one exercise without a rest of ``rest_s`` or longer: it goes on through a shorter pause. Where
the exercise was not recognised for a shorter time than that, and something unknown was repeated meanwhile, that was the
same exercise: the set takes it in. Movements are counted into the stretch in which their middle lies;
those that nobody exercises in are forgotten.

Laws that hold for every set: it has at least one repetition, or its exercise is one that is held and nothing was
repeated; its time under tension is at most its duration; and each of its parts lies within one stretch, so that the
parts that :meth:`Sets.end` gives for all stretches are disjoint, and add up to the sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.repetitions.counter import Movement, PartialRepetition, Repetition

# A stretch is announced some seconds after it began; movements are kept for so long, in seconds.
_KEPT_S = 30.0


@attrs.frozen
class SetStats:
    """What was done in some stretch.

    :param time_under_tension_s: seconds within repetitions; without any, all of the time.
    :param tempo_mean_s: mean length of a repetition in seconds; None without any.
    :param tempo_spread_s: standard deviation of these; None for fewer than two.
    """

    repetitions: int
    attempts: int
    time_under_tension_s: float
    tempo_mean_s: float | None
    tempo_spread_s: float | None


@attrs.frozen
class ExerciseSet:
    """A set.

    :param index: from 1, among the exercise's sets.
    :param rest_before_s: seconds since the set before it, of whatever exercise; None for the first.
    """

    exercise: str
    index: int
    start_s: float
    end_s: float
    stats: SetStats
    rest_before_s: float | None


@attrs.frozen
class CountedRepetition:
    """A repetition of an exercise, number `index` of its set."""

    exercise: str
    index: int
    repetition: Repetition


@attrs.define
class _SetAccumulator:
    """Sums that an :class:`SetStats` is made of.

    :param seconds: lengths of the repetitions, and `squares` of these.
    :param tension_s: seconds within repetitions, or of a hold, as far as they lie in what is summed up.
    """

    repetitions: int = 0
    attempts: int = 0
    seconds: float = 0.0
    squares: float = 0.0
    tension_s: float = 0.0

    def add(self, movement: Movement) -> None:
        if isinstance(movement, PartialRepetition):
            self.attempts += 1
            return
        seconds = movement.end_s - movement.start_s
        self.repetitions += 1
        self.seconds += seconds
        self.squares += seconds * seconds

    def merge(self, other: _SetAccumulator) -> None:
        self.repetitions += other.repetitions
        self.attempts += other.attempts
        self.seconds += other.seconds
        self.squares += other.squares
        self.tension_s += other.tension_s

    def stats(self) -> SetStats:
        mean = self.seconds / self.repetitions if self.repetitions else None
        spread = None
        if mean is not None and self.repetitions > 1:
            spread = math.sqrt(max(0.0, self.squares / self.repetitions - mean * mean))
        return SetStats(self.repetitions, self.attempts, self.tension_s, mean, spread)


@attrs.define
class _Part:
    """What one stretch adds to a set.

    :param stretch: the stretch's number.
    :param spans: start and end of each repetition, none of which overlap; or of the hold.
    """

    stretch: int
    start_s: float
    end_s: float
    tally: _SetAccumulator = attrs.field(factory=_SetAccumulator)
    spans: list[tuple[float, float]] = attrs.field(factory=list)

    def add(self, movement: Movement) -> None:
        """Count a movement; where it overlaps the one before, only what is new of it is under tension."""
        self.tally.add(movement)
        if isinstance(movement, Repetition):
            start_s = max(movement.start_s, self.spans[-1][1] if self.spans else self.start_s)
            if start_s < movement.end_s:
                self.spans.append((start_s, movement.end_s))
                self.tally.tension_s += movement.end_s - start_s
        self.end_s = max(self.end_s, movement.end_s)

    def clip(self, end_s: float) -> None:
        """Leave out what lies after `end_s`."""
        self.spans = [(start_s, min(until_s, end_s)) for start_s, until_s in self.spans if start_s < end_s]
        self.tally.tension_s = math.fsum(until_s - start_s for start_s, until_s in self.spans)
        self.start_s, self.end_s = min(self.start_s, end_s), min(self.end_s, end_s)


@attrs.define
class _OpenSet:
    exercise: str
    index: int
    parts: list[_Part]

    @property
    def start_s(self) -> float:
        return self.parts[0].start_s

    @property
    def end_s(self) -> float:
        return self.parts[-1].end_s

    def tally(self) -> _SetAccumulator:
        """The sums of all parts."""
        total = _SetAccumulator()
        for part in self.parts:
            total.merge(part.tally)
        return total


@attrs.define
class _OpenSegment:
    """An exercise that goes on.

    :param number: from 0, among the stretches.
    :param first: index of the first set that it may be part of.
    :param attempts: those that no repetition has followed yet. They open no set.
    """

    exercise: str
    start_s: float
    number: int
    first: int
    tally: _SetAccumulator = attrs.field(factory=_SetAccumulator)
    attempts: list[PartialRepetition] = attrs.field(factory=list)


@attrs.define
class SetsState:
    """All that :class:`Sets` remembers.

    :param stretches: how many have begun.
    """

    sets: list[_OpenSet] = attrs.field(factory=list)
    segment: _OpenSegment | None = None
    stretches: int = 0
    pending: list[Movement] = attrs.field(factory=list)


class Sets:
    """Puts movements into sets.

    :param rest_s: so long a pause ends a set, in seconds.
    :param is_held: whether an exercise may be held, so that a stretch without any repetition is a set; by default,
        every one but unknown movement may.
    """

    def __init__(self, rest_s: float, is_held: Callable[[str], bool] = UNKNOWN.__ne__) -> None:
        if not (rest_s > 0 and math.isfinite(rest_s)):
            raise InvalidInputError(f"set_rest_s: expected a number above 0, got {rest_s!r}")
        self._rest_s = rest_s
        self._is_held = is_held
        self.state = SetsState()

    def add(self, movements: Sequence[Movement]) -> None:
        """Take movements, in the order of time; :meth:`count` or :meth:`end` says what they belong to."""
        if not movements:
            return
        pending = [*self.state.pending, *movements]
        if self.state.segment is None:
            pending = [movement for movement in pending if movement.end_s > pending[-1].end_s - _KEPT_S]
        self.state.pending = pending

    def begin(self, exercise: str, start_s: float) -> None:
        """A stretch of an exercise began."""
        state = self.state
        state.pending = [movement for movement in state.pending if _middle(movement) >= start_s]
        self._take_in_unknown(exercise, start_s)
        goes_on = state.sets and state.sets[-1].exercise == exercise and self._is_short(start_s)
        first = len(state.sets) - 1 if goes_on else len(state.sets)
        state.segment = _OpenSegment(exercise, start_s, state.stretches, first)
        state.stretches += 1

    def count(self) -> list[CountedRepetition]:
        """Count what came into the stretch that goes on; nothing, if none does."""
        return self._count(math.inf)

    def end(self, end_s: float) -> tuple[list[CountedRepetition], SetStats, list[ExerciseSet]]:
        """The stretch is over: repetitions that still belong to it, its effort, and its sets.

        A set that an earlier stretch began, and that went on after a short pause, is given as far as it lies in this
        stretch: with the same index, but without what the earlier stretch gave.
        """
        counted = self._count(end_s)
        state = self.state
        stretch, state.segment = state.segment, None
        assert stretch is not None
        moved = stretch.tally.repetitions or stretch.tally.attempts
        if not moved and self._is_held(stretch.exercise):
            self._hold(stretch, end_s)
        for one in state.sets[stretch.first :]:
            for part in one.parts:
                if part.stretch == stretch.number:
                    part.clip(end_s)
        tally = stretch.tally
        tally.tension_s = math.fsum(
            part.tally.tension_s for one in state.sets for part in one.parts if part.stretch == stretch.number
        )
        if not tally.repetitions:
            tally.tension_s = end_s - stretch.start_s
        return counted, tally.stats(), self._listed(stretch.number)

    def forget(self) -> None:
        """Nothing that was not counted yet belongs to what follows."""
        self.state.pending = []

    @property
    def sets(self) -> list[ExerciseSet]:
        """Every set so far, in the order of time."""
        return self._listed()

    def total(self, exercise: str) -> SetStats:
        """The effort of all sets of an exercise."""
        tally = _SetAccumulator()
        for one in self.state.sets:
            if one.exercise == exercise:
                tally.merge(one.tally())
        return tally.stats()

    def _listed(self, stretch: int | None = None) -> list[ExerciseSet]:
        """Every set, or its parts in the stretch of a number; the sets without any are left out."""
        listed: list[ExerciseSet] = []
        before_s: float | None = None
        for one in self.state.sets:
            if stretch is None:
                parts, rest_from_s = one.parts, before_s
            else:
                parts = [part for part in one.parts if part.stretch == stretch]
                earlier = [part.end_s for part in one.parts if part.stretch < stretch]
                rest_from_s = earlier[-1] if earlier else before_s
            before_s = one.end_s
            if parts:
                shown = _OpenSet(one.exercise, one.index, parts)
                rest_s = None if rest_from_s is None else max(0.0, shown.start_s - rest_from_s)
                effort = shown.tally().stats()
                listed.append(ExerciseSet(one.exercise, one.index, shown.start_s, shown.end_s, effort, rest_s))
        return listed

    def _count(self, until_s: float) -> list[CountedRepetition]:
        state = self.state
        if state.segment is None:
            return []
        counted = []
        # What lies before the stretch was told too late, and belongs to none.
        mine = [movement for movement in state.pending if state.segment.start_s <= _middle(movement) < until_s]
        state.pending = [movement for movement in state.pending if _middle(movement) >= until_s]
        for movement in mine:
            state.segment.tally.add(movement)
            if isinstance(movement, PartialRepetition):
                self._attempt(state.segment, movement)
                continue
            for attempt in self._before(state.segment, movement):
                self._part(state.segment, attempt.start_s).add(attempt)
            one = self._part(state.segment, movement.start_s)
            one.add(movement)
            last = state.sets[-1]
            counted.append(CountedRepetition(last.exercise, last.tally().repetitions, movement))
        return counted

    def _attempt(self, stretch: _OpenSegment, attempt: PartialRepetition) -> None:
        """Count an attempt into the set that goes on, or keep it until a repetition opens one."""
        sets = self.state.sets
        if (
            len(sets) > stretch.first
            and sets[-1].parts[-1].stretch == stretch.number
            and self._is_short(attempt.start_s)
        ):
            sets[-1].parts[-1].add(attempt)
        elif stretch.exercise != UNKNOWN:
            stretch.attempts.append(attempt)

    def _before(self, stretch: _OpenSegment, repetition: Repetition) -> list[PartialRepetition]:
        """The attempts that no rest parts from a repetition, which opens their set."""
        until_s, found = repetition.start_s, list[PartialRepetition]()
        for attempt in reversed(stretch.attempts):
            if until_s - attempt.end_s >= self._rest_s:
                break
            until_s = attempt.start_s
            found.insert(0, attempt)
        stretch.attempts = []
        return found

    def _hold(self, stretch: _OpenSegment, end_s: float) -> None:
        """Add a stretch in which nothing moved, unless it goes on from repetitions: that was a pause."""
        sets = self.state.sets
        goes_on = len(sets) > stretch.first
        if end_s <= stretch.start_s or (goes_on and sets[-1].tally().repetitions):
            return
        part = self._part(stretch, stretch.start_s)
        part.end_s = end_s
        part.spans = [(part.start_s, end_s)]

    def _take_in_unknown(self, exercise: str, start_s: float) -> None:
        """Make the last set one with that before it, if only the name was lost for less than a rest."""
        *_, before, last = [None, None, *self.state.sets]
        if before is None or last is None or (before.exercise, last.exercise) != (exercise, UNKNOWN):
            return
        if start_s - before.end_s < self._rest_s:
            before.parts += last.parts
            del self.state.sets[-1]

    def _part(self, stretch: _OpenSegment, start_s: float) -> _Part:
        """The stretch's part of the set that goes on at `start_s`; either may be new."""
        sets = self.state.sets
        # A movement may have begun while the stretch before it was still going on.
        begin_s = max(start_s, stretch.start_s, sets[-1].end_s if sets else -math.inf)
        if len(sets) == stretch.first or not self._is_short(start_s):
            index = 1 + sum(one.exercise == stretch.exercise for one in sets)
            sets.append(_OpenSet(stretch.exercise, index, [_Part(stretch.number, begin_s, begin_s)]))
        elif sets[-1].parts[-1].stretch != stretch.number:
            sets[-1].parts.append(_Part(stretch.number, begin_s, begin_s))
        return sets[-1].parts[-1]

    def _is_short(self, start_s: float) -> bool:
        """Whether what is before `start_s` is no rest."""
        return start_s - self.state.sets[-1].end_s < self._rest_s


def _middle(movement: Movement) -> float:
    return (movement.start_s + movement.end_s) / 2
