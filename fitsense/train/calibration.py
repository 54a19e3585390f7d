"""Temperature and thresholds, fitted on predictions for clips that were held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import Calibration
from fitsense.catalogue import IDLE
from fitsense.types import FloatArray, to_probabilities

# The exit threshold as a share of the enter threshold.
_HYSTERESIS = 0.7


def temperature(logits: Sequence[FloatArray], targets: NDArray[np.int64]) -> float:
    """Temperature: the divisor of logits with the lowest log loss of single windows (Guo et al., 2017).

    :param logits: float32 (views, labels) for each clip.
    :param targets: int64 (clips,).
    """
    candidates = np.geomspace(0.1, 5.0, 120)
    return round(float(min(candidates, key=lambda value: log_loss(logits, targets, value))), 4)


def log_loss(logits: Sequence[FloatArray], targets: NDArray[np.int64], temperature: float) -> float:
    """Mean log loss of single windows at a temperature; arguments as for :func:`temperature`."""
    views = [len(clip) for clip in logits]
    probabilities = to_probabilities(np.concatenate(logits) / np.float32(temperature), "softmax")
    of_truth = probabilities[np.arange(len(probabilities)), np.repeat(targets, views)]
    # Every clip has the same weight, whatever its number of windows.
    return -float(np.average(np.log(of_truth + 1e-9), weights=np.repeat(1 / np.array(views), views)))


def naming_threshold(
    known: Sequence[FloatArray],
    truth: Sequence[str],
    unknown: Sequence[FloatArray],
    labels: Sequence[str],
    error_cost: float,
    share: float = 1.0,
) -> tuple[float, float, float]:
    """Naming threshold of the highest gain: each correct name gains 1, each wrong one costs `error_cost`.

    :param known: calibrated probabilities (labels,) of held-out windows of known labels.
    :param truth: labels of these windows.
    :param unknown: probabilities of windows of exercises that the model does not know; any name for one is wrong.
    :param share: share of the clips of known labels that was held out. Known windows are weighted by its inverse,
        since all unknown clips are there.
    :returns: the threshold, the share of known exercise windows that it names, and the share of these names that is
        correct.
    """
    idle = labels.index(IDLE) if IDLE in labels else None
    scores, correct, exercise, weights = [], [], [], []
    for probabilities, label in [*zip(known, truth, strict=True), *((p, None) for p in unknown)]:
        others = np.array(probabilities)
        if idle is not None:
            others[idle] = -1.0
        best = int(others.argmax())
        scores.append(others[best])
        correct.append(labels[best] == label)
        exercise.append(label not in (None, IDLE))
        weights.append(1.0 if label is None else 1 / share)
    score, is_correct, is_exercise, weight = np.array(scores), np.array(correct), np.array(exercise), np.array(weights)

    def gain(threshold: float) -> float:
        named = score >= threshold
        return float(weight[named & is_correct].sum() - error_cost * weight[named & ~is_correct].sum())

    best_threshold = max(np.arange(0.2, 0.9, 0.01), key=gain)
    named = (score >= best_threshold) & is_exercise
    return (
        round(float(best_threshold), 2),
        float(named.sum() / max(is_exercise.sum(), 1)),
        float(is_correct[named].mean()) if named.any() else 0.0,
    )


def calibration(temperature: float, enter: float) -> Calibration:
    """Calibration of a bundle; the exit threshold is well below the enter threshold."""
    return Calibration(temperature=temperature, enter=enter, exit=round(enter * _HYSTERESIS, 3))
