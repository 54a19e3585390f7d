"""Metrics of the tasks that plugins declare, by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.evaluate import metrics
from fitsense.plugins.tasks import TaskKind, TaskSpec
from fitsense.types import FloatArray

MAIN: dict[TaskKind, tuple[str, str]] = {
    "one_of_many": ("top1", "top-1 accuracy"),
    "many_of_many": ("map", "mean average precision"),
    "regression": ("mae", "mean absolute error"),
}
"""Key and title of the main metric of each kind."""


def task_metrics(task: TaskSpec, labels: Sequence[str], values: FloatArray, truth: NDArray[Any]) -> dict[str, Any]:
    """Metrics of predicted values, with those of a baseline that says the same of every clip.

    :param values: predicted values, (clips, labels).
    :param truth: targets, see :func:`fitsense.data.task_targets.task_targets`.
    """
    result: dict[str, Any] = {"kind": task.kind, "clips": len(values), "labels": list(labels)}
    if task.unit:
        result["unit"] = task.unit
    if not len(values):
        return {**result, MAIN[task.kind][0]: None}
    if task.kind == "one_of_many":
        recall = metrics.recall_by_label(values.argmax(axis=1), truth, labels)
        return {
            **result,
            "top1": metrics.top_k(values, truth, 1),
            "macro_recall": float(np.mean([entry["recall"] for entry in recall.values()])),
            "top1_baseline": float(np.bincount(truth).max() / len(truth)),
            "by_label": recall,
        }
    if task.kind == "many_of_many":
        return {
            **result,
            "map": metrics.mean_average_precision(values, truth > 0.5),
            "map_baseline": float(np.mean([share for share in truth.mean(axis=0) if share > 0] or [0.0])),
            "f1": metrics.f1(values, truth > 0.5),
        }
    error = np.asarray(values - truth, dtype=np.float64)
    spread = np.asarray(truth - truth.mean(axis=0), dtype=np.float64)
    total = float(np.square(spread).sum())
    return {
        **result,
        "mae": float(np.abs(error).mean()),
        "mae_baseline": float(np.abs(truth - np.median(truth, axis=0)).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "r2": 1.0 - float(np.square(error).sum()) / total if total > 0 else None,
    }


def metrics_row(name: str, figures: dict[str, Any]) -> str:
    """One line of text about a task: its clips, its main metric, and the baseline's."""
    key, title = MAIN[figures["kind"]]
    value, baseline = figures[key], figures.get(f"{key}_baseline")
    unit = f" {figures['unit']}" if figures.get("unit") else ""
    if value is None:
        return f"{name}: {figures['clips']} clips"
    stated = "" if baseline is None else f", the same answer for every clip {baseline:.3f}"
    return f"{name}: {figures['clips']} clips: {title} {value:.3f}{unit}{stated}"
