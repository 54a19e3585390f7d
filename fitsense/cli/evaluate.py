"""``fitsense evaluate``: metrics of a bundle on labelled clips."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.cli.output import results, results_only
from fitsense.cli.progress import track
from fitsense.cli.runtime_options import runtime_options
from fitsense.inference.config import RuntimeName
from fitsense.inference.model import load_model


@click.command("evaluate", short_help="Evaluate a bundle on labelled clips.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv (columns path, group, split; also muscles_primary).",
)
@click.option("--split", required=True, help="Value of the manifest's split column.")
@click.option("--bundle", default=DEFAULT, show_default=True, help="A bundle's name, folder or zip.")
@runtime_options
@click.option("--views", type=click.IntRange(1), default=4, show_default=True, help="Windows of each clip.")
@click.option("--mirror/--no-mirror", default=True, show_default=True, help="Add mirror images.")
@click.option("--json", "as_json", is_flag=True, help="Print all metrics as JSON.")
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write an HTML page with plots and pictures of the worst clips to this file.",
)
@results_only()
def command(
    data: Path,
    split: str,
    bundle: str,
    runtime: RuntimeName,
    device: str | None,
    compile: bool,
    views: int,
    mirror: bool,
    as_json: bool,
    page: Path | None,
) -> None:
    """Evaluate a bundle on a split of labelled clips. Results are deterministic.

    A clip's probabilities are averaged over its windows and their mirror images; metrics are of these averages. 95 %
    intervals are by bootstrap over scenes. Needs fitsense[torch].
    """
    from fitsense.evaluate.html_report import write_page
    from fitsense.evaluate.run import evaluate

    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
    model = load_model(bundle, runtime=runtime, device=device, compile=compile)
    report = evaluate(model, data, split, views=views, mirror=mirror, track=track)
    if as_json:
        click.echo(json.dumps(report, indent=2), file=results())
    else:
        _show(report)
    if page is not None:
        write_page(report, data, page)
        click.echo(f"The report is in {page}", err=True)


def _show(report: Mapping[str, Any]) -> None:
    from rich.console import Console

    from fitsense.evaluate.task_metrics import metrics_row

    console = Console(file=results(), highlight=False, soft_wrap=True)
    exercise, muscles, rejection, unknown = (report[part] for part in ("exercise", "muscles", "rejection", "unknown"))

    unseen = muscles["unseen"]

    def bounded(part: str, name: str) -> str:
        """A metric with its interval."""
        interval = report["intervals"].get(f"{part}.{name}")
        return _figure(report[part][name]) + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")

    console.print(
        f"{report['bundle']['name']} {report['bundle']['version']} on {report['split']}: {report['clips']} clips, "
        f"{report['skipped']} skipped; {report['views']} windows{' and mirror images' if report['mirror'] else ''}, "
        "averaged; 95 % intervals over scenes"
    )
    for skip in report["skipped_files"]:
        console.print(f"  skipped {skip['path']}: {skip['reason']}", markup=False)
    lines = {
        "exercise": f"{exercise['clips']} clips of {exercise['groups']} groups: top-1 {bounded('exercise', 'top1')}, "
        f"top-5 {bounded('exercise', 'top5')}, macro recall {bounded('exercise', 'macro_recall')}",
        "confidence": f"calibration error {bounded('exercise', 'ece')}, before temperature "
        f"{_figure(exercise['ece_uncalibrated'])}, by chance {_figure(exercise['ece_by_chance'])}; of single windows "
        f"{_figure(exercise['ece_windows'])}, before {_figure(exercise['ece_windows_uncalibrated'])}",
        "muscles": f"mAP {bounded('muscles', 'map')}, look-up {_figure(muscles['map_lookup'])}, difference "
        f"{bounded('muscles', 'map_over_lookup')}; micro F1 {_figure(muscles['f1']['micro'])}, look-up "
        f"{_figure(muscles['f1_lookup']['micro'])}; label accuracy {_figure(muscles['label_accuracy'])}, look-up "
        f"{_figure(muscles['label_accuracy_lookup'])}, all negative {_figure(muscles['label_accuracy_all_negative'])}",
        "unseen": f"{unseen['clips']} clips of exercises that the bundle does not know: muscles' mAP "
        f"{_figure(unseen['map'])}, look-up {_figure(unseen['map_lookup'])}, difference "
        f"{_figure(unseen['map_over_lookup'])}",
        "rejection": f"{rejection['clips']} clips of no exercise: AUROC {bounded('rejection', 'auroc')}, rejected "
        f"{_figure(rejection['recall'])}; exercises rejected {_figure(rejection['false_rejections'])}",
        "unknown": f"{unknown['clips']} clips of groups that the bundle does not know, counted apart: "
        f"{_figure(unknown['named'])} of them are named, of known ones {_figure(unknown['known_named'])}; AUROC of "
        f"doubt {bounded('unknown', 'auroc')}, for no exercise {_figure(unknown['auroc_idle'])}, for unknown groups "
        f"{_figure(unknown['auroc_untrained'])}",
    }
    for name, metrics in report.get("tasks", {}).items():
        lines[f"task {name}"] = metrics_row(name, metrics)
    for name, line in lines.items():
        console.print(f"{name:<10} {line}", markup=False)
    _show_branches(console, report)
    _show_groups(console, exercise)


def _show_branches(console: Any, report: Mapping[str, Any]) -> None:
    """Print the metrics of each branch alone, and the gain of the ensemble over it."""
    for name, tasks in report["branches"].items():
        over = report["ensemble"]["over_branch"].get(name, {})
        parts = []
        for task, what, title in (
            ("exercise", "top1", "top-1"),
            ("exercise", "macro_recall", "macro recall"),
            ("muscles", "map", "mAP"),
        ):
            if task in tasks:
                ahead = over.get(f"{task}.{what}")
                parts.append(f"{title} {_figure(tasks[task][what])}{_ahead(ahead) if ahead else ''}")
        console.print(f"{'branch':<10} {name} alone: {', '.join(parts)}", markup=False)


def _ahead(ahead: Mapping[str, Any]) -> str:
    interval = ahead["interval"]
    stated = f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else ""
    difference = "-" if ahead["difference"] is None else f"{ahead['difference']:+.3f}"
    return f" (together {difference}{stated}{', better' if ahead['better'] else ''})"


def _show_groups(console: Any, exercise: Mapping[str, Any]) -> None:
    from rich.table import Table

    labels = exercise["labels"]
    table = Table("group", "clips", "precision", "recall", "confused with", box=None, pad_edge=False)
    for group, entry in exercise["by_group"].items():
        row = exercise["confusion"][labels.index(group)]
        others = sorted(
            ((count, labels[i]) for i, count in enumerate(row) if count and labels[i] != group), reverse=True
        )
        table.add_row(
            group,
            str(entry["clips"]),
            "-" if entry["precision"] is None else f"{entry['precision']:.2f}",
            f"{entry['recall']:.2f}",
            ", ".join(f"{label} {count}" for count, label in others),
        )
    console.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
