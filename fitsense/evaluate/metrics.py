"""Figures over a whole split at once, never averages over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.errors import MissingExtraError


def require() -> None:
    """Raise :class:`MissingExtraError` now rather than after the work, if figures cannot be computed."""
    _sklearn_metrics()


def top_k(probabilities: NDArray[Any], truth: NDArray[np.int64], k: int) -> float | None:
    """Share of the clips whose label is among the `k` likeliest; None for no clips.

    :param probabilities: (clips, labels).
    :param truth: int64 (clips,).
    """
    if len(truth) == 0:
        return None
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == truth[:, None]).any(axis=1).mean())


def recall_by_label(
    predicted: NDArray[np.int64], truth: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, dict[str, float | int]]:
    """For each label that occurs: how many clips, and the share that is named rightly."""
    return {
        label: {
            "clips": int((truth == index).sum()),
            "recall": float((predicted[truth == index] == index).mean()),
        }
        for index, label in enumerate(labels)
        if (truth == index).any()
    }


def confusion(predicted: NDArray[np.int64], truth: NDArray[np.int64], labels: int) -> list[list[int]]:
    """Counts: row is truth, column is prediction."""
    matrix = np.zeros((labels, labels), dtype=int)
    np.add.at(matrix, (truth, predicted), 1)
    return [[int(count) for count in row] for row in matrix]


def mean_average_precision(scores: NDArray[Any], truth: NDArray[Any]) -> float | None:
    """Mean over the columns that have positives of the area under the precision-recall curve.

    :param scores: (clips, groups).
    :param truth: (clips, groups) of 0 and 1.
    """
    metrics = _sklearn_metrics()
    present = truth.any(axis=0)
    if not present.any():
        return None
    return float(np.mean([metrics.average_precision_score(truth[:, i], scores[:, i]) for i in np.flatnonzero(present)]))


def f1(scores: NDArray[Any], truth: NDArray[Any], threshold: float = 0.5) -> dict[str, float | None]:
    """Micro and macro F1 of ``scores >= threshold``; macro over the columns that have positives."""
    if len(truth) == 0:
        return {"micro": None, "macro": None}
    metrics = _sklearn_metrics()
    predicted = scores >= threshold
    present = truth.any(axis=0)
    return {
        "micro": float(metrics.f1_score(truth, predicted, average="micro", zero_division=0)),
        "macro": float(metrics.f1_score(truth[:, present], predicted[:, present], average="macro", zero_division=0)),
    }


def label_accuracy(scores: NDArray[Any], truth: NDArray[np.bool_], threshold: float = 0.5) -> float | None:
    """Share of all labels of all clips that ``scores >= threshold`` gets right; high wherever labels are rare."""
    return float(((scores >= threshold) == truth).mean()) if truth.size else None


def auroc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve; None where there are only positives or only negatives."""
    if positive.all() or not positive.any():
        return None
    return float(_sklearn_metrics().roc_auc_score(positive, scores))


def _sklearn_metrics() -> Any:
    try:
        import sklearn.metrics
    except ImportError as error:
        raise MissingExtraError("evaluation", "torch", error) from error
    return sklearn.metrics
