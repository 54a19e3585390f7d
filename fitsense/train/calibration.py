"""Temperature and thresholds, fitted on predictions for clips that were held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import Calibration
from fitsense.catalogue import IDLE
from fitsense.types import FloatArray, to_probabilities

# How far below the entering threshold an exercise may fall before it is given up.
_HYSTERESIS = 0.7


def temperature(logits: Sequence[FloatArray], targets: NDArray[np.int64]) -> float:
    """What to divide logits by for the least log loss, single windows taken alone (Guo et al., 2017).

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
    # Clips count alike, however many windows they have.
    return -float(np.average(np.log(of_truth + 1e-9), weights=np.repeat(1 / np.array(views), views)))


def naming_threshold(
    known: Sequence[FloatArray],
    truth: Sequence[str],
    foreign: Sequence[FloatArray],
    labels: Sequence[str],
    wrong_costs: float,
    share: float = 1.0,
) -> tuple[float, float, float]:
    """The threshold at which naming pays most: each right name gains 1, each wrong one costs `wrong_costs`.

    :param known: calibrated probabilities (labels,) of held-out windows of known labels.
    :param truth: their labels.
    :param foreign: those of windows of exercises that the model does not know; any name for one is wrong.
    :param share: of all clips of known labels, those that were held out: they stand for the others too, or else
        strangers, who are always there in full, would outnumber them.
    :returns: the threshold, the share of known exercise windows that are then named, and the share of those names
        that are right.
    """
    idle = labels.index(IDLE) if IDLE in labels else None
    scores, right, exercise, weights = [], [], [], []
    for probabilities, label in [*zip(known, truth, strict=True), *((p, None) for p in foreign)]:
        others = np.array(probabilities)
        if idle is not None:
            others[idle] = -1.0
        best = int(others.argmax())
        scores.append(others[best])
        right.append(labels[best] == label)
        exercise.append(label not in (None, IDLE))
        weights.append(1.0 if label is None else 1 / share)
    score, is_right, is_exercise, weight = np.array(scores), np.array(right), np.array(exercise), np.array(weights)

    def gain(threshold: float) -> float:
        named = score >= threshold
        return float(weight[named & is_right].sum() - wrong_costs * weight[named & ~is_right].sum())

    best_threshold = max(np.arange(0.2, 0.9, 0.01), key=gain)
    named = (score >= best_threshold) & is_exercise
    return (
        round(float(best_threshold), 2),
        float(named.sum() / max(is_exercise.sum(), 1)),
        float(is_right[named].mean()) if named.any() else 0.0,
    )


def calibration(temperature: float, enter: float) -> Calibration:
    """The bundle's calibration; exercises are left well below where they are entered."""
    return Calibration(temperature=temperature, enter=enter, exit=round(enter * _HYSTERESIS, 3))
