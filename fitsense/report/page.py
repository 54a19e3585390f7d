"""The report of an event log as a self-contained HTML page without scripts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.report.body_map import MIN_SHARE, body_map
from fitsense.report.formatting import clock, count, notes, span, summary, task_value, tempo, when
from fitsense.report.html import render
from fitsense.report.scale import colour
from fitsense.report.totals import ExerciseSpan, Repetition, Report
from fitsense.workouts.workout import WorkoutSet

# Steps between the ticks of the timeline in seconds, and its largest number of ticks.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MAX_TICKS = 10


def page(reports: Sequence[Report], name: str, catalogue: Catalogue | None = None) -> str:
    """Render the sessions of an event log as HTML, one after the other.

    :param name: name of the log.
    :param catalogue: catalogue of the names and the language of the page; None for the English catalogue.
    """
    catalogue = catalogue or load_catalogue()
    values = {
        "lang": catalogue.lang,
        "min_share": MIN_SHARE,
        "name": name,
        "reports": reports,
        "rows": [_rows(report) for report in reports],
        "ticks": [ticks(report.start_s, report.end_s) for report in reports],
        "maps": [Markup(_map(report, catalogue)) for report in reports],
        "loads": [sorted(report.load_s.items(), key=lambda item: -item[1]) for report in reports],
    }
    filters: dict[str, Callable[..., Any]] = {
        "clock": clock,
        "colour": colour,
        "count": count,
        "notes": functools.partial(notes, catalogue=catalogue),
        "span": span,
        "summary": functools.partial(summary, catalogue=catalogue),
        "task_value": task_value,
        "tempo": tempo,
        "warning": lambda one: catalogue.warning(one.code, one.message, one.end_s - one.start_s),
        "when": when,
    }
    return render("fitsense.report", values, filters, catalogue)


def ticks(start_s: float, end_s: float) -> list[float]:
    """Round times for the ticks of an axis, in seconds."""
    length = end_s - start_s
    step = next((step for step in _STEPS_S if length / step < _MAX_TICKS), length / _MAX_TICKS)
    first = int(-(-start_s // step))
    return [index * step for index in range(first, int(end_s // step) + 1)]


def _map(report: Report, catalogue: Catalogue) -> str:
    # The table also has groups that the picture lacks; both use the same scale.
    return body_map(report.load_s, unit="s", max_load=max(report.load_s.values(), default=0.0), catalogue=catalogue)


def _rows(report: Report) -> list[str]:
    """The exercises of the timeline in order of their first start."""
    parts: list[ExerciseSpan | WorkoutSet | Repetition]
    parts = [*report.spans, *report.workout.sets, *report.repetitions]
    begun = sorted((part.start_s, part.exercise) for part in parts)
    return list(dict.fromkeys(exercise for _, exercise in begun))
