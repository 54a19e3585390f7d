"""Timeline: the exercise and muscle activation at each moment of a session, from its events."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping

import attrs

from fitsense.events.model import Event, ExerciseEnded, ExerciseUpdated, MusclesActivated, RepetitionCompleted


@attrs.frozen
class Moment:
    """The state at one time.

    :param exercise: an exercise, ``unknown``, or None for idle time.
    :param since_s: start of that state, in seconds of media time.
    :param confidence: probability of the exercise, 0..1; None while idle.
    :param muscles: activation by muscle group.
    :param repetition: the last repetition of the set that goes on; None before the first.
    :param set_index: number of that set among the exercise's; None before the first repetition.
    """

    exercise: str | None
    since_s: float
    confidence: float | None
    muscles: Mapping[str, float]
    repetition: RepetitionCompleted | None = None
    set_index: int | None = None


class Timeline:
    """Finds the state at any time of a finished session.

    :param events: all events of the session.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        data = [event.data for event in events]
        self._segments = sorted((d for d in data if isinstance(d, ExerciseEnded)), key=lambda d: d.start_s)
        self._updates = sorted((d for d in data if isinstance(d, ExerciseUpdated)), key=lambda d: d.end_s)
        self._repetitions = sorted((d for d in data if isinstance(d, RepetitionCompleted)), key=lambda d: d.end_s)
        self._muscles = sorted((d for d in data if isinstance(d, MusclesActivated)), key=lambda d: d.start_s)

    @property
    def segments(self) -> list[ExerciseEnded]:
        """All segments, in the order of time."""
        return list(self._segments)

    def at(self, time_s: float) -> Moment:
        """The state at `time_s`, in seconds of media time."""
        index = bisect.bisect_right(self._segments, time_s, key=lambda d: d.start_s) - 1
        segment = self._segments[index] if index >= 0 else None
        if segment is None or time_s >= segment.end_s:
            return Moment(None, segment.end_s if segment else 0.0, None, {})
        confidence = segment.confidence
        next_update = bisect.bisect_left(self._updates, time_s, key=lambda d: d.end_s)
        if next_update < len(self._updates) and self._updates[next_update].start_s == segment.start_s:
            confidence = self._updates[next_update].confidence
        index = bisect.bisect_right(self._muscles, time_s, key=lambda d: d.start_s) - 1
        muscles = segment.muscles
        if index >= 0 and self._muscles[index].start_s >= segment.start_s:
            muscles = self._muscles[index].muscles
        repetition, set_index = self._repetition(segment, time_s)
        return Moment(segment.exercise, segment.start_s, confidence, muscles, repetition, set_index)

    def _repetition(self, segment: ExerciseEnded, time_s: float) -> tuple[RepetitionCompleted | None, int | None]:
        """The last repetition of a segment at a time, and the number of its set."""
        index = bisect.bisect_right(self._repetitions, time_s, key=lambda d: d.end_s) - 1
        last = self._repetitions[index] if index >= 0 else None
        if last is None or last.exercise != segment.exercise:
            return None, None
        if last.end_s <= segment.start_s:
            following = self._repetitions[index + 1 : index + 2]
            goes_on = any(one.start_s < segment.end_s and one.index == last.index + 1 for one in following)
            # A set goes on after a cut of the video, which ends a segment.
            return (last, segment.sets[0].index if segment.sets else None) if goes_on else (None, None)
        sets = [one.index for one in segment.sets if one.start_s <= (last.start_s + last.end_s) / 2 <= one.end_s]
        return last, sets[0] if sets else None
