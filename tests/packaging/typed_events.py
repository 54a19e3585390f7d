"""A program that matches every class of event data; type checkers narrow each field."""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_type

import fitsense


def describe(data: fitsense.EventData) -> str | None:
    """A line for a log; None for events that are not shown."""
    match data:
        case fitsense.SessionStarted(model=model, exercises=exercises):
            assert_type(model, fitsense.ModelInfo)
            assert_type(exercises, tuple[str, ...])
            return f"{model.name} {model.version} knows {len(exercises)} exercises"
        case fitsense.ExerciseStarted(exercise=name, start_s=start_s):
            assert_type(name, str)
            assert_type(start_s, float)
            return f"{name} since {start_s:.1f} s"
        case fitsense.ExerciseUpdated(scores=scores):
            assert_type(scores, Mapping[str, float])
            return None
        case fitsense.RepetitionCompleted(index=index, duration_s=duration_s):
            assert_type(index, int)
            return f"number {index}, in {duration_s:.1f} s"
        case fitsense.MusclesActivated(muscles=muscles):
            assert_type(muscles, Mapping[str, float])
            return ", ".join(group for group, activation in muscles.items() if activation > 0.5)
        case fitsense.ExerciseEnded() as ended:
            assert_type(ended.sets, tuple[fitsense.SetSummary, ...])
            assert_type(ended.tempo_mean_s, float | None)
            return f"{ended.exercise} ended after {ended.duration_s:.1f} s"
        case fitsense.SessionWarning(code=code, message=message):
            assert_type(code, str)
            return f"{code}: {message}"
        case fitsense.SessionEnded(exercises=totals):
            assert_type(totals, tuple[fitsense.ExerciseTotal, ...])
            return f"{sum(total.repetitions for total in totals)} repetitions"
        case _:
            return None


def lines(events: Iterable[fitsense.Event]) -> list[str]:
    """The lines of a whole session."""
    described = (describe(event.data) for event in events)
    return [line for line in described if line is not None]
