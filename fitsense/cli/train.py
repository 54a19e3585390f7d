"""``fitsense train``: training of a bundle on labelled clips."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from fitsense._internal.cache import cache_folder
from fitsense.cli.progress import track

if TYPE_CHECKING:
    from fitsense.train.recipe import Recipe


@click.command("train", short_help="Train a bundle on labelled clips.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a manifest.csv, as fitsense dataset makes it.",
)
@click.option(
    "--auxiliary-data",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Further folders for the branches whose recipe sets use_auxiliary; excluded from metrics. Repeatable.",
)
@click.option(
    "--photo-pairs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a photo_pairs.csv: pairs of photographs, which heads in closed form on landmarks also learn.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the bundle; new or empty.")
@click.option("--name", help="The bundle's name; by default the folder's.")
@click.option("--version", default="0.1.0", show_default=True, help="Version of the bundle.")
@click.option("--licence", default="", help="The bundle's licence, such as CC-BY-4.0; by default none is stated.")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with a recipe, or the model.json of a bundle. By default, one branch with a frozen backbone.",
)
@click.option("--backbone", default="x3d/s", show_default=True, help="The branch's backbone, without --recipe.")
@click.option(
    "--weights",
    "weights",
    multiple=True,
    metavar="[BRANCH=]WEIGHTS",
    help="Initial weights of a branch: published weights of its backbone, or a .pyth or .safetensors file. By default "
    "kinetics400 without --recipe.",
)
@click.option("--weights-origin", default="", help="Origin of a file of weights, for the model card.")
@click.option(
    "--split", "splits", multiple=True, help="Split to train on; repeatable. By default train, and val if it exists."
)
@click.option(
    "--unknown-split", help="Split of exercises that are not trained; by default extra if it exists; '' for none."
)
@click.option("--test", help="Test split for the model card; by default test if it exists; '' for none.")
@click.option(
    "--twin",
    type=click.Path(exists=True, path_type=Path),
    help="Bundle of the same recipe that was measured on a test split, so that the model card of this one, which is "
    "trained on all clips (--test ''), quotes its metrics.",
)
@click.option("--views", type=click.IntRange(1), help="Windows of each clip; by default 4, or the recipe's number.")
@click.option(
    "--synthetic-clips",
    type=click.IntRange(0),
    help="Rendered clips of each kind to add; by default none, or the recipe's number.",
)
@click.option(
    "--min-scenes",
    type=click.IntRange(1),
    help="Smallest number of scenes of a group; by default 5, or the recipe's number.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for cached features, frames and checkpoints.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines that train together.")
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="GPUs, or processes, of each machine; torchrun or SLURM starts one fitsense train for each.",
)
@click.option(
    "--strategy", default="auto", show_default=True, help="Lightning's strategy for several devices, such as ddp."
)
def command(
    data: Path,
    auxiliary_data: tuple[Path, ...],
    photo_pairs: Path | None,
    out: Path,
    name: str | None,
    version: str,
    licence: str,
    recipe_file: Path | None,
    backbone: str,
    weights: tuple[str, ...],
    weights_origin: str,
    splits: tuple[str, ...],
    unknown_split: str | None,
    test: str | None,
    twin: Path | None,
    views: int | None,
    synthetic_clips: int | None,
    min_scenes: int | None,
    cache: Path | None,
    nodes: int,
    devices: int,
    strategy: str,
) -> None:
    """Train a bundle: its branches and their fusion.

    Features, frames and checkpoints are cached: an interrupted run continues. Needs fitsense[torch].
    """
    from fitsense.bundles.bundle import Bundle
    from fitsense.data.manifest import splits_of
    from fitsense.train.finetuning import DistributedConfig, rank
    from fitsense.train.recipe import BranchRecipe, Recipe, Sources, read_recipe
    from fitsense.train.run import train, train_worker

    recipe = (
        read_recipe(recipe_file) if recipe_file else Recipe((BranchRecipe(backbone=backbone, weights="kinetics400"),))
    )
    given: dict[str, Any] = {"views": views, "synthetic_clips": synthetic_clips, "min_scenes": min_scenes}
    recipe = attrs.evolve(recipe, **{key: value for key, value in given.items() if value is not None})
    recipe = _with_weights(recipe, weights, weights_origin)
    existing = splits_of(data)
    splits = splits or ("train", *(["val"] if "val" in existing else []))
    unknown_split = unknown_split if unknown_split is not None else "extra" if "extra" in existing else None
    test = test if test is not None else "test" if "test" in existing else None
    sources = Sources(data, splits, unknown_split or None, test or None, auxiliary_data, photo_pairs)
    cache = cache or cache_folder("training")
    distributed = DistributedConfig(nodes, devices, strategy)
    if distributed.processes > 1 and rank():
        train_worker(recipe, sources, cache=cache, distributed=distributed)
        return
    with _log_on_stderr():
        bundle, report = train(
            recipe,
            sources,
            out,
            name=name or out.resolve().name,
            version=version,
            licence=licence,
            cache=cache,
            track=track,
            distributed=distributed,
            twin=Bundle.load(twin) if twin else None,
        )
    for skip in report["trained"]["skipped"]:
        click.echo(f"skipped {skip['path']}: {skip['reason']}")
    click.echo(bundle.path("README.md").read_text("utf-8"))
    click.echo(f"The bundle is in {out}: fitsense analyze VIDEO --bundle {out}")


def _with_weights(recipe: Recipe, weights: tuple[str, ...], origin: str) -> Recipe:
    """Set the weights of the command line in a recipe."""
    from fitsense.train.recipe import branch_name

    branches = {branch_name(branch): branch for branch in recipe.branches}
    for value in weights:
        name, equals, file = value.partition("=")
        if not equals:
            name, file = next(iter(branches)), value
            if len(branches) > 1:
                raise click.UsageError(f"--weights {value}: expected BRANCH=WEIGHTS, for one of {', '.join(branches)}")
        if name not in branches:
            raise click.UsageError(f"--weights {value}: no branch {name!r}; available: {', '.join(branches)}")
        branch = attrs.evolve(branches[name], weights=file)
        branches[name] = attrs.evolve(branch, weights_origin=origin) if origin else branch
    return attrs.evolve(recipe, branches=tuple(branches.values()))


@contextlib.contextmanager
def _log_on_stderr() -> Iterator[None]:
    """Log the training data and each epoch to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("fitsense.train")
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
