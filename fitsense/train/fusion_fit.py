"""Fusion and calibration of a bundle's branches, fitted on their out-of-fold outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_to_json
from fitsense.bundles.manifest import Calibration, DerivedEntry, FusionEntry, Labels
from fitsense.catalogue import IDLE
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, PluginError
from fitsense.evaluate import metrics
from fitsense.inference.members import fit_fusion_config, fuse_members
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, FusionSpec
from fitsense.train import calibration
from fitsense.train.branch_trainer import FittedBranch, Outputs
from fitsense.train.heads import targets
from fitsense.train.recipe import LOOKUP, Recipe, plugin_tasks
from fitsense.train.task_fusion import fit_task
from fitsense.types import FloatArray, Scores, Task, to_logits


@attrs.frozen(eq=False)
class FittedFusion:
    """Fitted fusion and calibration.

    :param fusion: the fusion of each task.
    :param derived: heads that derive a task from another.
    :param metrics: metrics of the held-out clips: of each branch, and of the fusion.
    """

    fusion: Mapping[str, FusionEntry]
    derived: tuple[DerivedEntry, ...]
    calibration: Calibration
    metrics: Mapping[str, Any]


@attrs.frozen(eq=False)
class _HeldOutScores:
    """Logits of the members of a fusion for held-out windows.

    :param samples: the sample of each clip.
    :param members: logits (clips, views, labels) by member's name.
    """

    samples: Sequence[Sample]
    members: Mapping[str, FloatArray]


def fit_fusion(
    recipe: Recipe,
    branches: Sequence[FittedBranch],
    labelled: Sequence[Sample],
    unknown: Sequence[Sample],
    labels: Labels,
    plugins: PluginManager,
) -> FittedFusion:
    """Fit fusions, temperature and thresholds.

    :param labelled: samples of trained labels; those without out-of-fold outputs of every branch are left out.
    :param unknown: samples of other exercises.
    :raises InvalidInputError: no sample has out-of-fold outputs of every branch.
    """
    full = plugins.full_name("fusion", recipe.fusion)
    spec = plugins.fusion(full)
    held = [item for item in labelled if all(item.key in branch.out_of_fold for branch in branches)]
    if not held:
        raise InvalidInputError("fusion: expected clips with out-of-fold outputs of every branch, got none")
    exercise = _windows(branches, held, "exercise")
    truth = targets(held, "exercise", labels.exercise)
    fused, config, temperature = _best_space(spec, exercise, truth, labels)
    probabilities = _probabilities(fused / temperature, labels.exercise)
    unknown = [item for item in unknown if all(item.key in branch.final.outputs for branch in branches)]
    unknown_logits = (
        _fused(spec, config, _windows(branches, unknown, "exercise", held_out=False), labels) if unknown else None
    )
    enter, named, correct = calibration.naming_threshold(
        list(probabilities.reshape(-1, len(labels.exercise))),
        [item.group for item in held for _ in range(recipe.views)],
        []
        if unknown_logits is None
        else list(_probabilities(unknown_logits / temperature, labels.exercise).reshape(-1, len(labels.exercise))),
        labels.exercise,
        recipe.error_cost,
        len(held) / len(labelled),
    )
    muscles_entry, derived, muscles = _fit_muscles(recipe, spec, full, branches, held, probabilities, labels, plugins)
    tasks: dict[str, Any] = {}
    entries = {"exercise": FusionEntry(full, config_to_json(config)), "muscles": muscles_entry}
    for name in plugin_tasks(recipe):
        entries[name], tasks[name] = fit_task(
            plugins.task(name), spec, full, _spaces(spec)[-1], branches, held, labels.of(name)
        )
    mean = probabilities.mean(axis=1)
    alone = {
        name: exercise_metrics(_probabilities(logits, labels.exercise).mean(axis=1), held, labels)
        for name, logits in exercise.members.items()
    }
    return FittedFusion(
        fusion=entries,
        derived=derived,
        calibration=calibration.calibration(temperature, enter),
        metrics={
            "clips": len(held),
            **exercise_metrics(mean, held, labels),
            "branches": alone,
            "temperature": temperature,
            "enter": enter,
            "named": named,
            "named_correctly": correct,
            "unknown_clips": len(unknown),
            "muscles": muscles,
            **({"tasks": tasks} if tasks else {}),
        },
    )


def exercise_metrics(probabilities: FloatArray, samples: Sequence[Sample], labels: Labels) -> dict[str, Any]:
    """Top-1 accuracy and mean recall over exercises, of clips that show an exercise.

    :param probabilities: (clips, labels).
    """
    active = np.array([item.group != IDLE for item in samples])
    truth = targets(samples, "exercise", labels.exercise)[active]
    recall = metrics.recall_by_label(probabilities[active].argmax(axis=1), truth, labels.exercise)
    return {
        "top1": metrics.top_k(probabilities[active], truth, 1),
        "macro_recall": float(np.mean([entry["recall"] for entry in recall.values()])) if recall else None,
    }


def _windows(
    branches: Sequence[FittedBranch], samples: Sequence[Sample], task: Task, *, held_out: bool = True
) -> _HeldOutScores:
    def outputs(branch: FittedBranch) -> Mapping[str, Outputs]:
        return branch.out_of_fold if held_out else branch.final.outputs

    members = {
        branch.entry.name: np.stack([outputs(branch)[item.key][task] for item in samples])
        for branch in branches
        if any(head.task == task for head in branch.entry.heads)
    }
    return _HeldOutScores(samples, members)


def _best_space(
    spec: FusionSpec, windows: _HeldOutScores, truth: NDArray[np.int64], labels: Labels
) -> tuple[FloatArray, Any, float]:
    """Fused logits (clips, views, labels), configuration and temperature of the fusion's space with the lowest
    calibrated log loss."""
    tried = []
    for config in _spaces(spec):
        if spec.fit is not None and len(windows.members) > 1:
            flat = {
                name: _scores("exercise", logits.reshape(-1, logits.shape[-1]), labels)
                for name, logits in windows.members.items()
            }
            views = next(iter(windows.members.values())).shape[1]
            config = fit_fusion_config(spec, config, flat, np.repeat(truth, views))
        fused = _fused(spec, config, windows, labels)
        temperature = calibration.temperature(list(fused), truth)
        loss = calibration.log_loss(list(fused), truth, temperature)
        tried.append((loss, fused, config, temperature))
        if len(windows.members) == 1:
            break
    _, fused, config, temperature = min(tried, key=lambda one: one[0])
    return fused, config, temperature


def _spaces(spec: FusionSpec) -> list[Any]:
    """Configurations of a fusion for logits and for probabilities; only one for a fusion without that choice."""
    if "space" not in attrs.fields_dict(spec.config):
        return [spec.config()]
    return [spec.config(space="logits"), spec.config(space="probabilities")]


def _fused(spec: FusionSpec, config: Any, windows: _HeldOutScores, labels: Labels) -> FloatArray:
    shape = next(iter(windows.members.values())).shape
    flat = {
        name: _scores("exercise", logits.reshape(-1, shape[-1]), labels) for name, logits in windows.members.items()
    }
    return fuse_members(spec, config, flat).logits.reshape(shape)


def _scores(task: Task, logits: FloatArray, labels: Labels) -> Scores:
    return Scores(task, labels.of(task), logits, "softmax" if task == "exercise" else "sigmoid")


def _probabilities(logits: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Softmax of logits (..., labels), of the same shape."""
    flat = Scores("exercise", tuple(labels), logits.reshape(-1, len(labels)), "softmax").probabilities
    return flat.reshape(logits.shape)


def _fit_muscles(
    recipe: Recipe,
    spec: FusionSpec,
    full: str,
    branches: Sequence[FittedBranch],
    held: Sequence[Sample],
    exercise: FloatArray,
    labels: Labels,
    plugins: PluginManager,
) -> tuple[FusionEntry, tuple[DerivedEntry, ...], dict[str, Any]]:
    """Fit the fusion of the muscles heads and the look-up; return also metrics of each.

    :param exercise: calibrated, fused probabilities (clips, views, labels).
    """
    truth = targets(held, "muscles", labels.muscles)
    members: dict[str, Scores] = {}
    for name, logits in _windows(branches, held, "muscles").members.items():
        flat = _scores("muscles", logits.reshape(-1, logits.shape[-1]), labels).probabilities
        mean = flat.reshape(logits.shape).mean(axis=1)
        members[name] = _scores("muscles", to_logits(mean, "sigmoid"), labels)
    derived: tuple[DerivedEntry, ...] = ()
    if recipe.lookup_head:
        head_name = plugins.full_name("head", recipe.lookup_head)
        head = plugins.head(head_name)
        if not isinstance(head, DerivedHeadSpec) or head.task != "muscles":
            raise PluginError(f"head {head_name}: expected one that derives muscles")
        config = head.config()
        predicted = _scores("exercise", to_logits(exercise.mean(axis=1), "softmax"), labels)
        members[LOOKUP] = head.derive(config, predicted, labels.muscles)
        derived = (DerivedEntry(LOOKUP, "muscles", head_name, config_to_json(config)),)
    active = np.array([item.group != IDLE for item in held])

    def precision(scores: Scores) -> float | None:
        return metrics.mean_average_precision(scores.probabilities[active], truth[active])

    results: dict[str, Any] = {"branches": {name: precision(scores) for name, scores in members.items()}}
    unfitted = _spaces(spec)[-1]
    if spec.fit is None or len(members) == 1:
        results["map"] = precision(fuse_members(spec, unfitted, members))
        return FusionEntry(full, config_to_json(unfitted)), derived, results
    folds = np.array([item.fold for item in held])
    fused = np.zeros_like(truth)
    for fold in np.unique(folds):
        # The weights of the fusion must not be fitted on the clips that they are measured on.
        others = folds != fold if len(set(folds)) > 1 else folds == fold
        kept = fit_fusion_config(spec, unfitted, _rows(members, others), truth[others])
        fused[folds == fold] = fuse_members(spec, kept, _rows(members, folds == fold)).probabilities
    results["map"] = metrics.mean_average_precision(fused[active], truth[active])
    return FusionEntry(full, config_to_json(fit_fusion_config(spec, unfitted, members, truth))), derived, results


def _rows(members: Mapping[str, Scores], chosen: NDArray[np.bool_]) -> dict[str, Scores]:
    return {name: attrs.evolve(scores, logits=scores.logits[chosen]) for name, scores in members.items()}
