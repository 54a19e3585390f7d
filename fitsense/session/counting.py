"""Repetitions of a session: counted from the person's joints or from all motion, and grouped into sets."""

from __future__ import annotations

from typing import Any

from fitsense.catalogue import UNKNOWN, is_timed, may_be_held
from fitsense.pose.landmarks import LandmarkSet
from fitsense.repetitions.body_signal import BodySignal
from fitsense.repetitions.choice import BodyOrMotionCounter
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import Movement, Repetition
from fitsense.repetitions.picture_change import Box
from fitsense.repetitions.sets import CountedRepetition, ExerciseSet, Sets, SetStats
from fitsense.session.person_track import PersonInFrame
from fitsense.types import FloatArray


class Counting:
    """Counts repetitions and groups them into sets.

    :param config: the counter's configuration; None to count nothing.
    :param landmark_set: of the person's poses; None to count from all motion alone.
    :param rest_s: a set ends after a rest of this length, in seconds.
    """

    def __init__(self, config: RepetitionConfig | None, landmark_set: LandmarkSet | None, rest_s: float) -> None:
        self.sets = Sets(rest_s, may_be_held, is_timed)
        self._signal = None if landmark_set is None else BodySignal(landmark_set)
        self._counter: RepetitionCounter | BodyOrMotionCounter | None = None
        if config is not None:
            self._counter = BodyOrMotionCounter(self._signal, config) if self._signal else RepetitionCounter(config)

    @property
    def parts(self) -> dict[str, Any]:
        """Components with state, by name."""
        counter = {} if self._counter is None else {"repetitions": self._counter}
        return {**counter, "sets": self.sets}

    def push(self, thumbnail: FloatArray, located: PersonInFrame | None, time_s: float, box: Box | None = None) -> None:
        """Take the perception of a frame; the parameters are fields of :class:`fitsense.session.perception.Percept`."""
        movements: list[Movement] = []
        if isinstance(self._counter, BodyOrMotionCounter):
            movements = self._counter.push(thumbnail, self._body(located), time_s, box)
        elif self._counter is not None:
            movements = self._counter.push(thumbnail, time_s)
        self.sets.add(movements)

    def end_run(self, end_s: float) -> None:
        """End the counter's run at `end_s` seconds of media time: what follows is another movement."""
        if self._counter is not None:
            self.sets.add(self._counter.end_run(end_s))

    def count(self) -> list[CountedRepetition]:
        """Count the movements of the current segment, as :meth:`fitsense.repetitions.sets.Sets.count`."""
        segment = self.sets.state.segment
        # All motion in the picture does not show whether sides alternate, so that one cycle is two repetitions.
        if isinstance(self._counter, BodyOrMotionCounter) and segment is not None and _is_repeated(segment.exercise):
            self.sets.add(self._counter.begin_set(segment.start_s))
        return self.sets.count()

    def camera_moved(self, since_s: float) -> None:
        """The camera moved at `since_s` seconds of media time: all motion is then the camera's, but not the joints'."""
        if isinstance(self._counter, BodyOrMotionCounter) and self._counter.state.source == "body":
            return
        self.end_run(since_s)

    def end_segment(
        self, exercise: str, start_s: float, end_s: float, *, alone: bool = False
    ) -> tuple[list[CountedRepetition], SetStats, list[ExerciseSet]]:
        """End a segment, as :meth:`fitsense.repetitions.sets.Sets.end`.

        :param alone: whether idle time follows it.
        """
        lone = exercise == UNKNOWN and alone and self.sets.state.ended_s < start_s
        if lone or _is_repeated(exercise):
            self._add_only(start_s, end_s)
        return self.sets.end(end_s)

    def is_exercise(self, start_s: float, end_s: float, alone: bool) -> bool:
        """True if movement without a name was repeated, or if it is one repetition.

        :param start_s: start of the movement, in seconds of media time.
        :param end_s: end of the movement.
        :param alone: whether there was rest before and after it; otherwise a single movement is none.
        """
        repeated = any(
            isinstance(one, Repetition) and start_s <= one.middle_s < end_s for one in self.sets.state.pending
        )
        return repeated or (alone and self._add_only(start_s, end_s))

    def _add_only(self, start_s: float, end_s: float) -> bool:
        """Add the only repetition of a span, if it has exactly one; True if so."""
        found = [] if self._counter is None else self._counter.end_set(start_s, end_s)
        self.sets.add(found)
        return bool(found)

    def _body(self, located: PersonInFrame | None) -> FloatArray | None:
        if located is None or self._signal is None:
            return None
        return self._signal.sample(None if located.person is None else located.person.pose, located.size)


def _is_repeated(exercise: str) -> bool:
    """True for a segment of a known exercise with repetitions."""
    return exercise != UNKNOWN and not is_timed(exercise)
