"""A workout's figures as people read them."""

from __future__ import annotations

from fitsense.catalogue import UNKNOWN
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
    """A length of time."""
    if seconds is None:
        return _NONE
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'h' if round(seconds) >= 3600 else 'min'}"


def count(value: int | None) -> str:
    """A number of things; a dash for one that is not known."""
    return _NONE if value is None else str(value)


def tempo(of: WorkoutSet | Total) -> str:
    """A repetition's length, with its spread."""
    if of.tempo_mean_s is None:
        return _NONE
    spread = "" if of.tempo_spread_s is None else f" ± {of.tempo_spread_s:.1f}"
    return f"{of.tempo_mean_s:.1f}{spread} s"


def when(report: Report) -> str:
    """The day and time at which it began; empty if nobody knows."""
    start = report.workout.started_at
    return "" if start is None else f"{start:%Y-%m-%d %H:%M} {start.tzname()}"


def summary(report: Report) -> str:
    """The session in a line."""
    length = f"in {span(report.end_s - report.start_s)}"
    if not report.totals:
        return f"No exercise {length}"
    exercises = {total.exercise for total in report.totals} - {UNKNOWN}
    parts = [_counted(len(exercises), "exercise"), _counted(len(report.sets), "set")]
    if report.repetition_count is not None:
        parts.append(_counted(report.repetition_count, "repetition"))
    said = f"{', '.join(parts)} {length}"
    if report.time_under_tension_s is not None:
        said += f"; {span(report.time_under_tension_s)} under tension"
    rest_s = sum(rest_s or 0.0 for _, rest_s in report.sets)
    return said + (f", {span(rest_s)} of rest" if rest_s else "")


def notes(report: Report) -> list[str]:
    """What the reader of a report should know about how it came about."""
    match report.reason:
        case None:
            return ["The log breaks off before the session ends. The figures are of what it tells."]
        case "finished":
            return []
        case "interrupted":
            return ["The session was interrupted."]
        case "failed":
            return ["The session's source failed. The figures are of what came before."]
        case other:
            return [f"The session ended otherwise than usual: {other}."]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
