"""Follows a plan through a session's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.coach._cues import (
    Cue,
    NotPlanned,
    NotRecognised,
    Pace,
    PaceVerdict,
    PlanDone,
    RepetitionDone,
    RestOver,
    SetDone,
)
from fitsense.coach._plan import Plan, PlannedExercise
from fitsense.errors import InvalidInputError
from fitsense.events.model import (
    Event,
    ExerciseEnded,
    ExerciseStarted,
    ExerciseUpdated,
    RepetitionCompleted,
    SessionEnded,
    SessionStarted,
)
from fitsense.events.parsing import OtherEvent, parse_event

_NO_EXERCISE = (UNKNOWN, IDLE)

# A hold that is interrupted for less than this goes on: its name was lost for a moment.
_SAME_HOLD_S = 3.0


@attrs.frozen
class DoneSet:
    """A set of a planned exercise.

    :param repetitions: that were counted.
    :param hold_s: seconds that it was held; 0 for one that is repeated.
    """

    repetitions: int
    hold_s: float


@attrs.frozen
class ExerciseProgress:
    """How far a planned exercise has come.

    :param done: its sets, also those that ended short of the target.
    """

    planned: PlannedExercise
    done: tuple[DoneSet, ...]

    @property
    def sets_left(self) -> int:
        """Sets that are still to be done."""
        return max(0, self.planned.sets - len(self.done))


@attrs.frozen
class Progress:
    """How far a plan has come, and what is next.

    :param time_s: media time in seconds.
    :param exercises: progress of each planned exercise, in the plan's order.
    :param current: the planned exercise that is being done, or comes next; None when all are done.
    :param set: number of its set that goes on or comes next, from 1.
    :param repetitions: in the set that goes on.
    :param repetitions_left: in that set; None if it is held.
    :param hold_s: seconds that the set that goes on has been held.
    :param hold_left_s: seconds left; None if it is repeated.
    :param rest_s: seconds since the last set ended; None before the first and while a set goes on.
    :param rest_left_s: seconds left of the intended rest; 0 when it is over.
    """

    time_s: float
    exercises: tuple[ExerciseProgress, ...]
    current: PlannedExercise | None
    set: int
    repetitions: int
    repetitions_left: int | None
    hold_s: float
    hold_left_s: float | None
    rest_s: float | None
    rest_left_s: float | None

    @property
    def is_done(self) -> bool:
        """True if every set of the plan was done."""
        return self.current is None

    @property
    def sets_left(self) -> int:
        """Sets of the plan that are still to be done, one that goes on among them."""
        return sum(one.sets_left for one in self.exercises)


@attrs.define
class _OpenSet:
    """A set that goes on, or may go on.

    :param place: of its exercise in the plan.
    :param start_s: of it, or of the stretch in which it was last held.
    :param counted: repetitions that were told one by one, which took `seconds`.
    :param reached: whether it has its target, so that it is among those that are done.
    :param held_before_s: seconds of a hold before its name was lost for a moment.
    """

    place: int
    exercise: str
    start_s: float
    end_s: float
    repetitions: int = 0
    seconds: float = 0.0
    counted: int = 0
    hold_s: float = 0.0
    held_before_s: float = 0.0
    reached: bool = False


@attrs.define
class CoachState:
    """All that a coach remembers."""

    done: list[list[DoneSet]]
    time_s: float = 0.0
    open: _OpenSet | None = None
    rest_from_s: float | None = None
    rest_target_s: float = 0.0
    rest_announced: bool = False
    finished: bool = False


class Coach:
    """Follows a plan through events: counts down repetitions, sets and rests, and compares the pace.

    It reads no clock, so that the same events give the same cues. Events come once each, in order, of one person; a
    plan can go on over several sessions. Sets count for the first planned exercise of which some are left, in whatever
    order they are done. A set that ends short of its target is done all the same.

    :param plan: what is intended.
    :param subject: whom to follow, where a session tells several people apart; events of others are ignored.
    :param pace_tolerance: share of the intended tempo by which a repetition may differ and still be on target.
    """

    def __init__(self, plan: Plan, *, subject: str | None = None, pace_tolerance: float = 0.25) -> None:
        if not 0 <= pace_tolerance < 1:
            raise InvalidInputError(f"pace_tolerance: expected a share from 0 to below 1, got {pace_tolerance!r}")
        self._plan = plan
        self._subject = subject
        self._tolerance = pace_tolerance
        self.state = CoachState([[] for _ in plan.exercises])

    @property
    def plan(self) -> Plan:
        """What is intended."""
        return self._plan

    def push(self, event: Event | OtherEvent | Mapping[str, Any]) -> list[Cue]:
        """Take the next event, of a session, a client or a log, and give what there is to say.

        :raises SchemaError: a mapping is no event.
        """
        if isinstance(event, Mapping):
            event = parse_event(event)
        if self._subject is not None and event.subject != self._subject:
            return []
        data = event.data
        cues: list[Cue] = []
        match data:
            case SessionStarted(exercises=known):
                cues = self._session_started(known)
            case ExerciseStarted():
                cues = self._exercise_started(data)
            case ExerciseUpdated():
                cues = self._exercised(data.exercise, data.start_s, data.end_s)
            case RepetitionCompleted():
                cues = self._repetition(data)
            case ExerciseEnded():
                cues = self._exercised(data.exercise, data.start_s, data.end_s)
                self._rest_begins()
            case SessionEnded():
                cues = self._close()
                self.state.rest_from_s = None
            case _:
                pass
        end_s = getattr(data, "end_s", None)
        return [*cues, *(self.tick(end_s) if isinstance(end_s, int | float) else [])]

    def tick(self, time_s: float) -> list[Cue]:
        """Say how late it is, in seconds of media time, where no events come; gives what there is to say."""
        state = self.state
        state.time_s = max(state.time_s, time_s)
        next_one = self._next()
        if state.rest_from_s is None or state.rest_announced or next_one is None:
            return []
        if state.time_s - state.rest_from_s < state.rest_target_s:
            return []
        state.rest_announced = True
        return [RestOver(state.time_s, self._plan.exercises[next_one].exercise)]

    def progress(self, time_s: float | None = None) -> Progress:
        """How far the plan has come.

        :param time_s: media time in seconds, for the rest; None for that of the last event or :meth:`tick`.
        """
        state = self.state
        now_s = state.time_s if time_s is None else max(time_s, state.time_s)
        open_set = state.open if state.open is not None and not state.open.reached else None
        place = open_set.place if open_set is not None else self._next()
        planned = None if place is None else self._plan.exercises[place]
        repetitions = open_set.repetitions if open_set is not None else 0
        hold_s = open_set.hold_s if open_set is not None else 0.0
        target = planned.repetitions if planned is not None else None
        target_s = planned.hold_s if planned is not None else None
        rest_s = None if state.rest_from_s is None else max(0.0, now_s - state.rest_from_s)
        return Progress(
            time_s=now_s,
            exercises=tuple(
                ExerciseProgress(one, tuple(done)) for one, done in zip(self._plan.exercises, state.done, strict=True)
            ),
            current=planned,
            set=0 if place is None else len(state.done[place]) + 1,
            repetitions=repetitions,
            repetitions_left=None if target is None else max(0, target - repetitions),
            hold_s=hold_s,
            hold_left_s=None if target_s is None else max(0.0, target_s - hold_s),
            rest_s=rest_s,
            rest_left_s=None if rest_s is None or planned is None else max(0.0, state.rest_target_s - rest_s),
        )

    def _session_started(self, known: Iterable[str]) -> list[Cue]:
        cues = self._close()
        names = set(known)
        self.state.time_s = 0.0
        self.state.rest_from_s = None
        for place, planned in enumerate(self._plan.exercises):
            if self._left(place) and not any(planned.is_of(name) for name in names):
                cues.append(NotRecognised(0.0, planned.exercise))
        return cues

    def _exercise_started(self, data: ExerciseStarted) -> list[Cue]:
        open_set = self.state.open
        if open_set is not None and open_set.exercise == data.exercise:
            return []
        if data.exercise in _NO_EXERCISE or self._find(data.exercise) is not None:
            return []
        return [NotPlanned(data.start_s, data.exercise)]

    def _repetition(self, data: RepetitionCompleted) -> list[Cue]:
        if data.exercise in _NO_EXERCISE:
            return []
        open_set = self.state.open
        cues: list[Cue] = []
        # A set's repetitions count up; where its name was lost for a moment, some may be left out.
        if open_set is None or open_set.exercise != data.exercise or data.index <= open_set.repetitions:
            cues = self._close()
            open_set = self._open(data.exercise, data.start_s, held=False)
        target = self._plan.exercises[open_set.place].repetitions if open_set is not None else None
        if open_set is None or target is None:
            return cues
        planned = self._plan.exercises[open_set.place]
        open_set.repetitions = data.index
        open_set.counted += 1
        open_set.seconds += data.duration_s
        open_set.end_s = data.end_s
        number = len(self.state.done[open_set.place]) + (0 if open_set.reached else 1)
        left = max(0, target - data.index)
        pace = self._pace(planned, data.duration_s, open_set.seconds / open_set.counted)
        cues.append(RepetitionDone(data.end_s, planned.exercise, number, data.index, left, pace))
        if left == 0:
            return [*cues, *self._reached(DoneSet(data.index, 0.0))]
        self.state.rest_from_s = None
        return cues

    def _exercised(self, exercise: str, start_s: float, end_s: float) -> list[Cue]:
        """An exercise has gone on from `start_s` to `end_s`; those that are held are done by that alone."""
        if exercise in _NO_EXERCISE:
            return []
        open_set = self.state.open
        cues: list[Cue] = []
        if open_set is None or not self._is_same(open_set, exercise, start_s):
            cues = self._close()
            open_set = self._open(exercise, start_s, held=True)
        target_s = self._plan.exercises[open_set.place].hold_s if open_set is not None else None
        if open_set is None or target_s is None:
            return cues
        if start_s != open_set.start_s:
            open_set.start_s, open_set.held_before_s = start_s, open_set.hold_s
        open_set.hold_s = open_set.held_before_s + end_s - start_s
        open_set.end_s = max(open_set.end_s, end_s)
        if open_set.hold_s >= target_s:
            return [*cues, *self._reached(DoneSet(0, open_set.hold_s))]
        self.state.rest_from_s = None
        return cues

    def _is_same(self, open_set: _OpenSet, exercise: str, start_s: float) -> bool:
        """True if a stretch of an exercise belongs to the open set; for one that is repeated, repetitions decide."""
        if open_set.exercise != exercise:
            return False
        repeated = self._plan.exercises[open_set.place].hold_s is None
        return repeated or start_s == open_set.start_s or start_s - open_set.end_s < _SAME_HOLD_S

    def _open(self, exercise: str, start_s: float, *, held: bool) -> _OpenSet | None:
        """A set of an exercise begins; None if the plan has none left that is held, or repeated."""
        place = self._find(exercise)
        if place is not None and (self._plan.exercises[place].hold_s is not None) == held:
            self.state.open = _OpenSet(place, exercise, start_s, start_s)
        return self.state.open

    def _reached(self, done: DoneSet) -> list[Cue]:
        """The open set has its target, or more."""
        open_set = self.state.open
        assert open_set is not None
        sets = self.state.done[open_set.place]
        if open_set.reached:
            sets[-1] = done
            self._rest_begins()
            return []
        open_set.reached = True
        sets.append(done)
        self._rest_begins()
        return self._set_done(open_set, 0.0)

    def _close(self) -> list[Cue]:
        """The open set does not go on; if it has not reached its target, it is done short of it."""
        open_set, self.state.open = self.state.open, None
        if open_set is None or open_set.reached:
            return []
        planned = self._plan.exercises[open_set.place]
        self.state.done[open_set.place].append(DoneSet(open_set.repetitions, open_set.hold_s))
        target = planned.repetitions if planned.repetitions is not None else planned.hold_s
        reached = open_set.repetitions if planned.repetitions is not None else open_set.hold_s
        return self._set_done(open_set, max(0.0, (target or 0) - reached))

    def _set_done(self, open_set: _OpenSet, missing: float) -> list[Cue]:
        planned = self._plan.exercises[open_set.place]
        number = len(self.state.done[open_set.place])
        over = self._next() is None
        rest_s = None if over else planned.rest_s
        cues: list[Cue] = [
            SetDone(open_set.end_s, planned.exercise, number, missing, self._left(open_set.place), rest_s)
        ]
        if over and not self.state.finished:
            self.state.finished = True
            cues.append(PlanDone(open_set.end_s))
        return cues

    def _rest_begins(self) -> None:
        """Rest counts from where the open set ended."""
        open_set, state = self.state.open, self.state
        if open_set is None or state.rest_from_s == open_set.end_s:
            return
        state.rest_from_s = open_set.end_s
        state.rest_target_s = self._plan.exercises[open_set.place].rest_s
        state.rest_announced = False

    def _find(self, exercise: str) -> int | None:
        """The first planned exercise of this name of which sets are left."""
        places = range(len(self._plan.exercises))
        return next((p for p in places if self._plan.exercises[p].is_of(exercise) and self._left(p)), None)

    def _left(self, place: int) -> int:
        return max(0, self._plan.exercises[place].sets - len(self.state.done[place]))

    def _next(self) -> int | None:
        """The first planned exercise of which sets are left."""
        return next((place for place in range(len(self._plan.exercises)) if self._left(place)), None)

    def _pace(self, planned: PlannedExercise, last_s: float, mean_s: float) -> Pace | None:
        target_s = planned.tempo_s
        if target_s is None:
            return None
        verdict: PaceVerdict = "on target"
        if last_s < target_s * (1 - self._tolerance):
            verdict = "fast"
        elif last_s > target_s * (1 + self._tolerance):
            verdict = "slow"
        return Pace(last_s, mean_s, target_s, verdict)
