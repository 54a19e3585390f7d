"""Terminal output of ``fitsense analyze``: a live view, and a summary table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import attrs
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fitsense.catalogue import IDLE, UNKNOWN, Catalogue
from fitsense.events.model import (
    Event,
    ExerciseEnded,
    ExerciseStarted,
    ExerciseUpdated,
    MusclesActivated,
    RepetitionCompleted,
    SessionEnded,
    SessionWarning,
)
from fitsense.pipeline.analysis import Analysis

_BAR = "█"
_BAR_CELLS = 24
# Loading and the first window say little of the pace.
_MIN_DONE_S, _MIN_ELAPSED_S = 5.0, 2.0
_MAX_ROWS = 6


@attrs.define
class _Now:
    """Current state of one person."""

    exercise: str | None = None
    confidence: float = 0.0
    repetitions: int = 0
    scores: dict[str, float] = attrs.field(factory=dict)
    muscles: dict[str, float] = attrs.field(factory=dict)


class LiveView:
    """Shows a session while it runs. Use it as a context manager.

    :param console: the terminal.
    :param analysis: the analysis whose progress is shown.
    :param catalogue: names of exercises.
    """

    def __init__(self, console: Console, analysis: Analysis, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._began_s = time.monotonic()
        self._analysis = analysis
        self._now: dict[str | None, _Now] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Update the view with an event; finished exercises and warnings stay on the terminal."""
        data, prefix = event.data, _prefix(event.subject)
        name = self._catalogue.exercise_name
        now = self._now.setdefault(event.subject, _Now())
        match data:
            case ExerciseStarted():
                self._now[event.subject] = _Now(data.exercise, data.confidence, muscles=now.muscles)
            case ExerciseUpdated():
                now.confidence, now.scores = data.confidence, dict(data.scores)
            case RepetitionCompleted():
                now.repetitions = data.index
            case MusclesActivated():
                now.muscles = dict(data.muscles)
            case ExerciseEnded():
                self._now[event.subject] = _Now()
                self._live.console.print(
                    f"{prefix}{clock(data.start_s)} to {clock(data.end_s)}  [bold]{name(data.exercise)}[/]"
                    f"  {data.duration_s:.1f} s, {_repetitions(data.repetitions)}{data.confidence:.0%} confidence",
                    highlight=False,
                )
            case SessionWarning():
                message = self._catalogue.warning(data.code, data.message, data.end_s - data.start_s)
                self._live.console.print(Text(f"{prefix}{clock(data.start_s)}  {message}", style="yellow"))
            case SessionEnded():
                del self._now[event.subject]

    def _render(self) -> Group:
        catalogue = self._catalogue
        done, total = self._analysis.media_s, self._analysis.duration_s
        where = clock(done) + (
            f" of {clock(total)}{left(done, total, time.monotonic() - self._began_s)}" if total else ""
        )
        bar = ProgressBar(total=total or None, completed=min(done, total or 0.0), width=40, pulse=not total)
        head = Table.grid(padding=(0, 1))
        head.add_row(bar, where)
        # A copy, since another thread may call show().
        people = dict(self._now) or {None: _Now()}
        titles = [_title(subject, now, catalogue) for subject, now in people.items()]
        if len(people) > 1:
            return Group(head, *titles)
        (now,) = people.values()
        body = Table.grid(padding=(0, 4))
        body.add_row(
            _bars(now.scores, catalogue.exercise_name, "cyan"), _bars(now.muscles, catalogue.muscle_group_name, "green")
        )
        return Group(head, *titles, body)


def summary(data: SessionEnded, catalogue: Catalogue, subject: str | None = None) -> Table:
    """Summary table of a session."""
    headings = map(catalogue.translate, ("Exercise", "Sets", "Repetitions", "Time"))
    table = Table(*headings, box=None, pad_edge=False, title_justify="left")
    table.title = subject
    for total in data.exercises:
        table.add_row(
            catalogue.exercise_name(total.exercise),
            str(total.sets),
            str(total.repetitions or ""),
            f"{total.duration_s:.1f} s",
        )
    table.add_row(f"[dim]{catalogue.exercise_name(IDLE)}[/]", "", "", f"[dim]{data.idle_s:.1f} s[/]")
    load = sorted(((value, group) for group, value in data.muscle_load_s.items() if value >= 0.5), reverse=True)
    if load:
        table.add_section()
        group, load_title = catalogue.translate("Muscle group"), catalogue.translate("Load")
        table.add_row(f"[bold]{group}[/]", "", "", f"[bold]{load_title}[/]")
        for value, group in load[:_MAX_ROWS]:
            table.add_row(catalogue.muscle_group_name(group), "", "", f"{value:.1f} s")
    return table


def left(done_s: float, total_s: float, elapsed_s: float) -> str:
    """Remaining time of a file, estimated from the speed so far; empty while it is unknown.

    :param done_s: seconds of the video that are analysed.
    :param total_s: its length in seconds.
    :param elapsed_s: how long that took.
    """
    if done_s < _MIN_DONE_S or elapsed_s < _MIN_ELAPSED_S or done_s >= total_s:
        return ""
    return f", about {clock(elapsed_s * (total_s - done_s) / done_s).partition('.')[0]} left"


def clock(seconds: float) -> str:
    """Format a time as minutes and seconds."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def _prefix(subject: str | None) -> str:
    return f"{subject}: " if subject else ""


def _title(subject: str | None, now: _Now, catalogue: Catalogue) -> Text:
    if now.exercise is None:
        return Text(_prefix(subject) + catalogue.exercise_name(IDLE), style="dim")
    style = "bold yellow" if now.exercise == UNKNOWN else "bold cyan"
    counted = f"  {now.repetitions} x" if now.repetitions else ""
    return Text(
        f"{_prefix(subject)}{catalogue.exercise_name(now.exercise)}  {now.confidence:.0%}{counted}", style=style
    )


def _repetitions(count: int) -> str:
    return f"{count} repetition{'s' if count > 1 else ''}, " if count else ""


def _bars(values: dict[str, float], label: Callable[[str], str], style: str) -> Table:
    table = Table.grid(padding=(0, 1))
    best = sorted(values.items(), key=lambda item: -item[1])[:_MAX_ROWS]
    for key, value in best:
        table.add_row(label(key), Text(_BAR * round(value * _BAR_CELLS), style=style), f"{value:.2f}")
    return table
