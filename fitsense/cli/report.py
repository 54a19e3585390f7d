"""``fitsense report``: summary of an event log, on a terminal or as an HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fitsense.catalogue import Catalogue
from fitsense.cli.languages import lang_option
from fitsense.errors import FitsenseError
from fitsense.events.log import load_log
from fitsense.report.formatting import clock, count, notes, span, summary, tempo, when
from fitsense.report.totals import Report, reports_of

if TYPE_CHECKING:
    from rich.console import Console

_BAR = "█"
_BAR_CELLS = 24


@click.command("report", short_help="Summarise an event log.")
@click.argument("events", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a self-contained HTML page with timeline, sets and muscle map here; - for standard output.",
)
@lang_option
def command(events: Path, html: Path | None, catalogue: Catalogue) -> None:
    """Summarise EVENTS, an NDJSON event log such as fitsense analyze --events writes; - reads standard input.

    An incomplete log, of a running or killed session, gives a report of the events that it has. Each session in the
    log, by source and subject, has a report.
    """
    _check_output(events, html)
    reports = _read(events)
    if html is None:
        _show(reports, catalogue)
        return
    from fitsense.report.page import page

    text = page(reports, "standard input" if str(events) == "-" else events.name, catalogue)
    if str(html) == "-":
        click.echo(text)
        return
    from fitsense._internal.atomic import atomic_path

    try:
        with atomic_path(html) as temporary:
            temporary.write_text(text, "utf-8")
    except OSError as error:
        raise FitsenseError(f"{html}: cannot be written: {error.strerror or error}") from error
    click.echo(f"The report is in {html}", err=True)


def _read(events: Path) -> list[Report]:
    try:
        return reports_of(load_log(sys.stdin.buffer if str(events) == "-" else events))
    except OSError as error:
        raise FitsenseError(f"{events}: {error.strerror or error}") from error
    except FitsenseError as error:
        raise type(error)(f"{events}: {error}") from error


def _check_output(events: Path, html: Path | None) -> None:
    """Reject an output that cannot be written, or that would overwrite the log."""
    if html is None or str(html) == "-":
        return
    if not html.absolute().parent.is_dir():
        raise click.UsageError(f"--html: there is no folder {html.absolute().parent}")
    if html.exists() and events.exists() and html.samefile(events):
        raise click.UsageError("--html would overwrite the event log")


def _show(reports: Sequence[Report], catalogue: Catalogue) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for index, report in enumerate(reports):
        if index:
            console.print()
        head = report.name + (f", {when(report)}" if when(report) else "")
        console.print(head, markup=False, style="bold", soft_wrap=True)
        console.print(summary(report, catalogue), soft_wrap=True)
        warnings = [
            f"{clock(one.start_s)}  {catalogue.warning(one.code, one.message, one.end_s - one.start_s)}"
            for one in report.warnings
        ]
        for line in (*notes(report, catalogue), *warnings):
            console.print(line, style="yellow", markup=False, soft_wrap=True)
        _show_tables(console, report, catalogue)


def _show_tables(console: Console, report: Report, catalogue: Catalogue) -> None:
    from rich.markup import escape
    from rich.table import Table

    def table(title: str, *more: str) -> Table:
        made = Table(catalogue.translate(title), box=None, pad_edge=False)
        for column in more:
            made.add_column(catalogue.translate(column), justify="right")
        return made

    if report.sets:
        sets = table(*("Exercise", "Set", "At", "Length", "Reps", "Attempts", "Tempo", "Tension", "Rest"))
        for set_, rest_s in report.sets:
            sets.add_row(
                escape(catalogue.exercise_name(set_.exercise)),
                str(set_.index),
                clock(set_.start_s),
                span(set_.duration_s),
                count(set_.repetitions),
                count(set_.attempts),
                tempo(set_),
                span(set_.time_under_tension_s),
                span(rest_s),
            )
        console.print()
        console.print(sets)
    if report.totals:
        totals = table(*("Exercise", "Sets", "Reps", "Attempts", "Tempo", "Time", "Tension", "Rest"))
        for total in report.totals:
            totals.add_row(
                escape(catalogue.exercise_name(total.exercise)),
                str(total.sets),
                count(total.repetitions),
                count(total.attempts),
                tempo(total),
                span(total.duration_s),
                span(total.time_under_tension_s),
                span(total.rest_s),
            )
        console.print()
        console.print(totals)
    most = max(report.load_s.values(), default=0.0)
    if most > 0.0:
        loads = Table(catalogue.translate("Muscle group"), catalogue.translate("Load"), "", box=None, pad_edge=False)
        for group, value in sorted(report.load_s.items(), key=lambda item: -item[1]):
            bar = _BAR * round(value / most * _BAR_CELLS)
            loads.add_row(escape(catalogue.muscle_group_name(group)), f"{value:.1f} s", f"[green]{bar}[/]")
        console.print()
        console.print(loads)
