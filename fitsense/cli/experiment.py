"""``fitsense experiment``: the paper's experiments, and further ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import click

from fitsense._internal.cache import cache_folder
from fitsense.cli.output import results, results_only
from fitsense.cli.progress import track


@click.command("experiment", short_help="Run one of the paper's experiments.")
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="List the experiments; the default without NAME.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a manifest.csv, as fitsense dataset makes it; with splits train and val, or train and folds.",
)
@click.option(
    "--scale",
    "scale_name",
    type=click.Choice(["small", "paper"]),
    default="small",
    show_default=True,
    help="small: minutes on two CPU cores, for a trial. paper: the paper's settings; needs a GPU and its data.",
)
@click.option(
    "--weights",
    default="kinetics400",
    show_default=True,
    help="Initial weights of X3D: published weights, or a .pyth or .safetensors file.",
)
@click.option(
    "--slowfast-weights",
    help="Initial weights of SlowFast; by default published weights at scale paper, and random ones at scale small, "
    "which has no published weights.",
)
@click.option(
    "--ratio", "ratios", multiple=True, type=click.IntRange(4, 16), help="Ratio for channel-ratio; repeatable."
)
@click.option("--epochs", type=click.IntRange(1), help="Epochs of finetuned networks.")
@click.option("--clips", type=click.IntRange(1), help="Largest number of clips to finetune a network on.")
@click.option("--min-scenes", type=click.IntRange(1), help="Smallest number of scenes of an exercise.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for cached features, frames and checkpoints.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write NAME.json, NAME.md and plots to this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@results_only()
def command(
    name: str | None,
    listed: bool,
    data: Path | None,
    scale_name: str,
    weights: str,
    slowfast_weights: str | None,
    ratios: tuple[int, ...],
    epochs: int | None,
    clips: int | None,
    min_scenes: int | None,
    cache: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run an experiment: train the models that it compares, and measure them on held-out clips.

    Without NAME, list the experiments. The split test is not used. Features, frames and checkpoints are cached: an
    interrupted run continues. Needs fitsense[torch].
    """
    from fitsense.experiments import EXPERIMENTS

    experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
    if listed or name is None:
        for experiment in EXPERIMENTS:
            click.echo(f"{experiment.name:<18} {experiment.question}", file=results())
        return
    if name not in experiments:
        raise click.UsageError(f"unknown experiment {name!r}; available: {', '.join(experiments)}")
    if data is None:
        raise click.UsageError(f"{name}: give --data FOLDER")
    from rich.console import Console
    from rich.markdown import Markdown

    from fitsense.experiments.base import Setting, require
    from fitsense.experiments.output import document, markdown, write
    from fitsense.experiments.presets import SCALES
    from fitsense.plugins._manager import PluginManager

    require()
    (scale,) = (scale for scale in SCALES if scale.name == scale_name)
    if scale.needs:
        click.echo(f"fitsense: {scale.needs}", err=True)
    given: dict[str, Any] = {"ratios": ratios or None, "clips": clips, "min_scenes": min_scenes}
    if epochs is not None:
        for network in ("x3d", "slowfast"):
            now = getattr(scale, network)
            given[network] = attrs.evolve(now, tuning=attrs.evolve(now.tuning, epochs=epochs))
    scale = attrs.evolve(scale, **{key: value for key, value in given.items() if value is not None})
    setting = Setting(
        data,
        scale,
        cache or cache_folder("training"),
        PluginManager.discover(),
        weights,
        ("kinetics400" if scale_name == "paper" else "") if slowfast_weights is None else slowfast_weights,
        track,
    )
    experiment = experiments[name]
    result = experiment.run(setting)
    for skip in result.skipped:
        click.echo(f"skipped {skip.path}: {skip.reason}", err=True)
    if as_json:
        click.echo(json.dumps(document(experiment, scale, result), indent=2), file=results())
    else:
        Console(file=results()).print(Markdown(markdown(experiment, scale, result, with_plots=False)))
    if out is not None:
        for file in write(experiment, scale, result, out):
            click.echo(f"wrote {file}", err=True)
