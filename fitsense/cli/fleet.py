"""``fitsense fleet``: analysis of a library of videos on all cores, or on a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from fitsense.fleet import Fleet
    from fitsense.fleet.outcome import Outcome

# Seconds until an interruption that had no effect is repeated.
_REPEAT_S = 1.0


@click.command("fleet", short_help="Analyse a library of videos, on one machine or many.")
@click.argument("library", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results; may exist."
)
@click.option("--bundle", default=DEFAULT, show_default=True, help="A bundle's name, folder or zip.")
@click.option(
    "--hop", type=click.FloatRange(0.1, 60.0), default=1.0, show_default=True, help="Seconds between predictions."
)
@click.option("--workers", type=click.IntRange(1), help="Videos analysed in parallel; by default one per core.")
@click.option("--address", help="Address of a Ray cluster, such as auto or head:6379; by default this machine.")
@click.option("--retry-failed", is_flag=True, help="Analyse failed videos again.")
def command(
    library: tuple[str, ...],
    out: Path,
    bundle: str,
    hop: float,
    workers: int | None,
    address: str | None,
    retry_failed: bool,
) -> None:
    """Analyse every video of a LIBRARY: folders, globs, CSV files with a column path, single videos, or their URLs.

    Events of each video are written to OUT/events, one line per video to OUT/outcomes.ndjson, and tables of segments,
    sets and muscle load to OUT/tables. Videos with results are skipped, so that the same command continues after an
    interruption. Needs fitsense[ray].
    """
    from fitsense.fleet import analyze_library

    begun_s = time.monotonic()
    done: list[Outcome] = []
    with analyze_library(
        library, out, bundle=bundle, hop_s=hop, workers=workers, address=address, retry_failed=retry_failed
    ) as fleet:
        try:
            with repeat_interrupts():
                _follow(fleet, done)
        except KeyboardInterrupt:
            click.echo(
                f"fitsense: {len(done)} of {len(fleet.todo)} done; to go on, run the same command again", err=True
            )
            raise
    click.echo(_summary(fleet, done, time.monotonic() - begun_s))
    click.echo(f"The results are in {out}")
    sys.exit(ExitCode.OK if all(one.status == "done" for one in fleet.outcomes) else ExitCode.DAMAGED_SOURCE)


@contextlib.contextmanager
def repeat_interrupts() -> Iterator[None]:
    """Repeat an interruption until it takes effect: exceptions raised while Ray destroys an object are lost."""
    handled = threading.Event()

    def repeat() -> None:
        while not handled.wait(_REPEAT_S):
            os.kill(os.getpid(), signal.SIGINT)

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=repeat, daemon=True).start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        handled.set()
        signal.signal(signal.SIGINT, before)


def _follow(fleet: Fleet, done: list[Outcome]) -> None:
    """Show progress and the faults of videos on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("videos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("videos", total=len(fleet.todo))
        for outcome in fleet:
            done.append(outcome)
            progress.advance(task)
            if outcome.reason is not None:
                console.print(f"{outcome.status}: {outcome.url}: {outcome.reason}", markup=False, soft_wrap=True)


def _summary(fleet: Fleet, done: list[Outcome], seconds: float) -> str:
    counts = Counter(outcome.status for outcome in fleet.outcomes)
    by_status = ", ".join(f"{counts[status]} {status}" for status in ("done", "damaged", "failed") if counts[status])
    earlier = len(fleet.videos) - len(done)
    media_s = sum(outcome.duration_s or 0.0 for outcome in done)
    parts = [f"{len(fleet.videos)} videos: {by_status}"]
    if earlier:
        parts.append(f"{earlier} of them before")
    if done:
        parts.append(f"{media_s:.0f} s of video in {seconds:.0f} s")
    return "; ".join(parts)
