"""Training of a bundle from labelled clips."""

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

from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import BranchEntry, Manifest, TaskEntry, TeachingEntry
from fitsense.bundles.teaching import FILE
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.data.manifest import read_manifest
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.evaluate.run import score
from fitsense.evaluate.scores import scores_of_outputs
from fitsense.evaluate.summary import summarise
from fitsense.export.onnx import export_branch
from fitsense.inference.model import Model
from fitsense.inference.openvino import cpu_computes_bf16
from fitsense.plugins._manager import PluginManager
from fitsense.train.branch_trainer import BranchTrainer
from fitsense.train.finetuning import DistributedConfig
from fitsense.train.fusion_fit import FittedFusion, fit_fusion
from fitsense.train.model_card import model_card
from fitsense.train.recipe import Recipe, Sources, branch_name, plugin_tasks, recipe_to_json
from fitsense.train.teaching import teaching_statistics
from fitsense.train.trained_branch import FittedBranch
from fitsense.train.training_set import Pool, partitions, read_pool

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Clips to compare bfloat16 on, and the share of them whose predicted exercise has to stay the same.
_BF16_CLIPS, _BF16_AGREEMENT = 40, 0.98
# Results of single clips and publishers are left out of the bundle.
_PRIVATE = ("worst", "by_source", "plots", "skipped_files")


def train(
    recipe: Recipe,
    sources: Sources,
    out: Path,
    *,
    name: str,
    version: str = "0.1.0",
    licence: str = "",
    cache: Path,
    plugins: PluginManager | None = None,
    track: ProgressBar = silent,
    distributed: DistributedConfig | None = None,
    twin: Bundle | None = None,
) -> tuple[Bundle, dict[str, Any]]:
    """Train a bundle into the folder `out`, which has to be new or empty; return it and a report.

    Features, frames and checkpoints of earlier runs, also of interrupted ones, are reused from `cache`. Metrics of the
    held-out clips and of the test split are in the report and in the model card.

    :param licence: licence of the bundle, such as an SPDX identifier; empty to state none.
    :param twin: a bundle of the same recipe that was trained without the test split, whose metrics go into the report
        and the model card if this one has no test split.

    In distributed training, the process of :func:`fitsense.train.finetuning.rank` 0 calls this; the others call
    :func:`train_worker`.

    :raises InvalidInputError: the recipe, the name or the folder is not usable.
    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("training", "torch", error) from error
    if not any(branch.exercise_head and not branch.teacher_only for branch in recipe.branches):
        raise InvalidInputError("branches: expected an exercise head on a branch in the bundle, got none")
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"name: expected lower-case letters, digits, ., - and _, got {name!r}")
    if licence != " ".join(licence.split()):
        raise InvalidInputError(f"licence: expected one line such as CC-BY-4.0, got {licence!r}")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInputError(f"{out}: expected a new or empty folder")
    plugins = plugins or PluginManager.discover()
    pool = read_pool(recipe, sources, plugins)
    logger.info(
        "training on %d clips of %d scenes, %d rendered clips and %d auxiliary clips",
        len(pool.labelled), len({item.scene for item in pool.labelled}), len(pool.synthetic), len(pool.auxiliary),
    )  # fmt: skip
    fitted = fit_branches(recipe, pool, plugins, cache, track, distributed)
    branches = [one for one, made in zip(fitted, recipe.branches, strict=True) if not made.teacher_only]
    fused = fit_fusion(recipe, branches, pool.labelled, pool.unknown, pool.labels, plugins)
    manifest = Manifest(
        name=name,
        version=version,
        licence=licence,
        summary=_summary(pool, branches),
        labels=attrs.evolve(
            pool.labels, further={task: pool.labels.of(task) for task in plugin_tasks(recipe, plugins)}
        ),
        branches=tuple(branch.entry for branch in branches),
        fusion=fused.fusion,
        derived=fused.derived,
        tasks={
            task: TaskEntry(plugins.task(task).kind, plugins.task(task).unit) for task in plugin_tasks(recipe, plugins)
        },
        calibration=fused.calibration,
        training={"recipe": recipe_to_json(recipe), "splits": list(sources.splits)},
    )
    statistics = teaching_statistics(branches, pool.measured, pool.labels.exercise)
    if statistics is not None:
        manifest = attrs.evolve(manifest, teaching=TeachingEntry(FILE))
    report = _report(pool, branches, fused)
    # In a temporary folder until it is complete, so that an interrupted run leaves `out` unchanged.
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out.parent) as unfinished:
        folder = Path(unfinished) / "bundle"
        folder.mkdir()
        for branch in branches:
            export_branch(branch.final.module, branch.entry, folder, traced=branch.traced)
        if statistics is not None:
            statistics.write(folder / FILE)
        report["bf16"] = _compare_bf16(save(folder, manifest), sources, plugins, track)
        manifest = attrs.evolve(manifest, allow_bf16=report["bf16"]["good_enough"])
        if sources.test_split:
            model = Model(save(folder, manifest), plugins=plugins)
            report["test"] = _test_metrics(model, pool, branches, sources, recipe.views)
        elif twin is not None:
            report["test"] = _metrics_of_twin(twin, manifest)
        (folder / "training.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        (folder / "README.md").write_text(model_card(manifest, report), "utf-8")
        save(folder, manifest)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return Bundle.load(out), report


def train_worker(
    recipe: Recipe,
    sources: Sources,
    *,
    cache: Path,
    distributed: DistributedConfig,
    plugins: PluginManager | None = None,
) -> None:
    """Train the branches of a recipe in one process beside the one that calls :func:`train`.

    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    plugins = plugins or PluginManager.discover()
    fit_branches(recipe, read_pool(recipe, sources, plugins), plugins, cache, distributed=distributed)


def fit_branches(
    recipe: Recipe,
    pool: Pool,
    plugins: PluginManager,
    cache: Path,
    track: ProgressBar = silent,
    distributed: DistributedConfig | None = None,
) -> list[FittedBranch]:
    """Train the branches of a recipe in their order."""
    trainer = BranchTrainer(
        recipe, pool, partitions(recipe, pool), plugins, cache, track, distributed or DistributedConfig()
    )
    fitted: dict[str, FittedBranch] = {}
    for branch in recipe.branches:
        with_poses = [one for one in fitted.values() if _observes_landmarks(one.entry, plugins)]
        fitted[branch_name(branch)] = trainer.fit(
            branch,
            [fitted[teacher] for teacher in branch.teachers],
            fitted.get(branch.landmark_teacher),
            with_poses[0] if with_poses else None,
        )
    return list(fitted.values())


def _observes_landmarks(branch: BranchEntry, plugins: PluginManager) -> bool:
    """True if a branch observes the landmarks of a pose estimator, in the square of its clips."""
    observation = plugins.backbone(branch.backbone).observation
    if branch.observation is None or observation is None or observation.from_poses is None:
        return False
    found = plugins.pose_estimator(plugins.full_name("pose estimator", observation.pose_estimator)).landmark_set
    return tuple(branch.observation.shape[1:]) == (len(found), 6)


def _test_metrics(
    model: Model, pool: Pool, branches: Sequence[FittedBranch], sources: Sources, views: int
) -> dict[str, Any]:
    """Metrics of the test split, of the outputs that training has kept: one set of windows for all branches."""
    scored = [
        scores_of_outputs(model, item, {branch.entry.name: branch.final.outputs[sample.key] for branch in branches})
        for sample, item in zip(pool.tested, pool.tested_items, strict=True)
        if all(sample.key in branch.final.outputs for branch in branches)
    ]
    metrics = summarise(model, scored, sources.data, views)
    return {
        "split": sources.test_split,
        "views": views,
        "mirror": False,
        "clips": len(scored),
        "skipped": len(pool.tested) - len(scored),
        **{key: value for key, value in metrics.items() if key not in _PRIVATE},
    }


def _metrics_of_twin(twin: Bundle, manifest: Manifest) -> dict[str, Any]:
    """Metrics of a twin's test split.

    :raises InvalidInputError: the twin has another recipe or other labels, or no metrics of a test split.
    """
    if twin.manifest.training.get("recipe") != manifest.training["recipe"] or twin.manifest.labels != manifest.labels:
        raise InvalidInputError(f"twin: expected a bundle of the same recipe and labels, got {twin.manifest.name}")
    report = json.loads(twin.path("training.json").read_text("utf-8"))
    if "test" not in report:
        raise InvalidInputError(f"twin: expected metrics of a test split in {twin.manifest.name}, got none")
    trained = report["trained"]
    twin_of = {"splits": twin.manifest.training["splits"], "clips": trained["clips"], "by_group": trained["by_group"]}
    return {**report["test"], "twin": twin_of}


def _summary(pool: Pool, branches: Sequence[FittedBranch]) -> str:
    exercises = sum(label not in (IDLE, UNKNOWN) for label in pool.labels.exercise)
    backbones = ", ".join(branch.entry.backbone for branch in branches)
    return f"{backbones} with heads for {exercises} exercises and {len(pool.labels.muscles)} muscle groups"


def _report(pool: Pool, branches: Sequence[FittedBranch], fused: FittedFusion) -> dict[str, Any]:
    skipped = {(skip.path, skip.reason): skip for skip in pool.skipped}
    for branch in branches:
        skipped |= {(skip.path, skip.reason): skip for skip in branch.skipped}
    return {
        "trained": {
            "clips": len(pool.labelled),
            "scenes": len({item.scene for item in pool.labelled}),
            "synthetic_clips": len(pool.synthetic),
            "auxiliary_clips": len(pool.auxiliary),
            "photo_pairs": len(pool.photos),
            "licences_of_photos": _licences(pool.photos),
            "licences": _licences(pool.labelled),
            "licences_of_auxiliary": _licences(pool.auxiliary),
            "by_group": dict(sorted(Counter(item.group for item in pool.labelled).items())),
            "too_few_scenes": dict(pool.too_few),
            "skipped": [attrs.asdict(skip) for skip in skipped.values()],
        },
        "held_out": dict(fused.metrics),
    }


def _licences(samples: Sequence[Sample]) -> dict[str, int]:
    """Number of clips by the licence in their manifest, the most frequent first; empty for none."""
    return dict(Counter(item.licence for item in samples).most_common())


def _compare_bf16(bundle: Bundle, sources: Sources, plugins: PluginManager, track: ProgressBar) -> dict[str, Any]:
    """Difference that bfloat16 makes to predictions on clips of the training splits, on a CPU that supports it."""
    if not cpu_computes_bf16():
        return {"clips": 0, "good_enough": False}
    items = read_manifest(sources.data, sources.splits).items
    chosen = items[:: max(1, len(items) // _BF16_CLIPS)]
    exact, rounded = (
        score(Model(bundle, plugins=plugins, bf16=bf16), chosen, views=1, mirror=False, track=track)[0]
        for bf16 in (False, True)
    )
    agreement = np.mean(
        [one.exercise.argmax() == other.exercise.argmax() for one, other in zip(exact, rounded, strict=True)]
    )
    difference = np.mean(
        [np.abs(one.exercise - other.exercise).max() for one, other in zip(exact, rounded, strict=True)]
    )
    return {
        "clips": len(exact),
        "same_answer": float(agreement),
        "mean_largest_difference": float(difference),
        "good_enough": bool(agreement >= _BF16_AGREEMENT),
    }
