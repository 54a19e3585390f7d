"""Accumulates what ``session.ended`` sums up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from fitsense.decisions.segments import SegmentEnded
from fitsense.events import model as events
from fitsense.repetitions.sets import Sets, SetStats
from fitsense.session.event_data import set_summary

Reason = Literal["finished", "interrupted", "failed"]


@attrs.define
class SummaryState:
    """State of a :class:`SessionSummary`.

    :param start_s: time of the first frame, in seconds of media time; None before it.
    :param end_s: end of the last run, in seconds of media time.
    :param observed_s: seconds of media time in all runs.
    :param frames: frames analysed.
    :param late_frames: frames dropped as late.
    :param windows: windows predicted.
    :param exercise_s: seconds by exercise.
    :param muscle_load_s: activation times seconds, by muscle group.
    :param muscle_load_repetitions: activation times repetitions, by muscle group.
    """

    start_s: float | None = None
    end_s: float = 0.0
    observed_s: float = 0.0
    frames: int = 0
    late_frames: int = 0
    windows: int = 0
    exercise_s: dict[str, float] = attrs.field(factory=dict)
    muscle_load_s: dict[str, float] = attrs.field(factory=dict)
    muscle_load_repetitions: dict[str, float] = attrs.field(factory=dict)


class SessionSummary:
    """Totals of a session.

    :param muscles: ids of the muscle groups.
    """

    def __init__(self, muscles: Iterable[str]) -> None:
        groups = tuple(muscles)
        self.state = SummaryState(
            muscle_load_s=dict.fromkeys(groups, 0.0), muscle_load_repetitions=dict.fromkeys(groups, 0.0)
        )

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last run; 0 before the first frame."""
        return 0.0 if self.state.start_s is None else self.state.end_s - self.state.start_s

    def add_frame(self, time_s: float) -> None:
        """Count a frame at `time_s`, in seconds of media time."""
        if self.state.start_s is None:
            self.state.start_s = self.state.end_s = time_s
        self.state.frames += 1

    def add_late_frame(self) -> None:
        """Count a frame that was dropped as late."""
        self.state.late_frames += 1

    def add_window(self) -> None:
        """Count a window."""
        self.state.windows += 1

    def add_run(self, start_s: float, end_s: float) -> None:
        """Add a run that ended, from `start_s` to `end_s` in seconds of media time."""
        self.state.observed_s += end_s - start_s
        self.state.end_s = end_s

    def add_segment(self, segment: SegmentEnded, stats: SetStats) -> None:
        """Add a segment that ended, and the repetitions in it."""
        state, seconds = self.state, segment.end_s - segment.start_s
        state.exercise_s[segment.exercise] = state.exercise_s.get(segment.exercise, 0.0) + seconds
        for group, activation in segment.muscles.items():
            state.muscle_load_s[group] += activation * seconds
            state.muscle_load_repetitions[group] += activation * stats.repetitions

    def event_data(self, reason: Reason, sets: Sets) -> events.SessionEnded:
        """Build the data of ``session.ended``; exercises come longest first."""
        state = self.state
        exercise_sets = sets.sets
        by_length = sorted(state.exercise_s.items(), key=lambda item: (-item[1], item[0]))
        return events.SessionEnded(
            reason=reason,
            frames=state.frames,
            late_frames=state.late_frames,
            windows=state.windows,
            exercises=tuple(
                events.ExerciseTotal(
                    exercise=exercise,
                    sets=sum(one.exercise == exercise for one in exercise_sets),
                    duration_s=seconds,
                    rest_s=sum(one.rest_before_s or 0.0 for one in exercise_sets if one.exercise == exercise),
                    **attrs.asdict(sets.total(exercise)),
                )
                for exercise, seconds in by_length
            ),
            sets=tuple(set_summary(one) for one in exercise_sets),
            start_s=state.start_s or 0.0,
            end_s=state.end_s,
            duration_s=state.end_s - (state.start_s or 0.0),
            idle_s=max(0.0, state.observed_s - sum(state.exercise_s.values())),
            muscle_load_s=state.muscle_load_s,
            muscle_load_repetitions=state.muscle_load_repetitions,
        )
