"""Groups repetitions and exercise segments into sets with rests and tempo. No I/O, no clock.

A set contains one exercise without a rest of ``rest_s`` or longer; a shorter pause does not end it. If the exercise
was not recognised for less than ``rest_s``, and unknown movement was repeated meanwhile, the set includes those
repetitions. A movement is counted in the segment that contains its middle, or whose start it contains if its middle is
in no segment, or in one that ended before the movement was found: an exercise is recognised only while it is done. A
movement outside all segments is dropped.

One joint leads all repetitions of a set: the one with the clearest movement in those that are counted first, which are
often two.

Invariants of every set: it has at least one repetition, or its exercise may be held and nothing was repeated; its time
under tension is at most its duration; and each of its parts lies within one segment, so that the parts that
:meth:`Sets.end` returns for all segments are disjoint and add up to the sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.repetitions.movement import Movement, PartialRepetition, Repetition
from fitsense.repetitions.set_stats import SetAccumulator
from fitsense.repetitions.set_stats import SetStats as SetStats

# A segment is announced some seconds after its start; until then, movements are kept for this long, in seconds.
_PENDING_S = 30.0
# Part of a movement in the segment after the one that contains its middle, and that ended before it was found.
_LATE_SHARE = 0.3


@attrs.frozen
class ExerciseSet:
    """A set, in seconds of media time.

    :param index: number among the exercise's sets, from 1.
    :param rest_before_s: seconds since the previous set of any exercise; None for the first set.
    """

    exercise: str
    index: int
    start_s: float
    end_s: float
    stats: SetStats
    rest_before_s: float | None


@attrs.frozen
class CountedRepetition:
    """A repetition of an exercise, number `index` of its set.

    :param pairs: pairs of both sides in the set so far; None unless at least half of its repetitions have a side.
    """

    exercise: str
    index: int
    repetition: Repetition
    pairs: int | None = None


@attrs.define
class _Part:
    """The part of a set within one segment, in seconds of media time.

    :param segment: number of the segment.
    :param spans: start and end of each repetition, without overlaps; or of the hold.
    """

    segment: int
    start_s: float
    end_s: float
    totals: SetAccumulator = attrs.field(factory=SetAccumulator)
    spans: list[tuple[float, float]] = attrs.field(factory=list)

    def add(self, movement: Movement) -> None:
        """Count a movement; an overlap with the previous one adds no time under tension."""
        self.totals.add(movement)
        if isinstance(movement, Repetition):
            start_s = max(movement.start_s, self.spans[-1][1] if self.spans else self.start_s)
            if start_s < movement.end_s:
                self.spans.append((start_s, movement.end_s))
                self.totals.tension_s += movement.end_s - start_s
        self.end_s = max(self.end_s, movement.end_s)

    def clip(self, end_s: float) -> None:
        """Remove everything after `end_s`."""
        self.spans = [(start_s, min(until_s, end_s)) for start_s, until_s in self.spans if start_s < end_s]
        self.totals.tension_s = math.fsum(until_s - start_s for start_s, until_s in self.spans)
        self.start_s, self.end_s = min(self.start_s, end_s), min(self.end_s, end_s)


@attrs.define
class _OpenSet:
    """A set that may go on.

    :param joint: the joint that leads its repetitions; None if none is known yet.
    """

    exercise: str
    index: int
    parts: list[_Part]
    joint: str | None = None

    @property
    def start_s(self) -> float:
        return self.parts[0].start_s

    @property
    def end_s(self) -> float:
        return self.parts[-1].end_s

    def totals(self) -> SetAccumulator:
        """Sum up all parts."""
        total = SetAccumulator()
        for part in self.parts:
            total.merge(part.totals)
        return total


@attrs.define
class _OpenSegment:
    """The current exercise segment.

    :param number: number among the session's segments, from 0.
    :param first_set: index of the first set that it may contribute to.
    :param attempts: partial repetitions without a repetition after them so far. They do not begin a set.
    """

    exercise: str
    start_s: float
    number: int
    first_set: int
    totals: SetAccumulator = attrs.field(factory=SetAccumulator)
    attempts: list[PartialRepetition] = attrs.field(factory=list)


@attrs.define
class SetsState:
    """State of :class:`Sets`.

    :param sets: all sets so far.
    :param segment: the current segment; None while idle.
    :param num_segments: number of segments begun.
    :param ended_s: end of the newest segment that ended.
    :param pending: movements that are not counted yet.
    """

    sets: list[_OpenSet] = attrs.field(factory=list)
    segment: _OpenSegment | None = None
    num_segments: int = 0
    ended_s: float = -math.inf
    pending: list[Movement] = attrs.field(factory=list)


class Sets:
    """Groups movements into sets.

    :param rest_s: a set ends after a rest of this length, in seconds.
    :param is_held: returns whether an exercise may be held, so that a segment without repetitions is a set. Default:
        every exercise except unknown movement.
    :param is_timed: returns whether an exercise has no repetitions, only a duration. Default: no exercise.
    :raises InvalidInputError: a rest that is not above 0.
    """

    def __init__(
        self,
        rest_s: float,
        is_held: Callable[[str], bool] = UNKNOWN.__ne__,
        is_timed: Callable[[str], bool] = lambda exercise: False,
    ) -> None:
        if not (rest_s > 0 and math.isfinite(rest_s)):
            raise InvalidInputError(f"set_rest_s: expected a number above 0, got {rest_s!r}")
        self._rest_s = rest_s
        self._is_held = is_held
        self._is_timed = is_timed
        self.state = SetsState()

    def add(self, movements: Sequence[Movement]) -> None:
        """Add movements in the order of time; :meth:`count` and :meth:`end` assign them to sets."""
        if not movements:
            return
        pending = [*self.state.pending, *movements]
        if self.state.segment is None:
            pending = [movement for movement in pending if movement.end_s > pending[-1].end_s - _PENDING_S]
        self.state.pending = pending

    def begin(self, exercise: str, start_s: float) -> None:
        """Begin a segment of an exercise at `start_s` seconds of media time."""
        state = self.state
        state.pending = [movement for movement in state.pending if self._begins_in(start_s, movement)]
        self._merge_unknown(exercise, start_s)
        continues = state.sets and state.sets[-1].exercise == exercise and self._is_short(start_s)
        first_set = len(state.sets) - 1 if continues else len(state.sets)
        state.segment = _OpenSegment(exercise, start_s, state.num_segments, first_set)
        state.num_segments += 1

    def count(self) -> list[CountedRepetition]:
        """Count the pending movements of the current segment; none while idle."""
        return self._count(math.inf)

    def end(self, end_s: float) -> tuple[list[CountedRepetition], SetStats, list[ExerciseSet]]:
        """End the current segment; return its remaining repetitions, its statistics and its sets.

        A set that an earlier segment began, and that continued after a short pause, is returned for this segment only:
        with the same index, but without the earlier segment's part.
        """
        counted = self._count(end_s)
        state = self.state
        segment, state.segment, state.ended_s = state.segment, None, end_s
        assert segment is not None
        moved = segment.totals.repetitions or segment.totals.attempts
        if not moved and self._is_held(segment.exercise):
            self._add_hold(segment, end_s)
        for one in state.sets[segment.first_set :]:
            for part in one.parts:
                if part.segment == segment.number:
                    part.clip(end_s)
        totals = segment.totals
        totals.tension_s = math.fsum(
            part.totals.tension_s for one in state.sets for part in one.parts if part.segment == segment.number
        )
        if not totals.repetitions:
            totals.tension_s = end_s - segment.start_s
        return counted, totals.stats(), self._list_sets(segment.number)

    def forget(self) -> None:
        """Drop the movements that are not counted yet."""
        self.state.pending = []

    @property
    def sets(self) -> list[ExerciseSet]:
        """All sets so far, in the order of time."""
        return self._list_sets()

    def total(self, exercise: str) -> SetStats:
        """Statistics over all sets of an exercise."""
        totals = SetAccumulator()
        for one in self.state.sets:
            if one.exercise == exercise:
                totals.merge(one.totals())
        return totals.stats()

    def _list_sets(self, segment: int | None = None) -> list[ExerciseSet]:
        """All sets, or the parts of sets in the segment of that number."""
        listed: list[ExerciseSet] = []
        before_s: float | None = None
        for one in self.state.sets:
            if segment is None:
                parts, rest_from_s = one.parts, before_s
            else:
                parts = [part for part in one.parts if part.segment == segment]
                earlier = [part.end_s for part in one.parts if part.segment < segment]
                rest_from_s = earlier[-1] if earlier else before_s
            before_s = one.end_s
            if parts:
                listed_set = _OpenSet(one.exercise, one.index, parts)
                start_s, end_s = listed_set.start_s, listed_set.end_s
                rest_s = None if rest_from_s is None else max(0.0, start_s - rest_from_s)
                stats = listed_set.totals().stats()
                listed.append(ExerciseSet(one.exercise, one.index, start_s, end_s, stats, rest_s))
        return listed

    def _count(self, until_s: float) -> list[CountedRepetition]:
        state = self.state
        if state.segment is None:
            return []
        counted = []
        # Movements before the segment were reported too late, and belong to no set.
        start_s = state.segment.start_s
        movements = [one for one in state.pending if self._begins_in(start_s, one) and one.middle_s < until_s]
        state.pending = [movement for movement in state.pending if movement.middle_s >= until_s]
        if self._is_timed(state.segment.exercise):
            return []
        for at, movement in enumerate(movements):
            state.segment.totals.add(movement)
            if isinstance(movement, PartialRepetition):
                self._add_attempt(state.segment, movement)
                continue
            for attempt in self._take_attempts(state.segment, movement):
                self._part(state.segment, attempt.start_s).add(attempt)
            self._part(state.segment, movement.start_s).add(movement)
            last = state.sets[-1]
            last.joint = last.joint or self._leading_joint(movements[at:])
            totals = last.totals()
            counted.append(
                CountedRepetition(last.exercise, totals.repetitions, _led_by(last.joint, movement), totals.pairs)
            )
        return counted

    def _begins_in(self, start_s: float, movement: Movement) -> bool:
        """True if a movement is not before the segment that begins at `start_s`."""
        middle_s, inside_s = movement.middle_s, movement.end_s - start_s
        found_late = inside_s >= _LATE_SHARE * (movement.end_s - movement.start_s)
        return middle_s >= start_s or (inside_s > 0 and (middle_s >= self.state.ended_s or found_late))

    def _leading_joint(self, movements: Sequence[Movement]) -> str | None:
        """The joint that moves most clearly in the first set of `movements`; None if no joint's range is known."""
        total: dict[str, float] = {}
        until_s = math.inf
        for movement in movements:
            if movement.start_s - until_s >= self._rest_s:
                break
            until_s = movement.end_s
            for one in movement.details.joints if isinstance(movement, Repetition) else ():
                total[one.joint] = total.get(one.joint, 0.0) + one.clearness
        return max(total, key=lambda joint: (total[joint], joint), default=None)

    def _add_attempt(self, segment: _OpenSegment, attempt: PartialRepetition) -> None:
        """Count an attempt in the current set, or keep it until a repetition begins one."""
        sets = self.state.sets
        if (
            len(sets) > segment.first_set
            and sets[-1].parts[-1].segment == segment.number
            and self._is_short(attempt.start_s)
        ):
            sets[-1].parts[-1].add(attempt)
        elif segment.exercise != UNKNOWN:
            segment.attempts.append(attempt)

    def _take_attempts(self, segment: _OpenSegment, repetition: Repetition) -> list[PartialRepetition]:
        """Remove the kept attempts; return those without a rest between them and `repetition`, which begins a set."""
        until_s, found = repetition.start_s, list[PartialRepetition]()
        for attempt in reversed(segment.attempts):
            if until_s - attempt.end_s >= self._rest_s:
                break
            until_s = attempt.start_s
            found.insert(0, attempt)
        segment.attempts = []
        return found

    def _add_hold(self, segment: _OpenSegment, end_s: float) -> None:
        """Add a segment without movement as a hold, unless it continues a set with repetitions: that is a pause."""
        sets = self.state.sets
        continues = len(sets) > segment.first_set
        if end_s <= segment.start_s or (continues and sets[-1].totals().repetitions):
            return
        part = self._part(segment, segment.start_s)
        part.end_s = end_s
        part.spans = [(part.start_s, end_s)]
        part.totals.held_s = segment.totals.held_s = end_s - part.start_s

    def _merge_unknown(self, exercise: str, start_s: float) -> None:
        """Merge the last set into the one before it if only the exercise's name was lost, for less than a rest."""
        *_, before, last = [None, None, *self.state.sets]
        if before is None or last is None or (before.exercise, last.exercise) != (exercise, UNKNOWN):
            return
        if start_s - before.end_s < self._rest_s:
            before.parts += last.parts
            del self.state.sets[-1]

    def _part(self, segment: _OpenSegment, start_s: float) -> _Part:
        """The segment's part of the set that is open at `start_s`; adds a set or a part if there is none."""
        sets = self.state.sets
        # A movement may have begun in the previous segment.
        begin_s = max(start_s, segment.start_s, sets[-1].end_s if sets else -math.inf)
        if len(sets) == segment.first_set or not self._is_short(start_s):
            index = 1 + sum(one.exercise == segment.exercise for one in sets)
            sets.append(_OpenSet(segment.exercise, index, [_Part(segment.number, begin_s, begin_s)]))
        elif sets[-1].parts[-1].segment != segment.number:
            sets[-1].parts.append(_Part(segment.number, begin_s, begin_s))
        return sets[-1].parts[-1]

    def _is_short(self, start_s: float) -> bool:
        """True if the pause before `start_s` is shorter than a rest."""
        return start_s - self.state.sets[-1].end_s < self._rest_s


def _led_by(joint: str | None, repetition: Repetition) -> Repetition:
    return repetition if joint is None else attrs.evolve(repetition, details=repetition.details.led_by(joint))
