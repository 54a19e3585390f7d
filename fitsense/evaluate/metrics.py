"""Figures over a whole split at once, never averages over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.errors import MissingExtraError

BINS = 15
"""Number of bins of confidence of the calibration error."""


def require() -> None:
    """Raise :class:`MissingExtraError` now rather than after the work, if figures cannot be computed."""
    _sklearn_metrics()


def top_k(probabilities: NDArray[Any], truth: NDArray[np.int64], k: int) -> float | None:
    """Share of the clips whose label is among the `k` likeliest; None for no clips.

    :param probabilities: (clips, labels).
    :param truth: int64 (clips,).
    """
    return float(among_top(probabilities, truth, k).mean()) if len(truth) else None


def among_top(probabilities: NDArray[Any], truth: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Mask of the clips whose label is among the `k` most likely ones, (clips,).

    :param probabilities: (clips, labels).
    :param truth: int64 (clips,).
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((best == truth[:, None]).any(axis=1))


def recall_by_label(
    predicted: NDArray[np.int64], truth: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, dict[str, float | int]]:
    """Number of clips and recall of each label with clips."""
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


def precision_and_f1(
    predicted: NDArray[np.int64], truth: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Precision, None without predictions, and F1 of each label with clips."""
    precision, _, f1s, _ = _sklearn_metrics().precision_recall_fscore_support(
        truth, predicted, labels=range(len(labels)), zero_division=0
    )
    return {
        label: {
            "precision": float(precision[index]) if (predicted == index).any() else None,
            "f1": float(f1s[index]),
        }
        for index, label in enumerate(labels)
        if (truth == index).any()
    }


def average_precision(scores: NDArray[Any], truth: NDArray[Any]) -> list[float | None]:
    """The area under each column's precision-recall curve; None where a column has no positives.

    :param scores: (clips, columns).
    :param truth: (clips, columns) of 0 and 1.
    """
    metrics = _sklearn_metrics()
    return [
        float(metrics.average_precision_score(positive, column)) if positive.any() else None
        for column, positive in zip(scores.T, truth.T, strict=True)
    ]


def mean_average_precision(scores: NDArray[Any], truth: NDArray[Any]) -> float | None:
    """Mean of :func:`average_precision` over the columns that have positives.

    :param scores: (clips, groups).
    :param truth: (clips, groups) of 0 and 1.
    """
    present = [value for value in average_precision(scores, truth) if value is not None]
    return float(np.mean(present)) if present else None


def precision_recall(scores: NDArray[Any], positive: NDArray[np.bool_]) -> list[list[float]]:
    """The curve whose area is the average precision: [recall, precision] wherever recall rises, which it does from 0.

    :param scores: (clips,).
    :param positive: (clips,).
    """
    if not positive.any():
        return []
    precision, recall, _ = _sklearn_metrics().precision_recall_curve(positive, scores)
    rises = np.flatnonzero(np.diff(recall[::-1]) > 0) + 1
    return [[round(float(recall[::-1][i]), 4), round(float(precision[::-1][i]), 4)] for i in rises]


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


def f1_by_column(scores: NDArray[Any], truth: NDArray[Any], threshold: float = 0.5) -> list[float | None]:
    """F1 of ``scores >= threshold`` for each column; None where a column has no positives."""
    metrics = _sklearn_metrics()
    return [
        float(metrics.f1_score(positive, column >= threshold, zero_division=0)) if positive.any() else None
        for column, positive in zip(scores.T, truth.T, strict=True)
    ]


def label_accuracy(scores: NDArray[Any], truth: NDArray[np.bool_], threshold: float = 0.5) -> float | None:
    """Share of all labels of all clips that ``scores >= threshold`` gets right; high wherever labels are rare."""
    return float(((scores >= threshold) == truth).mean()) if truth.size else None


def auroc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve; None where there are only positives or only negatives."""
    if positive.all() or not positive.any():
        return None
    return float(_sklearn_metrics().roc_auc_score(positive, scores))


def reliability(confidence: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS) -> list[dict[str, Any]]:
    """Accuracy by confidence, in bins of equal width that include their upper edge.

    :param confidence: in 0..1, (answers,).
    :param right: (answers,).
    :returns: edges, number of answers, mean confidence and accuracy of each bin; None for an empty bin.
    """
    index = confidence_bins(confidence, bins)
    table = []
    for bin_ in range(bins):
        here = index == bin_
        table.append(
            {
                "low": bin_ / bins,
                "high": (bin_ + 1) / bins,
                "count": int(here.sum()),
                "confidence": float(confidence[here].mean()) if here.any() else None,
                "accuracy": float(right[here].mean()) if here.any() else None,
            }
        )
    return table


def confidence_bins(confidence: NDArray[Any], bins: int = BINS) -> NDArray[np.int64]:
    """Index of the bin of each confidence among `bins` equal parts of 0..1, (answers,)."""
    return np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_error(confidence: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS) -> float | None:
    """Expected calibration error (Guo et al., 2017): the mean gap between confidence and share of right answers
    over the bins of :func:`reliability`, weighted by their answers; None for no answers."""
    if len(confidence) == 0:
        return None
    gaps = np.bincount(confidence_bins(confidence, bins), weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_error_by_chance(confidence: NDArray[Any], bins: int = BINS, draws: int = 1000) -> float | None:
    """The mean :func:`calibration_error` of answers that are right exactly as often as they are sure; with few
    answers it is far above 0 (Broecker and Smith, 2007). None for no answers."""
    if len(confidence) == 0:
        return None
    # Sorted, so that the order of clips does not decide who gets which random number.
    sure = np.sort(np.asarray(confidence, np.float64))
    random = np.random.default_rng(0)
    errors = [calibration_error(sure, random.random(len(sure)) < sure, bins) for _ in range(draws)]
    return float(np.mean(np.array(errors)))


def log_loss(probabilities: NDArray[Any], truth: NDArray[np.int64]) -> float | None:
    """Mean negative logarithm of the probability of the truth; None for no clips.

    :param probabilities: (clips, labels).
    :param truth: int64 (clips,).
    """
    if len(truth) == 0:
        return None
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-9, None)).mean())


def _sklearn_metrics() -> Any:
    try:
        import sklearn.metrics
    except ImportError as error:
        raise MissingExtraError("evaluation", "torch", error) from error
    return sklearn.metrics
