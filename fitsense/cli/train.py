"""``fitsense train``: a bundle from labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from fitsense.cli.tracking import track


@click.command("train", short_help="Train a bundle on labelled clips.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with clips and a manifest.csv (columns path, group, split; scene and fold if there are).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the bundle; new or empty.")
@click.option("--name", help="The bundle's name; by default the folder's.")
@click.option("--version", default="0.1.0", show_default=True)
@click.option("--backbone", default="x3d/s", show_default=True)
@click.option(
    "--weights",
    default="kinetics400",
    show_default=True,
    help="What the backbone starts from: one of its published weights, or a .pyth or .safetensors file.",
)
@click.option("--weights-origin", default="", help="Where a file of weights comes from; for the model card.")
@click.option("--split", "splits", multiple=True, help="To train on; by default train, and val if there is one.")
@click.option("--foreign", help="Split of exercises not trained; by default extra, if there is one; '' for none.")
@click.option("--test", help="Split for the model card; by default test, if there is one; '' for none.")
@click.option("--views", type=click.IntRange(1), default=4, show_default=True, help="Windows of each clip.")
@click.option("--figures", type=click.IntRange(0), default=40, show_default=True, help="Rendered figures of each kind.")
@click.option("--min-scenes", type=click.IntRange(1), default=5, show_default=True, help="Fewest scenes a group needs.")
@click.option("--l2-exercise", type=click.FloatRange(0), help="Penalty on the exercise head's squared weights.")
@click.option("--l2-muscles", type=click.FloatRange(0), help="Penalty on the muscles head's squared weights.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Folder that remembers features.")
def command(
    data: Path,
    out: Path,
    name: str | None,
    version: str,
    backbone: str,
    weights: str,
    weights_origin: str,
    splits: tuple[str, ...],
    foreign: str | None,
    test: str | None,
    views: int,
    figures: int,
    min_scenes: int,
    l2_exercise: float | None,
    l2_muscles: float | None,
    cache: Path | None,
) -> None:
    """Train a bundle: heads on the features of a frozen backbone.

    Features are remembered as they are computed: an interrupted run goes on where it was. Needs fitsense[torch].
    """
    import platformdirs

    from fitsense.data.manifest import splits_of
    from fitsense.train.recipe import Recipe, Sources, train

    given: dict[str, Any] = {"l2_exercise": l2_exercise, "l2_muscles": l2_muscles}
    penalties = {key: value for key, value in given.items() if value is not None}
    recipe = Recipe(
        backbone=backbone,
        weights=weights,
        weights_origin=weights_origin,
        views=views,
        figures=figures,
        min_scenes=min_scenes,
    )
    recipe = attrs.evolve(recipe, **penalties)
    there = splits_of(data)
    splits = splits or ("train", *(["val"] if "val" in there else []))
    foreign = foreign if foreign is not None else "extra" if "extra" in there else None
    test = test if test is not None else "test" if "test" in there else None
    sources = Sources(data, splits, foreign or None, test or None)
    cache = cache or Path(platformdirs.user_cache_dir("fitsense")) / "training"
    bundle, report = train(
        recipe, sources, out, name=name or out.resolve().name, version=version, cache=cache, track=track
    )
    for skip in report["trained"]["skipped"]:
        click.echo(f"skipped {skip['path']}: {skip['reason']}")
    click.echo(bundle.path("README.md").read_text("utf-8"))
    click.echo(f"The bundle is in {out}: fitsense analyze VIDEO --bundle {out}")
