"""The weight between two branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.data.splits import folds_by
from fitsense.errors import PluginError
from fitsense.experiments.base import Figure, Plot, Result, Row, Setting, Table
from fitsense.experiments.dataset import ExperimentData
from fitsense.experiments.finetune_runs import FinetuneRuns
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.predictions import EXERCISE, MUSCLES, Predictions, differences, figures, log_loss
from fitsense.inference.members import fit_fusion_config, fuse_members
from fitsense.plugins.specs import FusionSpec
from fitsense.train.heads import targets
from fitsense.train.recipe import Recipe
from fitsense.types import FloatArray, Scores, Task

name = "fusion-curve"
question = "How does the weight between X3D and SlowFast matter, and is their fusion better than each alone?"

_X3D, _SLOWFAST = "x3d", "slowfast"
_STEPS = 20
_MEASURES = EXERCISE | {"log loss": log_loss} | MUSCLES
_HEADLINES: Mapping[Task, str] = {"exercise": "top-1", "muscles": "mAP"}

_Windows = Mapping[str, FloatArray]
"""Logits (clips, views, labels) by branch."""


def run(setting: Setting) -> Result:
    """Train both networks, and fuse their logits with each weight.

    The stated weights are fitted on the held-out clips, like those of a bundle. The metrics of the ensemble are
    cross-fitted: the weights for each fold are fitted on the other folds.
    """
    scale, data = setting.scale, ExperimentData.of(setting)
    ways = {_X3D: (scale.x3d, setting.weights), _SLOWFAST: (scale.slowfast, setting.slowfast_weights)}
    runs_of = {name: FinetuneRuns.of(setting, data, network) for name, (network, _) in ways.items()}
    tuned = {
        branch: runs_of[branch].train(network, weights)
        for branch, (network, weights) in setting.track(list(ways.items()), "Trainings")
    }
    spec = setting.plugins.fusion(Recipe().fusion)
    if spec.fit is None:
        raise PluginError(f"fusion {Recipe().fusion}: expected a fusion that can be fitted")
    labels, samples = data.pool.labels, [recording.sample for recording in runs_of[_X3D].held_out]
    folds = np.array(folds_by(samples, "scene"))
    curve: dict[float, dict[Task, FloatArray]] = {round(step / _STEPS, 4): {} for step in range(_STEPS + 1)}
    ensemble: dict[Task, FloatArray] = {}
    fitted: dict[Task, float] = {}
    for task in _HEADLINES:
        windows = {branch: one.logits[task] for branch, one in tuned.items()}
        names, truth = labels.of(task), targets(samples, task, labels.of(task))
        for weight, predicted in curve.items():
            config = spec.config(weights={_X3D: 1.0 - weight, _SLOWFAST: weight})
            predicted[task] = _join(spec, config, task, windows, names)
        fitted[task] = _fit(spec, task, windows, names, truth).weights[_SLOWFAST]
        ensemble[task] = _cross_fitted(spec, task, windows, names, truth, folds)

    def answers(predicted: Mapping[Task, FloatArray]) -> Predictions:
        return Predictions.of(samples, labels, predicted["exercise"], predicted["muscles"])

    points = {weight: answers(predicted) for weight, predicted in curve.items()}
    joined, alone = answers(ensemble), {_X3D: points[0.0], _SLOWFAST: points[1.0]}
    draws = joined.draws()
    measured = {weight: figures(one, _MEASURES, draws) for weight, one in points.items()}
    ahead = {branch: differences(joined, one, _MEASURES, draws) for branch, one in alone.items()}
    sentences = [
        f"For {task} the fitted weight of SlowFast is {fitted[task]:.2f}; with weights fitted on other clips, the "
        f"ensemble's {headline} is "
        + " and ".join(
            f"{format_metric(over[headline], difference=True)} from {branch} alone ({verdict(over[headline])})"
            for branch, over in ahead.items()
        )
        + "."
        for task, headline in _HEADLINES.items()
    ]
    return Result(
        measured=f"{scale.describe(scale.x3d)}; {scale.describe(scale.slowfast)}; {runs_of[_X3D].describe()}.",
        tables=[
            Table(
                "Ensemble and single networks",
                [
                    Row("ensemble, cross-fitted", figures(joined, _MEASURES, draws)),
                    *(Row(branch, figures(one, _MEASURES, draws)) for branch, one in alone.items()),
                    *(Row(f"ensemble − {branch}", over, difference=True) for branch, over in ahead.items()),
                ],
            ),
            Table("By SlowFast's weight", [Row(f"{weight:.2f}", row) for weight, row in measured.items()]),
        ],
        answer=" ".join(sentences),
        skipped=[skip for runs in runs_of.values() for skip in runs.skipped],
        plots=[
            _plot("Accuracy", ("top-1", "macro recall", "mAP"), measured, fitted),
            _plot("Log loss", ("log loss",), measured, {"exercise": fitted["exercise"]}),
        ],
    )


def _plot(
    title: str, lines: tuple[str, ...], measured: Mapping[float, Mapping[str, Figure]], fitted: Mapping[Task, float]
) -> Plot:
    return Plot(
        title,
        "weight of SlowFast; the rest is X3D's",
        {line: [(weight, row[line]) for weight, row in measured.items()] for line in lines},
        {f"fitted for {task}": weight for task, weight in fitted.items()},
    )


def _fit(spec: FusionSpec, task: Task, windows: _Windows, labels: tuple[str, ...], truth: NDArray[Any]) -> Any:
    """Fit the fusion's configuration to clips, each window separately."""
    views = next(iter(windows.values())).shape[1]
    return fit_fusion_config(spec, spec.config(), _scores(task, windows, labels), np.repeat(truth, views, axis=0))


def _join(spec: FusionSpec, config: Any, task: Task, windows: _Windows, labels: tuple[str, ...]) -> FloatArray:
    """Probabilities (clips, labels) of fused branches, averaged over windows."""
    shape = next(iter(windows.values())).shape
    joined = fuse_members(spec, config, _scores(task, windows, labels)).probabilities
    return np.asarray(joined.reshape(shape).mean(axis=1), dtype=np.float32)


def _cross_fitted(
    spec: FusionSpec,
    task: Task,
    windows: _Windows,
    labels: tuple[str, ...],
    truth: NDArray[Any],
    folds: NDArray[np.int64],
) -> FloatArray:
    """Fuse like :func:`_join`, each fold with the configuration that is fitted to the others."""
    predicted = np.zeros((len(folds), len(labels)), np.float32)
    for fold in np.unique(folds):
        here, others = folds == fold, folds != fold
        if not others.any():
            # There is only one scene to fit on.
            others = here
        config = _fit(spec, task, _rows(windows, others), labels, truth[others])
        predicted[here] = _join(spec, config, task, _rows(windows, here), labels)
    return predicted


def _rows(windows: _Windows, chosen: NDArray[np.bool_]) -> dict[str, FloatArray]:
    return {branch: logits[chosen] for branch, logits in windows.items()}


def _scores(task: Task, windows: _Windows, labels: tuple[str, ...]) -> dict[str, Scores]:
    return {
        branch: Scores(task, labels, logits.reshape(-1, len(labels)), "softmax" if task == "exercise" else "sigmoid")
        for branch, logits in windows.items()
    }
