"""``fitsense evaluate-sessions``: metrics of sessions on untrimmed videos, with pauses between the sets."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.catalogue import IDLE
from fitsense.cli.output import results, results_only
from fitsense.cli.progress import track
from fitsense.cli.runtime_options import runtime_options
from fitsense.evaluate.transformations import TRANSFORMATIONS, UNTOUCHED
from fitsense.inference.config import RuntimeName
from fitsense.inference.model import load_model
from fitsense.session.config import SessionConfig

if TYPE_CHECKING:
    from fitsense.data.manifest import ClipItem, Skipped
    from fitsense.inference.model import Model


@click.command("evaluate-sessions", short_help="Evaluate a bundle on untrimmed videos.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv (columns path, group, split); clips are joined with pauses.",
)
@click.option(
    "--split",
    "splits",
    default=("test",),
    show_default=True,
    multiple=True,
    help="Value of the manifest's split column; repeatable.",
)
@click.option("--unknown-split", is_flag=True, help="Also join clips of exercises that the bundle does not know.")
@click.option(
    "--untrimmed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file of videos with labelled segments (columns path and segments, such as "
    "'0-19 no_exercise;25.5-40 squat', in seconds).",
)
@click.option("--rendered", type=click.IntRange(1), help="Number of rendered videos.")
@click.option("--bundle", default=DEFAULT, show_default=True, help="A bundle's name, folder or zip.")
@runtime_options
@click.option(
    "--hop", type=click.FloatRange(0.1, 60.0), default=1.0, show_default=True, help="Seconds between predictions."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of order, pauses and rendering."
)
@click.option(
    "--robustness",
    is_flag=True,
    help="Measure the changes of labels and counts on transformed clips of the folder: with a shaking camera, a person "
    "passing by, and others.",
)
@click.option(
    "--transformation",
    "names",
    type=click.Choice((UNTOUCHED, *TRANSFORMATIONS)),
    multiple=True,
    help="With --robustness, a transformation to measure; repeatable. By default all. Untouched clips are always "
    "measured.",
)
@click.option(
    "--counts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --robustness, a CSV file with the true repetitions of clips (columns clip, count).",
)
@click.option("--only-counted", is_flag=True, help="Analyse only the clips in --counts.")
@click.option(
    "--clips-per-exercise",
    type=click.IntRange(1),
    help="With --robustness, the largest number of clips of an exercise; --seed selects them.",
)
@click.option(
    "--results",
    "results_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON Lines file to which each result is appended; results in it are reused, so that an interrupted run "
    "continues.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all metrics and emitted segments as JSON.")
@results_only()
def command(
    data: Path | None,
    splits: tuple[str, ...],
    unknown_split: bool,
    untrimmed: Path | None,
    rendered: int | None,
    bundle: str,
    runtime: RuntimeName,
    device: str | None,
    compile: bool,
    hop: float,
    seed: int,
    robustness: bool,
    names: tuple[str, ...],
    counts: Path | None,
    only_counted: bool,
    clips_per_exercise: int | None,
    results_file: Path | None,
    as_json: bool,
) -> None:
    """Evaluate sessions on untrimmed videos: sets found, latency, and false alarms in the pauses.

    Videos are the clips of a folder, joined with pauses, recorded ones with labelled segments, or rendered; each kind
    has separate metrics. With --robustness, single clips of the folder are transformed instead.
    """
    if robustness:
        if data is None or rendered is not None or untrimmed is not None:
            raise click.UsageError("give --data FOLDER, and neither --rendered nor --untrimmed, with --robustness")
    elif names or counts or clips_per_exercise:
        raise click.UsageError("give --robustness with --transformation, --counts and --clips-per-exercise")
    if only_counted and counts is None:
        raise click.UsageError("give --counts FILE with --only-counted")
    if data is None and rendered is None and untrimmed is None:
        raise click.UsageError("give --data FOLDER, --untrimmed FILE, --rendered N, or several of them")
    from fitsense.data.manifest import read_manifest
    from fitsense.evaluate.labelled_videos import labelled_videos
    from fitsense.evaluate.robustness import read_counts, select_clips
    from fitsense.evaluate.untrimmed import StreamRuns, joined_videos, rendered_videos, session_quality

    dataset = read_manifest(data, splits) if data is not None else None
    model = load_model(bundle, runtime=runtime, device=device, compile=compile)
    known = model.labels.exercise
    config = SessionConfig(hop_s=hop)
    report: dict[str, Any] = {
        "bundle": {"name": model.manifest.name, "version": model.manifest.version},
        "hop_s": hop,
        "seed": seed,
    }
    if robustness:
        assert dataset is not None
        true_counts = read_counts(counts) if counts else {}
        items = [item for item in dataset.items if item.group in known and item.group != IDLE]
        items = select_clips(items, true_counts if only_counted else None, clips_per_exercise, seed=seed)
        report["robustness"] = _robustness(model, items, config, names, true_counts, results_file)
        _print(report, as_json)
        return
    kept = StreamRuns(results_file)
    if dataset is not None:
        joined, left_out = joined_videos(dataset.items, known, model.short_side, seed=seed, with_unknown=unknown_split)
        report["joined"] = {
            "split": ", ".join(splits),
            **_skipped([*dataset.skipped, *left_out]),
            **session_quality(model, joined, config, track, kept=kept),
        }
    if untrimmed is not None:
        recorded, left_out = labelled_videos(untrimmed, known, short_side=model.short_side)
        report["untrimmed"] = {
            **_skipped(left_out),
            **session_quality(model, recorded, config, track, kept=kept),
        }
    if rendered is not None:
        videos = rendered_videos(rendered, known, seed=seed)
        report["rendered"] = session_quality(model, videos, config, track, kept=kept)
    _print(report, as_json)


def _skipped(skipped: Sequence[Skipped]) -> dict[str, Any]:
    return {"skipped": len(skipped), "skipped_files": [attrs.asdict(skip) for skip in skipped]}


def _print(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report, indent=2), file=results())
    else:
        _show(report)


def _robustness(
    model: Model,
    items: Sequence[ClipItem],
    config: SessionConfig,
    names: Collection[str],
    counts: Mapping[str, int],
    results_file: Path | None,
) -> dict[str, Any]:
    from fitsense.evaluate.robustness import Trials, robustness

    return robustness(
        model,
        items,
        config,
        counts=counts,
        names=[name for name in names or TRANSFORMATIONS if name != UNTOUCHED],
        trials=Trials(results_file),
        track=track,
    )


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(file=results(), highlight=False, soft_wrap=True)
    videos = "clips" if "robustness" in report else "untrimmed videos"
    console.print(
        f"{report['bundle']['name']} {report['bundle']['version']} on {videos}, "
        f"a prediction every {report['hop_s']:g} s"
    )
    if "robustness" in report:
        _show_robustness(console, report["robustness"])
    for kind, title in (("joined", "Clips of {split}, joined with pauses"), ("untrimmed", "Recorded videos")):
        if kind in report:
            part = report[kind]
            console.print(f"\n{title.format_map(part)}; {part['skipped']} left out")
            for skip in part["skipped_files"]:
                console.print(f"  left out {skip['path']}: {skip['reason']}")
            _show_figures(console, part)
    if "rendered" in report:
        console.print("\nRendered videos")
        _show_figures(console, report["rendered"])


def _show_robustness(console: Any, figures: dict[str, Any]) -> None:
    from rich.table import Table

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    clips = figures["clips"]
    console.print(f"\n{clips} clips, and each transformed; {len(figures['skipped_files'])} left out")
    for skip in figures["skipped_files"]:
        console.print(f"  left out {skip['path']}: {skip['reason']}")
    table = Table(box=None, pad_edge=False)
    table.add_column("transformation", min_width=max(map(len, figures["transformations"])))
    for column in ("right label", "other label", "other count", "count error", "off by one"):
        table.add_column(column)
    for name, one in figures["transformations"].items():
        table.add_row(
            name,
            f"{one['right']} of {clips}",
            str(one["flipped"]),
            str(one["count_changed"]),
            number(one["count_error"]),
            number(one["off_by_one"]),
        )
    console.print(table)
    console.print("Other labels and counts are compared with those of the untouched clip.")


def _show_figures(console: Any, figures: dict[str, Any]) -> None:
    from rich.table import Table

    def number(value: float | None, unit: str = "") -> str:
        return "-" if value is None else f"{value:.2f}{unit}"

    def latency(of: str) -> str:
        part = figures[of]
        return f"{number(part['median_s'], ' s')} (p90 {number(part['p90_s'], ' s')}) of {part['segments']}"

    sets, alarms, time = figures["sets"], figures["false_alarms"], figures["time"]
    unknown = f" and {figures['segments_unknown']} of unknown exercises" if figures["segments_unknown"] else ""
    console.print(
        f"streams       {figures['streams']}, {figures['minutes']:.1f} min, {figures['idle_minutes']:.1f} idle; "
        f"{figures['segments']} sets{unknown}; {figures['predicted']} named, {figures['predicted_unknown']} unknown"
    )
    console.print("segment F1    " + ", ".join(f"{number(value)} at IoU {iou}" for iou, value in figures["f1"].items()))
    console.print(
        f"sets          {sets['found']} found, {sets['partial']} in part, {sets['wrong_name']} by a wrong name, "
        f"{sets['unknown']} unknown, {sets['missed']} missed; pieces of one {number(figures['fragments'])}"
    )
    first = figures["first_name"]
    console.print(
        f"first name    median {number(first['median_s'], ' s')} (p90 {number(first['p90_s'], ' s')}) after the start, "
        f"of {first['sets']} sets; {first['named']} are named in the end"
    )
    console.print(f"latency       median {latency('onset')} after the start, {latency('offset')} after the end")
    console.print(
        f"false alarms  {number(alarms['named_per_minute'])} by name and {number(alarms['unknown_per_minute'])} "
        "of unknown a minute of idle time"
    )
    console.print(
        f"time          {number(time['right'])} right; of exercise {number(time['wrong_name'])} by a wrong name, "
        f"{number(time['unknown'])} unknown, {number(time['missed'])} missed; of idle time "
        f"{number(time['false_name'])} by a name, {number(time['false_unknown'])} unknown"
    )
    table = Table("exercise", "sets", "predicted", "found", "F1", box=None, pad_edge=False)
    for exercise, entry in figures["by_exercise"].items():
        table.add_row(
            exercise, str(entry["segments"]), str(entry["predicted"]), str(entry["found"]), number(entry["f1"])
        )
    console.print(table)
