"""``fitsense evaluate``: a bundle's figures on labelled clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fitsense.bundle import DEFAULT
from fitsense.cli.tracking import track
from fitsense.model import load_model
from fitsense.runtime import RUNTIMES, RuntimeName


@click.command("evaluate", short_help="Evaluate a bundle on labelled clips.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv (columns path, group, split).",
)
@click.option("--split", required=True, help="Value of the manifest's split column.")
@click.option("--bundle", default=DEFAULT, show_default=True, help="A bundle's name, folder or zip.")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="openvino", show_default=True)
@click.option("--views", type=click.IntRange(1), default=4, show_default=True, help="Windows of each clip.")
@click.option("--mirror/--no-mirror", default=True, show_default=True, help="Add mirror images.")
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def command(data: Path, split: str, bundle: str, runtime: RuntimeName, views: int, mirror: bool, as_json: bool) -> None:
    """Evaluate a bundle on a split, deterministically, in several windows of each clip."""
    from fitsense.evaluate.run import evaluate

    model = load_model(bundle, runtime=runtime)
    report = evaluate(model, data, split, views=views, mirror=mirror, track=track)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    exercise, muscles, rejection, unknown = (report[part] for part in ("exercise", "muscles", "rejection", "unknown"))

    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    console.print(
        f"{report['bundle']['name']} {report['bundle']['version']} on {report['split']}: {report['clips']} clips, "
        f"{report['skipped']} skipped; {report['views']} windows{' and mirror images' if report['mirror'] else ''}"
    )
    for skip in report["skipped_files"]:
        console.print(f"  skipped {skip['path']}: {skip['reason']}")
    console.print(
        f"exercise   {exercise['clips']} clips of {exercise['groups']} groups: top-1 {figure(exercise['top1'])}, "
        f"top-5 {figure(exercise['top5'])}, macro recall {figure(exercise['macro_recall'])}"
    )
    console.print(
        f"muscles    mAP {figure(muscles['map'])} (look-up {figure(muscles['map_lookup'])}), micro F1 "
        f"{figure(muscles['f1']['micro'])} (look-up {figure(muscles['f1_lookup']['micro'])}), label accuracy "
        f"{figure(muscles['label_accuracy'])} (look-up {figure(muscles['label_accuracy_lookup'])}, "
        f"all negative {figure(muscles['label_accuracy_all_negative'])})"
    )
    console.print(
        f"rejection  {rejection['clips']} clips of no exercise: AUROC {figure(rejection['auroc'])}, rejected "
        f"{figure(rejection['recall'])}; exercises rejected {figure(rejection['false_rejections'])}"
    )
    console.print(
        f"unknown    {unknown['clips']} clips of groups that the bundle does not know, counted apart: "
        f"{figure(unknown['named'])} of them are named (of known ones {figure(unknown['known_named'])})"
    )
    labels = exercise["labels"]
    table = Table("group", "clips", "recall", "taken for", box=None, pad_edge=False)
    for group, entry in exercise["by_group"].items():
        row = exercise["confusion"][labels.index(group)]
        others = sorted(
            ((count, labels[i]) for i, count in enumerate(row) if count and labels[i] != group), reverse=True
        )
        table.add_row(
            group,
            str(entry["clips"]),
            f"{entry['recall']:.2f}",
            ", ".join(f"{label} {count}" for count, label in others),
        )
    console.print(table)
