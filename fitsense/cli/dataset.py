"""``fitsense dataset``: a manifest from folders or tables of clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fitsense._internal.cache import cache_folder
from fitsense.cli.progress import track
from fitsense.data.labels import GROUPINGS, Grouping, exercise_of, muscle_of
from fitsense.data.scene_groups import ALIKE


def _muscles(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    muscles = {}
    for text in given:
        group, equals, names = text.partition("=")
        if not (exercise_of(group) and equals):
            raise click.BadParameter(f"expected CLASS=MUSCLE;MUSCLE, got {text!r}", context, parameter)
        # Unknown names stay as they are; import_clips rejects them and lists the known ones.
        muscles[exercise_of(group)] = tuple(muscle_of(name) or name for name in names.split(";"))
    return muscles


@click.command("dataset", short_help="Make a manifest of your clips.")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the manifest.")
@click.option(
    "--grouping",
    type=click.Choice(GROUPINGS),
    default="fine",
    show_default=True,
    help="Classes: each exercise, the catalogue's coarser groups, or the 16 classes of arXiv 2406.06703.",
)
@click.option(
    "--test", type=click.FloatRange(0, 1), default=0.15, show_default=True, help="Share of clips in the split test."
)
@click.option(
    "--val", type=click.FloatRange(0, 1), default=0.15, show_default=True, help="Share of clips in the split val."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of splits and folds.")
@click.option(
    "--scene-pattern", metavar="REGEX", help="Part of a clip's path that names its scene, such as '(person\\d+)'."
)
@click.option(
    "--alike",
    type=click.FloatRange(0, 1),
    default=ALIKE,
    show_default=True,
    help="Largest colour difference between clips of one scene, where no scene is given.",
)
@click.option("--publisher", default="", help="Publisher to record for clips that name none.")
@click.option(
    "--muscles",
    multiple=True,
    callback=_muscles,
    metavar="CLASS=MUSCLE;…",
    help="Muscle groups of a class that is not in the catalogue; repeatable.",
)
@click.option("--resplit", is_flag=True, help="Replace the splits and folds that the source gives.")
@click.option("--force", is_flag=True, help="Replace an existing manifest.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Folder for the cache of probed clips.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    source: Path,
    out: Path,
    grouping: Grouping,
    test: float,
    val: float,
    seed: int,
    scene_pattern: str | None,
    alike: float,
    publisher: str,
    muscles: dict[str, tuple[str, ...]],
    resplit: bool,
    force: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Make a manifest.csv of the clips in SOURCE, for training and evaluation.

    SOURCE is a folder with a folder of clips for each exercise, or a CSV file with a column path, and group, exercise,
    muscles or labels (names of exercises and muscles, separated by semicolons). Clips are not copied.

    Every clip is opened. Clips of one scene (same people and place) stay in one split; where scenes are not given,
    clips of similar colours form one. An interrupted run continues from its cache.
    """
    from fitsense.data.build import Options, import_clips

    options = Options(grouping, test, val, seed, scene_pattern, alike, publisher, muscles, resplit)
    cache = cache or cache_folder("probes")
    report = import_clips(source, out, options, cache=cache, force=force, track=track)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _show(report, out)


def _show(report: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, markup=False)
    usual = ("train", "val", "test")
    splits = [*(split for split in usual if split in report["splits"]), *sorted(report["splits"].keys() - set(usual))]
    table = Table("class", *_right("clips", "scenes", *splits), box=None, pad_edge=False)
    for group, entry in report["classes"].items():
        counts = (entry["splits"].get(split, 0) for split in splits)
        table.add_row(group or "(none)", *map(str, (entry["clips"], entry["scenes"], *counts)))
    counts = (report["splits"][split] for split in splits)
    table.add_row("all", *map(str, (report["clips"], report["scenes"], *counts)))
    console.print(table)
    if report["skipped"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report["skipped_by_reason"].items())
        console.print(f"left out {report['skipped']}: {reasons}; {out / 'skipped.csv'} names them")
    for group, count in report["unknown"].items():
        console.print(
            f"{group} ({count}) is not in the catalogue: to train it, give its muscle groups: "
            f"--muscles '{group}=MUSCLE;MUSCLE'"
        )
    if report["too_few_scenes"]:
        missing = ", ".join(f"{group} ({', '.join(splits)})" for group, splits in report["too_few_scenes"].items())
        console.print(f"too few scenes to be in every split: {missing}")
    largest = report["largest_scene"]
    if report["scenes_found"] and 2 * largest["clips"] > report["clips"] > 2:
        console.print(
            f"{largest['clips']} clips look like one scene, {largest['scene']}. If they show different people, "
            "separate them by their paths with --scene-pattern, or lower --alike"
        )
    console.print(f"next: fitsense train --data {out} --out BUNDLE")


def _right(*names: str) -> list[Any]:
    from rich.table import Column

    return [Column(name, justify="right") for name in names]
