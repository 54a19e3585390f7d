"""Fusion of the branches for a task that a plugin declares, fitted on their out-of-fold outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_to_json
from fitsense.bundles.manifest import DerivedEntry, FusionEntry, Labels
from fitsense.data.samples import Sample
from fitsense.data.task_targets import has_target, task_targets
from fitsense.errors import InvalidInputError
from fitsense.evaluate.task_metrics import task_metrics
from fitsense.inference.base import EVIDENCE
from fitsense.inference.members import fit_fusion_config, fuse_members
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, FusionSpec
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.train.recipe import Recipe
from fitsense.train.trained_branch import FittedBranch, Outputs
from fitsense.types import Scores, to_logits, to_probabilities


@attrs.frozen(eq=False)
class DerivedMember:
    """A member of a fusion whose scores a head derives from the exercise.

    :param scores: of all held-out clips.
    """

    entry: DerivedEntry
    scores: Scores


def derived_members(recipe: Recipe, plugins: PluginManager, exercise: Scores, labels: Labels) -> list[DerivedMember]:
    """Members that a recipe's derived heads give.

    :param exercise: fused, calibrated scores of the held-out clips.
    :raises InvalidInputError: a head derives from another task than the exercise, or derives a task of fitsense.
    """
    members = []
    for name in recipe.derived_heads:
        full = plugins.full_name("head", name)
        head = plugins.head(full)
        if not isinstance(head, DerivedHeadSpec) or head.from_task != "exercise" or head.task in RESERVED:
            raise InvalidInputError(
                f"derived_heads: expected heads that derive plugins' tasks from exercise, got {full}"
            )
        config = head.config()
        scores = head.derive(config, exercise, labels.of(head.task))
        entry = DerivedEntry(head.name, head.task, full, config_to_json(config))
        members.append(DerivedMember(entry, scores))
    return members


def fit_task(
    task: TaskSpec,
    spec: FusionSpec,
    full: str,
    unfitted: Any,
    branches: Sequence[FittedBranch],
    samples: Sequence[Sample],
    labels: tuple[str, ...],
    derived: Sequence[DerivedMember] = (),
) -> tuple[FusionEntry, dict[str, Any]]:
    """Fit the fusion of a task; return also metrics of it and of each branch.

    :param spec: the fusion, with its full name and its configuration before it is fitted.
    :param samples: held-out samples, with out-of-fold outputs of every branch.
    :param derived: members that heads derive from the exercise, also those of other tasks.
    :raises InvalidInputError: none of the samples is labelled for the task.
    """
    labelled = np.array([has_target(item, task) for item in samples])
    held = [item for item in samples if has_target(item, task)]
    if not held:
        raise InvalidInputError(
            f"task {task.name}: expected held-out clips with a cell in the column {task.name}, got none"
        )
    members = {
        branch.entry.name: _mean_over_views(task, [branch.out_of_fold[item.key] for item in held], labels)
        for branch in branches
        if any(head.task == task.name for head in branch.entry.heads)
    }
    members |= _rows({one.entry.name: one.scores for one in derived if one.entry.task == task.name}, labelled)
    truth = task_targets(held, task, labels)

    def metrics(scores: Scores) -> dict[str, Any]:
        return task_metrics(task, labels, scores.probabilities, truth)

    results: dict[str, Any] = {"branches": {name: metrics(scores) for name, scores in members.items()}}
    if spec.fit is None or len(members) == 1:
        return FusionEntry(full, config_to_json(unfitted)), {
            **metrics(fuse_members(spec, unfitted, members)),
            **results,
        }
    folds = np.array([item.fold for item in held])
    fused = next(iter(members.values())).logits.copy()
    for fold in np.unique(folds):
        # Metrics are of clips on which the weights of the fusion were not fitted.
        others = folds != fold if len(set(folds)) > 1 else folds == fold
        fitted = fit_fusion_config(spec, unfitted, _rows(members, others), truth[others])
        fused[folds == fold] = fuse_members(spec, fitted, _rows(members, folds == fold)).logits
    results = {**metrics(attrs.evolve(next(iter(members.values())), logits=fused)), **results}
    return FusionEntry(full, config_to_json(fit_fusion_config(spec, unfitted, members, truth))), results


def _mean_over_views(task: TaskSpec, outputs: Sequence[Outputs], labels: tuple[str, ...]) -> Scores:
    """Scores whose values are the means over the views of each clip."""
    values = np.stack([to_probabilities(each[task.name], task.activation).mean(axis=0) for each in outputs])
    evidence = np.array([each[EVIDENCE].mean() for each in outputs]) if EVIDENCE in outputs[0] else None
    return Scores(task.name, labels, to_logits(values.astype(np.float32), task.activation), task.activation, evidence)


def _rows(members: Mapping[str, Scores], chosen: NDArray[np.bool_]) -> dict[str, Scores]:
    return {name: scores.select(chosen) for name, scores in members.items()}
