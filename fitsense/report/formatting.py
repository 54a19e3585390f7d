"""Formats the numbers of a workout for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitsense.catalogue import UNKNOWN, Catalogue, load_catalogue
from fitsense.report.totals import Report, Total
from fitsense.workouts.workout import WorkoutSet

_NONE = "–"


def clock(seconds: float) -> str:
    """A media time, such as ``1:05`` or ``1:00:05``."""
    sign = "\N{MINUS SIGN}" if round(seconds) < 0 else ""
    minutes, rest = divmod(abs(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return sign + (f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}")


def span(seconds: float | None) -> str:
    """A duration."""
    if seconds is None:
        return _NONE
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'h' if round(seconds) >= 3600 else 'min'}"


def count(value: int | None) -> str:
    """A count; a dash if it is unknown."""
    return _NONE if value is None else str(value)


def tempo(of: WorkoutSet | Total) -> str:
    """The mean duration of a repetition with its standard deviation."""
    if of.tempo_mean_s is None:
        return _NONE
    spread = "" if of.tempo_spread_s is None else f" ± {of.tempo_spread_s:.1f}"
    return f"{of.tempo_mean_s:.1f}{spread} s"


def when(report: Report) -> str:
    """Date and time of the start; empty if unknown."""
    start = report.workout.started_at
    return "" if start is None else f"{start:%Y-%m-%d %H:%M} {start.tzname()}"


def summary(report: Report, catalogue: Catalogue | None = None) -> str:
    """The session in one line."""
    catalogue = catalogue or load_catalogue()
    length = span(report.end_s - report.start_s)
    if not report.totals:
        return catalogue.translate("No exercise in {span}", span=length)
    exercises = {total.exercise for total in report.totals} - {UNKNOWN}
    parts = [catalogue.count(len(exercises), "exercise"), catalogue.count(len(report.sets), "set")]
    if report.repetition_count is not None:
        parts.append(catalogue.count(report.repetition_count, "repetition"))
    line = catalogue.translate("{parts} in {span}", parts=", ".join(parts), span=length)
    if report.time_under_tension_s is not None:
        line += "; " + catalogue.translate("{span} under tension", span=span(report.time_under_tension_s))
    rest_s = sum(rest_s or 0.0 for _, rest_s in report.sets)
    return line + (", " + catalogue.translate("{span} of rest", span=span(rest_s)) if rest_s else "")


def notes(report: Report, catalogue: Catalogue | None = None) -> list[str]:
    """Caveats for the reader of a report."""
    translate = (catalogue or load_catalogue()).translate
    match report.reason:
        case None:
            return [translate("The log breaks off before the session ends. The figures cover the part in the log.")]
        case "finished":
            return []
        case "interrupted":
            return [translate("The session was interrupted.")]
        case "failed":
            return [translate("The session's source failed. The figures cover the time before.")]
        case other:
            return [translate("The session ended for another reason: {reason}.", reason=other)]


def task_value(part: Mapping[str, Any] | None) -> str:
    """Values of a plugin's task: the likeliest label, the labels that hold, or numbers with their unit."""
    values: Mapping[str, float] = (part or {}).get("values", {})
    if part is None or not values:
        return _NONE
    if "label" in part:
        return f"{part['label']} ({values.get(part['label'], 0.0):.0%})"
    if part.get("kind") == "regression":
        unit = f" {part['unit']}" if part.get("unit") else ""
        names = [f"{name} " if len(values) > 1 else "" for name in values]
        return ", ".join(f"{name}{value:.4g}{unit}" for name, value in zip(names, values.values(), strict=True))
    holding = [f"{label} ({value:.0%})" for label, value in values.items() if value >= 0.5]
    return ", ".join(holding) or _NONE
