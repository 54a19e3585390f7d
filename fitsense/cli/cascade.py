"""``fitsense cascade``: running cheap branches first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.cli.output import results, results_only
from fitsense.cli.progress import track

if TYPE_CHECKING:
    from fitsense.evaluate.cascade import Point


@click.command("cascade", short_help="Run cheap branches first, and the others on low confidence.")
@click.argument("bundle", default=DEFAULT)
@click.option("--first", multiple=True, required=True, help="Branch to run first; repeatable.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv; prints accuracy and cost by threshold.",
)
@click.option("--split", default="val", show_default=True, help="Value of the manifest's split column.")
@click.option("--views", type=click.IntRange(1), default=4, show_default=True, help="Windows of each clip.")
@click.option("--json", "as_json", is_flag=True, help="Print the curve as JSON.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="Confidence above which the other branches are skipped; for --out."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for a bundle with the cascade.")
@results_only()
def command(
    bundle: str,
    first: tuple[str, ...],
    data: Path | None,
    split: str,
    views: int,
    as_json: bool,
    threshold: float | None,
    out: Path | None,
) -> None:
    """Measure accuracy and cost of a cascade of BUNDLE on clips (--data), or make a bundle with it (--threshold,
    --out).

    The first branches decide alone if their confidence is above a threshold. Cost is the CPU time of a window as a
    share of that of the bundle without a cascade, measured on this machine. --data needs fitsense[torch].
    """
    if (out is None) != (threshold is None):
        raise click.UsageError("give --out and --threshold together")
    if data is None and out is None:
        raise click.UsageError("give --data FOLDER, or --threshold and --out")
    from fitsense.bundles.bundle import Bundle, save
    from fitsense.errors import InvalidInputError
    from fitsense.evaluate import metrics
    from fitsense.evaluate.cascade import curve
    from fitsense.inference.fusion import FusionPipeline, set_cascade
    from fitsense.plugins._manager import PluginManager
    from fitsense.plugins.specs import Cascade

    loaded, plugins = Bundle.load(bundle), PluginManager.discover()
    if data is not None:
        metrics.require()
        points, skipped = curve(loaded, data, split, first, plugins=plugins, views=views, track=track)
        for skip in skipped:
            click.echo(f"skipped {skip.path}: {skip.reason}", err=True)
        if as_json:
            click.echo(json.dumps([attrs.asdict(point) for point in points], indent=2), file=results())
        else:
            _show(points)
    if out is not None and threshold is not None:
        manifest = set_cascade(loaded.manifest, plugins, Cascade(first, threshold))
        FusionPipeline(manifest, plugins)
        if out.exists() and any(out.iterdir()):
            raise InvalidInputError(f"{out}: expected an empty folder, or none")
        shutil.copytree(loaded.folder, out, dirs_exist_ok=True)
        save(out, manifest)
        click.echo(f"{manifest.name} {manifest.version} with a cascade is in {out}", err=True)


def _show(points: Sequence[Point]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("sure", "all asked", "cost", "top-1", "macro recall", box=None, pad_edge=False)
    for point in points:
        figures = (point.asked, point.cost, point.top1, point.macro_recall)
        table.add_row(f"{point.threshold:.2f}", *("-" if figure is None else f"{figure:.3f}" for figure in figures))
    Console(file=results(), highlight=False, soft_wrap=True).print(table)
