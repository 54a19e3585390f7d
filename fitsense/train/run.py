"""From labelled clips to a bundle."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense._internal.progress import Track, silent
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import Manifest
from fitsense.catalogue import IDLE
from fitsense.data.manifest import read_manifest
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.evaluate.run import evaluate, score
from fitsense.export.onnx import export_branch
from fitsense.inference.model import Model
from fitsense.inference.openvino import cpu_computes_bf16
from fitsense.plugins._manager import PluginManager
from fitsense.train.branch_trainer import BranchTrainer, FittedBranch
from fitsense.train.finetuning import DistributedConfig
from fitsense.train.fusion_fit import FittedFusion, fit_fusion
from fitsense.train.model_card import model_card
from fitsense.train.recipe import Recipe, Sources, branch_name, recipe_to_json
from fitsense.train.training_set import Pool, partitions, read_pool

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Clips that bfloat16 is tried on, and the share of them whose answer must stay.
_BF16_CLIPS, _BF16_AGREEMENT = 100, 0.98
# What an evaluation says of single clips and of who published them is not for everybody who gets the bundle.
_PRIVATE = ("worst", "by_source", "plots", "skipped_files")


def train(
    recipe: Recipe,
    sources: Sources,
    out: Path,
    *,
    name: str,
    version: str = "0.1.0",
    cache: Path,
    plugins: PluginManager | None = None,
    track: Track = silent,
    machines: DistributedConfig | None = None,
) -> tuple[Bundle, dict[str, Any]]:
    """Make a bundle in the folder `out`, which must not hold anything yet; give it and a report.

    What was computed before, also by an interrupted run, is taken from `cache`: features, frames, and what tuning has
    reached. Figures of clips that were held out, and of the test split, are in the report and in the model card.

    On several `machines`, one process calls this, that of :func:`fitsense.train.finetuning.rank` 0; the others call
    :func:`train_worker`.

    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("training", "torch", error) from error
    if not any(branch.exercise_head and not branch.teacher_only for branch in recipe.branches):
        raise InvalidInputError("branches: expected a head for exercises on one that is in the bundle, got none")
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"name: expected lower-case letters, digits, ., - and _, got {name!r}")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInputError(f"{out}: expected a folder that is new or empty")
    plugins = plugins or PluginManager.discover()
    pool = read_pool(recipe, sources)
    logger.info(
        "training on %d clips of %d scenes, %d rendered figures and %d clips of aids",
        len(pool.labelled), len({item.scene for item in pool.labelled}), len(pool.synthetic), len(pool.auxiliary),
    )  # fmt: skip
    fitted = fit_branches(recipe, pool, plugins, cache, track, machines)
    branches = [one for one, made in zip(fitted, recipe.branches, strict=True) if not made.teacher_only]
    joined = fit_fusion(recipe, branches, pool.labelled, pool.unknown, pool.labels, plugins)
    manifest = Manifest(
        name=name,
        version=version,
        licence="Apache-2.0",
        summary=_summary(pool, branches),
        labels=pool.labels,
        branches=tuple(branch.entry for branch in branches),
        fusion=joined.fusion,
        derived=joined.derived,
        calibration=joined.calibration,
        training={"recipe": recipe_to_json(recipe), "splits": list(sources.splits)},
    )
    report = _report(pool, branches, joined)
    # Elsewhere until it is whole, so that a run that is interrupted leaves `out` as it was.
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out.parent) as unfinished:
        folder = Path(unfinished) / "bundle"
        folder.mkdir()
        for branch in branches:
            export_branch(branch.final.module, branch.entry, folder, traced=branch.traced)
        report["bf16"] = _compare_bf16(save(folder, manifest), sources, plugins, track)
        manifest = attrs.evolve(manifest, allow_bf16=report["bf16"]["good_enough"])
        if sources.test_split:
            model = Model(save(folder, manifest), plugins=plugins)
            figures = evaluate(
                model, sources.data, sources.test_split, views=recipe.views, mirror=recipe.mirror, track=track
            )
            report["test"] = {key: value for key, value in figures.items() if key not in _PRIVATE}
        (folder / "training.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        (folder / "README.md").write_text(model_card(manifest, report), "utf-8")
        save(folder, manifest)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return Bundle.load(out), report


def train_worker(
    recipe: Recipe, sources: Sources, *, cache: Path, machines: DistributedConfig, plugins: PluginManager | None = None
) -> None:
    """Train the branches of a recipe together with the process that calls :func:`train`, which makes the bundle.

    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    fit_branches(recipe, read_pool(recipe, sources), plugins or PluginManager.discover(), cache, machines=machines)


def fit_branches(
    recipe: Recipe,
    pool: Pool,
    plugins: PluginManager,
    cache: Path,
    track: Track = silent,
    machines: DistributedConfig | None = None,
) -> list[FittedBranch]:
    """Train a recipe's branches, in its order."""
    workshop = BranchTrainer(
        recipe, pool, partitions(recipe, pool), plugins, cache, track, machines or DistributedConfig()
    )
    fitted: dict[str, FittedBranch] = {}
    for branch in recipe.branches:
        fitted[branch_name(branch)] = workshop.fit(
            branch, [fitted[teacher] for teacher in branch.teachers], fitted.get(branch.landmark_teacher)
        )
    return list(fitted.values())


def _summary(pool: Pool, branches: Sequence[FittedBranch]) -> str:
    exercises = sum(label != IDLE for label in pool.labels.exercise)
    backbones = ", ".join(branch.entry.backbone for branch in branches)
    return f"{backbones} with heads for {exercises} exercises and {len(pool.labels.muscles)} muscle groups"


def _report(pool: Pool, branches: Sequence[FittedBranch], joined: FittedFusion) -> dict[str, Any]:
    skipped = {(skip.path, skip.reason): skip for skip in pool.skipped}
    for branch in branches:
        skipped |= {(skip.path, skip.reason): skip for skip in branch.skipped}
    return {
        "trained": {
            "clips": len(pool.labelled),
            "scenes": len({item.scene for item in pool.labelled}),
            "figures": len(pool.synthetic),
            "aids": len(pool.auxiliary),
            "licences": _licences(pool.labelled),
            "licences_of_aids": _licences(pool.auxiliary),
            "by_group": dict(sorted(Counter(item.group for item in pool.labelled).items())),
            "too_few_scenes": dict(pool.too_few),
            "skipped": [attrs.asdict(skip) for skip in skipped.values()],
        },
        "held_out": dict(joined.figures),
    }


def _licences(footage: Sequence[Sample]) -> dict[str, int]:
    """Clips by the licence that their manifest states, the most frequent first; empty for none."""
    return dict(Counter(item.licence for item in footage).most_common())


def _compare_bf16(bundle: Bundle, sources: Sources, plugins: PluginManager, track: Track) -> dict[str, Any]:
    """How far bfloat16 moves the answers on clips of the training splits, where this CPU computes in it."""
    if not cpu_computes_bf16():
        return {"clips": 0, "good_enough": False}
    items = read_manifest(sources.data, sources.splits).items
    chosen = items[:: max(1, len(items) // _BF16_CLIPS)]
    exact, rough = (
        score(Model(bundle, plugins=plugins, bf16=bf16), chosen, views=1, mirror=False, track=track)[0]
        for bf16 in (False, True)
    )
    agreement = np.mean(
        [one.exercise.argmax() == other.exercise.argmax() for one, other in zip(exact, rough, strict=True)]
    )
    difference = np.mean([np.abs(one.exercise - other.exercise).max() for one, other in zip(exact, rough, strict=True)])
    return {
        "clips": len(exact),
        "same_answer": float(agreement),
        "mean_largest_difference": float(difference),
        "good_enough": bool(agreement >= _BF16_AGREEMENT),
    }
