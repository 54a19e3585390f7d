"""Figures on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense.evaluate import metrics

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]])
TRUTH = np.array([0, 2, 1, 2])


def test_top_k() -> None:
    assert metrics.top_k(PROBABILITIES, TRUTH, 1) == 0.75
    assert metrics.top_k(PROBABILITIES, TRUTH, 2) == 1.0
    assert metrics.top_k(PROBABILITIES[:0], TRUTH[:0], 1) is None


def test_recall_and_confusion() -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    recall = metrics.recall_by_label(predicted, TRUTH, ("a", "b", "c"))
    assert recall == {
        "a": {"clips": 1, "recall": 1.0},
        "b": {"clips": 1, "recall": 1.0},
        "c": {"clips": 2, "recall": 0.5},
    }
    assert metrics.confusion(predicted, TRUTH, 3) == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_a_perfect_model_gets_one_over_the_whole_set_however_labels_are_spread() -> None:
    """Averages over batches, as the paper's code took, would give about .73 here."""
    truth = np.eye(11, dtype=int)[np.arange(40) % 11]
    truth[:, 10] = 0
    assert metrics.mean_average_precision(truth * 0.9, truth) == 1.0
    assert metrics.f1(truth * 0.9, truth) == {"micro": 1.0, "macro": 1.0}


def test_average_precision_of_a_known_ranking() -> None:
    truth = np.array([[1], [0], [1], [0]])
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])
    assert metrics.mean_average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_label_accuracy_flatters_whoever_says_no() -> None:
    truth = np.eye(10, dtype=bool)
    assert metrics.label_accuracy(np.zeros((10, 10)), truth) == 0.9
    assert metrics.label_accuracy(np.zeros((0, 10)), truth[:0]) is None


def test_auroc() -> None:
    assert metrics.auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert metrics.auroc(np.array([0.1]), np.array([True])) is None
