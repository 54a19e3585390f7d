"""What ``fitsense analyze`` shows on a terminal: a live view, and a summary table at the end."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fitsense.analysis import Analysis
from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.events import (
    Event,
    ExerciseEnded,
    ExerciseStarted,
    ExerciseUpdated,
    MusclesActivated,
    SessionEnded,
    SessionWarning,
)

_BAR = "█"
_BAR_CELLS = 24
_MOST_ROWS = 6


class LiveView:
    """Shows a session while it runs. Use it as a context manager.

    :param analysis: whose progress is shown, also while it has no events.
    """

    def __init__(self, console: Console, analysis: Analysis) -> None:
        self._analysis = analysis
        self._exercise: str | None = None
        self._confidence = 0.0
        self._scores: dict[str, float] = {}
        self._muscles: dict[str, float] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Take an event in; finished exercises and warnings stay on the terminal."""
        data = event.data
        catalogue = load_catalogue()
        match data:
            case ExerciseStarted():
                self._exercise, self._confidence, self._scores = data.exercise, data.confidence, {}
            case ExerciseUpdated():
                self._confidence, self._scores = data.confidence, dict(data.scores)
            case MusclesActivated():
                self._muscles = dict(data.muscles)
            case ExerciseEnded():
                self._exercise, self._scores, self._muscles = None, {}, {}
                self._live.console.print(
                    f"{clock(data.start_s)} to {clock(data.end_s)}  [bold]{catalogue.exercise_name(data.exercise)}[/]"
                    f"  {data.duration_s:.1f} s, {data.confidence:.0%} sure",
                    highlight=False,
                )
            case SessionWarning():
                self._live.console.print(Text(f"{clock(data.start_s)}  {data.message}", style="yellow"))

    def _render(self) -> Group:
        catalogue = load_catalogue()
        done, total = self._analysis.media_s, self._analysis.duration_s
        where = clock(done) + (f" of {clock(total)}" if total else "")
        bar = ProgressBar(total=total or None, completed=min(done, total or 0.0), width=40, pulse=not total)
        head = Table.grid(padding=(0, 1))
        head.add_row(bar, where)
        if self._exercise is None:
            title = Text(catalogue.exercise_name(IDLE), style="dim")
        else:
            style = "bold yellow" if self._exercise == UNKNOWN else "bold cyan"
            title = Text(f"{catalogue.exercise_name(self._exercise)}  {self._confidence:.0%}", style=style)
        body = Table.grid(padding=(0, 4))
        body.add_row(
            _bars(self._scores, catalogue.exercise_name, "cyan"),
            _bars(self._muscles, catalogue.muscle_group_name, "green"),
        )
        return Group(head, title, body)


def summary(data: SessionEnded) -> Table:
    """The table at the end."""
    catalogue = load_catalogue()
    table = Table("exercise", "sets", "time", box=None, pad_edge=False, title_justify="left")
    for total in data.exercises:
        table.add_row(catalogue.exercise_name(total.exercise), str(total.sets), f"{total.duration_s:.1f} s")
    table.add_row(f"[dim]{catalogue.exercise_name(IDLE)}[/]", "", f"[dim]{data.idle_s:.1f} s[/]")
    load = sorted(((value, group) for group, value in data.muscle_load_s.items() if value >= 0.5), reverse=True)
    if load:
        table.add_section()
        table.add_row("[bold]muscle group[/]", "", "[bold]load[/]")
        for value, group in load[:_MOST_ROWS]:
            table.add_row(catalogue.muscle_group_name(group), "", f"{value:.1f} s")
    return table


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def _bars(values: dict[str, float], label: Callable[[str], str], style: str) -> Table:
    table = Table.grid(padding=(0, 1))
    best = sorted(values.items(), key=lambda item: -item[1])[:_MOST_ROWS]
    for key, value in best:
        table.add_row(label(key), Text(_BAR * round(value * _BAR_CELLS), style=style), f"{value:.2f}")
    return table
