"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fitsense._internal.progress import ItemT


def track(items: Sequence[ItemT], description: str) -> Iterable[ItemT]:
    """Iterate over items with a progress bar on a terminal, and a line at the end elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        console.print(f"{description}: {len(items)}", highlight=False)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(items, description=description)
