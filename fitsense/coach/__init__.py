"""Coaching on top of events: a plan of exercises, followed as it happens. Pure; needs no model."""

from __future__ import annotations

from fitsense.coach._coach import Coach, DoneSet, ExerciseProgress, Progress
from fitsense.coach._cues import (
    Cue,
    NotPlanned,
    NotRecognised,
    Pace,
    PlanDone,
    RepetitionDone,
    RestOver,
    SetDone,
)
from fitsense.coach._plan import Plan, PlannedExercise

__all__ = [
    "Coach",
    "Cue",
    "DoneSet",
    "ExerciseProgress",
    "NotPlanned",
    "NotRecognised",
    "Pace",
    "Plan",
    "PlanDone",
    "PlannedExercise",
    "Progress",
    "RepetitionDone",
    "RestOver",
    "SetDone",
]
