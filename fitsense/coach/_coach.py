"""Progress of a workout plan from a session's events."""

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

# An interruption of a held exercise that is shorter than this, in seconds, does not end its set.
_SAME_HOLD_S = 3.0


@attrs.frozen
class DoneSet:
    """A completed set of a planned exercise.

    :param repetitions: counted repetitions.
    :param hold_s: duration in seconds for an exercise that is held; 0 for others.
    """

    repetitions: int
    hold_s: float


@attrs.frozen
class ExerciseProgress:
    """Progress of a planned exercise.

    :param done: its completed sets, with those below the target.
    """

    planned: PlannedExercise
    done: tuple[DoneSet, ...]

    @property
    def sets_left(self) -> int:
        """Number of sets left."""
        return max(0, self.planned.sets - len(self.done))


@attrs.frozen
class Progress:
    """Progress of a plan, with the next exercise.

    :param time_s: media time in seconds.
    :param exercises: progress of each planned exercise, in the plan's order.
    :param current: the current or next planned exercise; None when all are done.
    :param set: number of its current or next set, from 1.
    :param repetitions: repetitions of the current set.
    :param repetitions_left: repetitions left in the set; None for an exercise that is held.
    :param hold_s: seconds that the current set has been held.
    :param hold_left_s: seconds left to hold; None for other exercises.
    :param rest_s: seconds since the end of the last set; None before the first set and during a set.
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
        """True if all sets of the plan are done."""
        return self.current is None

    @property
    def sets_left(self) -> int:
        """Number of sets left in the plan, with the current one."""
        return sum(one.sets_left for one in self.exercises)


@attrs.define
class _OpenSet:
    """The current set, or the last one, while it can continue.

    :param place: index of its exercise in the plan.
    :param start_s: start of the set, or of the last segment of a held exercise.
    :param counted: repetitions with an event, which took `seconds`.
    :param reached: whether it has reached its target, and so counts as done.
    :param held_before_s: seconds of a held exercise before its last interruption.
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
    """State of a coach."""

    done: list[list[DoneSet]]
    time_s: float = 0.0
    open: _OpenSet | None = None
    rest_from_s: float | None = None
    rest_target_s: float = 0.0
    rest_announced: bool = False
    finished: bool = False


class Coach:
    """Follows a plan through events: counts down repetitions, sets and rests, and compares the pace.

    It reads no clock, so that equal events give equal cues. Push each event of one person once, in order; a plan can
    continue over several sessions. A set counts for the first planned exercise of its name with sets left, in any order
    of execution. A set that ends below its target is done, too.

    :param plan: the workout plan.
    :param subject: subject to follow in a session of several people; other events are ignored.
    :param pace_tolerance: largest relative difference from the intended tempo that counts as on target.
    """

    def __init__(self, plan: Plan, *, subject: str | None = None, pace_tolerance: float = 0.25) -> None:
        if not isinstance(plan, Plan):
            raise InvalidInputError(f"plan: expected a Plan, got a {type(plan).__name__}; Plan(exercises) makes one")
        if not 0 <= pace_tolerance < 1:
            raise InvalidInputError(f"pace_tolerance: expected a share from 0 to below 1, got {pace_tolerance!r}")
        self._plan = plan
        self._subject = subject
        self._tolerance = pace_tolerance
        self.state = CoachState([[] for _ in plan.exercises])

    @property
    def plan(self) -> Plan:
        """The workout plan."""
        return self._plan

    def push(self, event: Event | OtherEvent | Mapping[str, Any]) -> list[Cue]:
        """Process the next event of a session, a client or a log; return the cues.

        :raises SchemaError: a mapping is no event.
        :raises InvalidInputError: neither an event nor a mapping.
        """
        if isinstance(event, Mapping):
            event = parse_event(event)
        elif not isinstance(event, Event | OtherEvent):
            hint = "; parse a line of a log with json.loads" if isinstance(event, str | bytes) else ""
            raise InvalidInputError(f"event: expected an event or a JSON object, got a {type(event).__name__}{hint}")
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
        """Advance the time without an event, in seconds of media time; return the cues."""
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
        """The progress of the plan.

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
        # The indices of a set's repetitions increase; an interruption can leave some out.
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
        """Process a segment of an exercise so far; held exercises progress by its duration."""
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
        """True if a segment of an exercise belongs to the open set; always for repeated exercises of its name."""
        if open_set.exercise != exercise:
            return False
        repeated = self._plan.exercises[open_set.place].hold_s is None
        return repeated or start_s == open_set.start_s or start_s - open_set.end_s < _SAME_HOLD_S

    def _open(self, exercise: str, start_s: float, *, held: bool) -> _OpenSet | None:
        """Open a set of an exercise; None if the plan has no such set left, held or repeated."""
        place = self._find(exercise)
        if place is not None and (self._plan.exercises[place].hold_s is not None) == held:
            self.state.open = _OpenSet(place, exercise, start_s, start_s)
        return self.state.open

    def _reached(self, done: DoneSet) -> list[Cue]:
        """Record that the open set has reached its target."""
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
        """Close the open set; without its target, it is done below it."""
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
        """Start the rest at the end of the open set."""
        open_set, state = self.state.open, self.state
        if open_set is None or state.rest_from_s == open_set.end_s:
            return
        state.rest_from_s = open_set.end_s
        state.rest_target_s = self._plan.exercises[open_set.place].rest_s
        state.rest_announced = False

    def _find(self, exercise: str) -> int | None:
        """Index of the first planned exercise of this name with sets left."""
        places = range(len(self._plan.exercises))
        return next((p for p in places if self._plan.exercises[p].is_of(exercise) and self._left(p)), None)

    def _left(self, place: int) -> int:
        return max(0, self._plan.exercises[place].sets - len(self.state.done[place]))

    def _next(self) -> int | None:
        """Index of the first planned exercise with sets left."""
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
