"""Temperature and thresholds, fitted on predictions for clips that were held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import Calibration
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.types import FloatArray, to_probabilities

# The exit threshold as a share of the enter threshold.
_HYSTERESIS = 0.7
# Share of the labels that the temperature is fitted as if they were drawn at random. Without it, the few windows that
# are wrong by far decide: a temperature that suits them makes all others less sure than they are right.
_STRAY = 0.02


def temperature(logits: Sequence[FloatArray], targets: NDArray[np.int64]) -> float:
    """Temperature: the divisor of logits with the lowest log loss of single windows (Guo et al., 2017), of which a few
    may be anything.

    :param logits: float32 (views, labels) for each clip.
    :param targets: int64 (clips,).
    """
    candidates = np.geomspace(0.1, 20.0, 160)
    return round(float(min(candidates, key=lambda value: log_loss(logits, targets, value, _STRAY))), 4)


def log_loss(logits: Sequence[FloatArray], targets: NDArray[np.int64], temperature: float, stray: float = 0.0) -> float:
    """Mean log loss of single windows at a temperature; arguments as for :func:`temperature`.

    :param stray: share of the labels that are drawn at random from all.
    """
    views = [len(clip) for clip in logits]
    probabilities = to_probabilities(np.concatenate(logits) / np.float32(temperature), "softmax")
    of_truth = probabilities[np.arange(len(probabilities)), np.repeat(targets, views)]
    of_truth = (1 - stray) * of_truth + stray / probabilities.shape[1]
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
    probabilities = np.stack([*known, *unknown])
    best, score = best_exercise(probabilities, labels)
    stated = [*truth, *[None] * len(unknown)]
    is_correct = np.array([labels[at] == label for at, label in zip(best, stated, strict=True)])
    weight = np.array([1.0 if label is None else 1 / share for label in stated])

    def gain(threshold: float) -> float:
        named = score >= threshold
        return float(weight[named & is_correct].sum() - error_cost * weight[named & ~is_correct].sum())

    best_threshold = round(float(max(np.arange(0.2, 0.9, 0.01), key=gain)), 2)
    return best_threshold, *named_at(best_threshold, np.stack(known), truth, labels)


def named_at(
    threshold: float, probabilities: FloatArray, truth: Sequence[str], labels: Sequence[str]
) -> tuple[float, float]:
    """Share of windows of exercises that a threshold names, and the share of these names that is correct.

    :param probabilities: (windows, labels).
    :param truth: labels of the windows.
    """
    best, score = best_exercise(probabilities, labels)
    is_exercise = np.array([label != IDLE for label in truth])
    named = (score >= threshold) & is_exercise
    correct = np.array([labels[at] == label for at, label in zip(best, truth, strict=True)])[named]
    return float(named.sum() / max(is_exercise.sum(), 1)), float(correct.mean()) if len(correct) else 0.0


def limit_of_unknown(unknown: FloatArray, labels: Sequence[str], share: float) -> float:
    """Lowest threshold, in steps of .01, at which at most a share of the clips of unknown exercises is named.

    :param unknown: mean probabilities (clips, labels).
    """
    _, score = best_exercise(unknown, labels)
    steps = np.arange(0.0, 1.01, 0.01)
    return round(float(next(step for step in steps if (score >= step).mean() <= share or step == steps[-1])), 2)


def best_exercise(probabilities: FloatArray, labels: Sequence[str]) -> tuple[NDArray[np.intp], FloatArray]:
    """Index and probability of the most likely exercise of each row, neither idle nor ``unknown``.

    :param probabilities: (rows, labels).
    """
    exercises = np.array([at for at, label in enumerate(labels) if label not in (IDLE, UNKNOWN)], dtype=np.intp)
    among = probabilities[:, exercises]
    best = among.argmax(axis=1)
    return exercises[best], among[np.arange(len(among)), best]


def calibration(temperature: float, enter: float) -> Calibration:
    """Calibration of a bundle; the exit threshold is well below the enter threshold."""
    return Calibration(temperature=temperature, enter=enter, exit=round(enter * _HYSTERESIS, 3))
