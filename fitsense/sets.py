"""Repetitions and stretches of exercises in, sets with their rests and tempo out: pure.

A set is what is done of one exercise without a rest of ``rest_s`` or longer: it goes on through a shorter pause. Where
the exercise was not recognised for a shorter time than that, and something unknown was repeated meanwhile, that was the
same exercise: the set takes it in. Movements are counted into the stretch in which their middle lies;
those that nobody exercises in are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.repetitions import Attempt, Movement, Repetition

# A stretch is announced some seconds after it began; movements are kept for so long, in seconds.
_KEPT_S = 30.0


@attrs.frozen
class Effort:
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
class Set:
    """A set.

    :param index: from 1, among the exercise's sets.
    :param rest_before_s: seconds since the set before it, of whatever exercise; None for the first.
    """

    exercise: str
    index: int
    start_s: float
    end_s: float
    effort: Effort
    rest_before_s: float | None


@attrs.frozen
class Counted:
    """A repetition of an exercise, number `index` of its set."""

    exercise: str
    index: int
    repetition: Repetition


@attrs.define
class _Tally:
    """Sums that an :class:`Effort` is made of."""

    repetitions: int = 0
    attempts: int = 0
    seconds: float = 0.0
    squares: float = 0.0
    held_s: float = 0.0

    def add(self, movement: Movement) -> None:
        if isinstance(movement, Attempt):
            self.attempts += 1
            return
        seconds = movement.end_s - movement.start_s
        self.repetitions += 1
        self.seconds += seconds
        self.squares += seconds * seconds

    def merge(self, other: _Tally) -> None:
        self.repetitions += other.repetitions
        self.attempts += other.attempts
        self.seconds += other.seconds
        self.squares += other.squares
        self.held_s += other.held_s

    def effort(self) -> Effort:
        mean = self.seconds / self.repetitions if self.repetitions else None
        spread = None
        if mean is not None and self.repetitions > 1:
            spread = math.sqrt(max(0.0, self.squares / self.repetitions - mean * mean))
        return Effort(self.repetitions, self.attempts, self.seconds + self.held_s, mean, spread)


@attrs.define
class _Set:
    exercise: str
    index: int
    start_s: float
    end_s: float
    tally: _Tally = attrs.field(factory=_Tally)


@attrs.define
class _Stretch:
    """An exercise that goes on; its sets begin at `first`."""

    exercise: str
    start_s: float
    first: int
    tally: _Tally = attrs.field(factory=_Tally)


@attrs.define
class SetsState:
    """All that :class:`Sets` remembers."""

    sets: list[_Set] = attrs.field(factory=list)
    stretch: _Stretch | None = None
    pending: list[Movement] = attrs.field(factory=list)


class Sets:
    """Puts movements into sets.

    :param rest_s: so long a pause ends a set, in seconds.
    """

    def __init__(self, rest_s: float) -> None:
        if not (rest_s > 0 and math.isfinite(rest_s)):
            raise InvalidInputError(f"set_rest_s: expected a number above 0, got {rest_s!r}")
        self._rest_s = rest_s
        self.state = SetsState()

    def add(self, movements: Sequence[Movement]) -> None:
        """Take movements, in the order of time; :meth:`count` or :meth:`end` says what they belong to."""
        if not movements:
            return
        pending = [*self.state.pending, *movements]
        if self.state.stretch is None:
            pending = [movement for movement in pending if movement.end_s > pending[-1].end_s - _KEPT_S]
        self.state.pending = pending

    def begin(self, exercise: str, start_s: float) -> None:
        """A stretch of an exercise began."""
        state = self.state
        state.pending = [movement for movement in state.pending if _middle(movement) >= start_s]
        self._take_in_unknown(exercise, start_s)
        goes_on = state.sets and state.sets[-1].exercise == exercise and self._is_short(start_s)
        first = len(state.sets) - 1 if goes_on else len(state.sets)
        state.stretch = _Stretch(exercise, start_s, first)

    def count(self) -> list[Counted]:
        """Count what came into the stretch that goes on; nothing, if none does."""
        return self._count(math.inf)

    def end(self, end_s: float) -> tuple[list[Counted], Effort, list[Set]]:
        """The stretch is over: repetitions that still belong to it, and its effort and sets."""
        counted = self._count(end_s)
        state = self.state
        stretch, state.stretch = state.stretch, None
        assert stretch is not None
        if not stretch.tally.repetitions:
            stretch.tally.held_s = end_s - stretch.start_s
            # Somebody who moves about, and repeats nothing, does no set.
            if stretch.exercise != UNKNOWN:
                one = self._set(stretch, stretch.start_s, end_s)
                if not one.tally.repetitions:
                    one.tally.held_s += end_s - stretch.start_s
        return counted, stretch.tally.effort(), self.sets[stretch.first :]

    def forget(self) -> None:
        """Nothing that was not counted yet belongs to what follows."""
        self.state.pending = []

    @property
    def sets(self) -> list[Set]:
        """Every set so far, in the order of time."""
        made: list[Set] = []
        for one in self.state.sets:
            rest_s = max(0.0, one.start_s - made[-1].end_s) if made else None
            made.append(Set(one.exercise, one.index, one.start_s, one.end_s, one.tally.effort(), rest_s))
        return made

    def total(self, exercise: str) -> Effort:
        """The effort of all sets of an exercise."""
        tally = _Tally()
        for one in self.state.sets:
            if one.exercise == exercise:
                tally.merge(one.tally)
        return tally.effort()

    def _count(self, until_s: float) -> list[Counted]:
        state = self.state
        if state.stretch is None:
            return []
        counted = []
        # What lies before the stretch was told too late, and belongs to none.
        mine = [movement for movement in state.pending if state.stretch.start_s <= _middle(movement) < until_s]
        state.pending = [movement for movement in state.pending if _middle(movement) >= until_s]
        for movement in mine:
            state.stretch.tally.add(movement)
            if state.stretch.exercise == UNKNOWN and not state.stretch.tally.repetitions:
                # Somebody moves about.
                continue
            one = self._set(state.stretch, movement.start_s, movement.end_s)
            one.tally.add(movement)
            if isinstance(movement, Repetition):
                counted.append(Counted(one.exercise, one.tally.repetitions, movement))
        return counted

    def _take_in_unknown(self, exercise: str, start_s: float) -> None:
        """Make the last set one with that before it, if only the name was lost for less than a rest."""
        *_, before, last = [None, None, *self.state.sets]
        if before is None or last is None or (before.exercise, last.exercise) != (exercise, UNKNOWN):
            return
        if start_s - before.end_s < self._rest_s:
            before.tally.merge(last.tally)
            before.end_s = last.end_s
            del self.state.sets[-1]

    def _set(self, stretch: _Stretch, start_s: float, end_s: float) -> _Set:
        """The set that the time from `start_s` to `end_s` belongs to, which may be a new one."""
        sets = self.state.sets
        if len(sets) == stretch.first or not self._is_short(start_s):
            index = 1 + sum(one.exercise == stretch.exercise for one in sets)
            # A movement may have begun while the stretch before it was still going on.
            start_s = max(start_s, sets[-1].end_s) if sets else start_s
            sets.append(_Set(stretch.exercise, index, start_s, end_s))
        sets[-1].end_s = max(sets[-1].end_s, end_s)
        return sets[-1]

    def _is_short(self, start_s: float) -> bool:
        """Whether what is before `start_s` is no rest."""
        return start_s - self.state.sets[-1].end_s < self._rest_s


def _middle(movement: Movement) -> float:
    return (movement.start_s + movement.end_s) / 2
