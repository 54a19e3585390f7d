"""Figures on cases whose answer is known, and laws that hold for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fitsense.evaluate import metrics
from tests.evaluate.strategies import Answers, Ranked, answers, ranked

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]])
TRUTH = np.array([0, 2, 1, 2])


def test_top_k_counts_labels_among_the_k_best() -> None:
    assert metrics.top_k(PROBABILITIES, TRUTH, 1) == 0.75
    assert metrics.top_k(PROBABILITIES, TRUTH, 2) == 1.0
    assert metrics.top_k(PROBABILITIES[:0], TRUTH[:0], 1) is None


def test_recall_and_confusion_count_by_label() -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    recall = metrics.recall_by_label(predicted, TRUTH, ("a", "b", "c"))
    assert recall == {
        "a": {"clips": 1, "recall": 1.0},
        "b": {"clips": 1, "recall": 1.0},
        "c": {"clips": 2, "recall": 0.5},
    }
    assert metrics.confusion(predicted, TRUTH, 3) == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_metrics_of_a_perfect_model_are_one_for_any_label_distribution() -> None:
    """Averages over batches, as the paper's code took, would give about .73 here."""
    truth = np.eye(11, dtype=int)[np.arange(40) % 11]
    truth[:, 10] = 0
    assert metrics.mean_average_precision(truth * 0.9, truth) == 1.0
    assert metrics.f1(truth * 0.9, truth) == {"micro": 1.0, "macro": 1.0}


def test_average_precision_of_a_known_ranking_is_exact() -> None:
    truth = np.array([[1], [0], [1], [0]])
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])
    assert metrics.mean_average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_label_accuracy_of_all_negative_answers_is_high() -> None:
    truth = np.eye(10, dtype=bool)
    assert metrics.label_accuracy(np.zeros((10, 10)), truth) == 0.9
    assert metrics.label_accuracy(np.zeros((0, 10)), truth[:0]) is None


def test_auroc_of_a_known_ranking_is_exact() -> None:
    assert metrics.auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert metrics.auroc(np.array([0.1]), np.array([True])) is None


def test_precision_and_f1_are_by_label() -> None:
    figures = metrics.precision_and_f1(np.array([0, 2, 1, 1]), np.array([0, 2, 1, 3]), ("a", "b", "c", "d"))
    assert figures["a"] == {"precision": 1.0, "f1": 1.0}
    assert figures["b"] == {"precision": 0.5, "f1": pytest.approx(2 / 3)}
    assert figures["d"] == {"precision": None, "f1": 0.0}, "what is never answered has no precision"


def test_log_loss_of_uniform_probabilities_is_exact() -> None:
    assert metrics.log_loss(np.full((3, 4), 0.25), np.array([0, 1, 3])) == pytest.approx(np.log(4))
    assert metrics.log_loss(np.zeros((0, 4)), np.zeros(0, int)) is None


@given(ranked())
def test_precision_recall_area_equals_average_precision(case: Ranked) -> None:
    scores, positive = case
    curve = metrics.precision_recall(scores, positive)
    area, before = 0.0, 0.0
    for recall, precision in curve:
        assert recall > before
        area, before = area + (recall - before) * precision, recall
    (expected,) = metrics.average_precision(scores[:, None], positive[:, None])
    assert area == pytest.approx(expected or 0.0, abs=1e-3), "points are rounded to four decimals"


@given(ranked())
def test_ranking_metrics_are_invariant_to_monotone_maps(case: Ranked) -> None:
    scores, positive = case
    mapped = np.exp(3 * scores) - 7
    assert metrics.auroc(mapped, positive) == metrics.auroc(scores, positive)
    assert metrics.average_precision(mapped[:, None], positive[:, None]) == metrics.average_precision(
        scores[:, None], positive[:, None]
    )


@given(ranked())
def test_auroc_of_negated_scores_is_complementary(case: Ranked) -> None:
    scores, positive = case
    area, turned = metrics.auroc(scores, positive), metrics.auroc(-scores, positive)
    if area is None or turned is None:
        assert positive.all() or not positive.any()
    else:
        assert area + turned == pytest.approx(1.0)


@given(st.lists(st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_calibration_error_of_calibrated_answers_is_zero(
    groups: list[tuple[int, int]],
) -> None:
    confidence = np.concatenate([np.full(n, right / n) for right, n in groups])
    right = np.concatenate([np.arange(n) < right for right, n in groups])
    assert metrics.calibration_error(confidence, right) == pytest.approx(0.0, abs=1e-9)


@given(answers())
def test_calibration_error_obeys_its_bounds(case: Answers) -> None:
    confidence, right = case
    error = metrics.calibration_error(confidence, right)
    assert error is not None
    assert 0.0 <= error <= 1.0
    # In fewer bins, gaps cancel out.
    assert error >= abs(confidence.mean() - right.mean()) - 1e-9
    order = np.random.default_rng(0).permutation(len(right))
    assert metrics.calibration_error(confidence[order], right[order]) == pytest.approx(error)
    assert metrics.calibration_error(np.tile(confidence, 3), np.tile(right, 3)) == pytest.approx(error)


@given(answers())
def test_reliability_counts_every_answer_and_gives_the_calibration_error(case: Answers) -> None:
    confidence, right = case
    table = metrics.reliability(confidence, right)
    assert sum(bin_["count"] for bin_ in table) == len(right)
    full = [bin_ for bin_ in table if bin_["count"]]
    for bin_ in full:
        assert bin_["low"] - 1e-9 <= bin_["confidence"] <= bin_["high"] + 1e-9
    gap = sum(bin_["count"] * abs(bin_["confidence"] - bin_["accuracy"]) for bin_ in full) / len(right)
    assert metrics.calibration_error(confidence, right) == pytest.approx(gap)


def test_calibration_error_of_a_calibrated_model_falls_as_expected_by_chance() -> None:
    random = np.random.default_rng(1)
    errors: list[float] = []
    by_chance: list[float] = []
    for clips in (100, 2_000, 40_000):
        confidence = random.uniform(0.2, 1.0, clips)
        errors.append(metrics.calibration_error(confidence, random.random(clips) < confidence) or 0.0)
        by_chance.append(metrics.calibration_error_by_chance(confidence, draws=50) or 0.0)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01
    assert by_chance[0] / by_chance[2] == pytest.approx(20, rel=0.15), "as the root of the number of clips"
    for error, chance in zip(errors, by_chance, strict=True):
        assert chance / 2 < error < chance * 2


def test_calibration_error_of_no_answers_is_none() -> None:
    nothing: NDArray[np.float64] = np.zeros(0)
    assert metrics.calibration_error(nothing, np.zeros(0, bool)) is None
    assert metrics.calibration_error_by_chance(nothing) is None
