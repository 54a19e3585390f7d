"""Fits on the rehearsal and on the taught clips: the offset of the new exercise's logits, and the thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import Calibration, Manifest
from fitsense.bundles.teaching import TeachingStatistics
from fitsense.catalogue import UNKNOWN
from fitsense.inference.fusion import FusionPipeline
from fitsense.plugins._manager import PluginManager
from fitsense.teaching.heads import TeachableHead
from fitsense.train.calibration import best_exercise, calibration, limit_of_unknown, naming_threshold
from fitsense.types import FloatArray

# The share of the rehearsal that a new exercise may take from the others.
_LARGEST_LOSS = 0.01
_LOWEST, _HIGHEST = 0.2, 0.9
# Of Newton's method.
_ROUNDS, _LARGEST_STEP = 50, 2.0
_TINY = 1e-12


@attrs.frozen(eq=False)
class HeldOut:
    """Calibrated predictions for windows that the labels' rows were not fitted on.

    :param probabilities: float32 (windows, labels).
    :param truth: label of each window.
    """

    probabilities: FloatArray
    truth: Sequence[str]
    labels: tuple[str, ...]

    def named(self, enter: float) -> list[str]:
        """The name of each window at a threshold; that of ``unknown`` for none."""
        best, score = best_exercise(self.probabilities, self.labels)
        named = score >= enter
        return [self.labels[at] if yes else UNKNOWN for at, yes in zip(best.tolist(), named.tolist(), strict=True)]


def held_out(
    manifest: Manifest, plugins: PluginManager, heads: Mapping[str, TeachableHead], statistics: TeachingStatistics
) -> HeldOut:
    """Predictions for the rehearsal, and for the clips of taught exercises."""
    labels, rehearsal = manifest.labels.exercise, statistics.rehearsal
    order = [one.exercise for one in manifest.taught]
    logits: dict[str, FloatArray] = {}
    for branch, head in heads.items():
        parts = [_completed(head, rehearsal.features[branch], rehearsal.logits[branch], rehearsal.labels, labels)]
        for number, label in enumerate(order):
            later = order[number + 1 :]
            then = tuple(each for each in labels if each not in later)
            one = statistics.taught[label]
            if one.count > 1:
                parts.append(_completed(head, one.features[branch], one.logits[branch], then, labels))
        logits[branch] = np.concatenate(parts)
    taught = {label: statistics.taught[label] for label in order if statistics.taught[label].count > 1}
    truth = [rehearsal.labels[at] for at in rehearsal.targets.tolist()]
    truth += [label for label, one in taught.items() for _ in one.clips]
    return HeldOut(probabilities(manifest, plugins, logits), truth, labels)


def _completed(
    head: TeachableHead, features: FloatArray, logits: FloatArray, known: Sequence[str], labels: Sequence[str]
) -> FloatArray:
    """Held-out logits of windows, with those of the labels that were added since, by the head."""
    result = head.logits(features)
    result[:, [labels.index(label) for label in known]] = logits
    return result


def fitted_shift(held: HeldOut, label: str) -> float:
    """The number that has to be added to the calibrated logit of a new label.

    It minimises the log loss over the rehearsal and the taught clips, where the new label is as frequent as another
    one, which is a convex problem. It is at most what makes the new label the best one of 1 % of the rehearsal; with
    one clip, for which no row was taught without it, it is that.
    """
    at = held.labels.index(label)
    own = np.array([truth == label for truth in held.truth])
    probability = np.clip(held.probabilities.astype(np.float64), _TINY, 1.0)
    others = np.delete(probability, at, axis=1)
    behind = np.sort(np.log(others.max(axis=1) / probability[:, at])[~own])
    limit = float(behind[int(_LARGEST_LOSS * len(behind))])
    if not own.any():
        return limit
    odds = np.log(probability[:, at] / np.maximum(others.sum(axis=1), _TINY))
    weight = np.where(own, 1 / (len(held.labels) * own.sum()), 1 / (~own).sum())
    shift = 0.0
    for _ in range(_ROUNDS):
        value = 1 / (1 + np.exp(-np.clip(odds + shift, -50, 50)))
        slope = float((weight * (value - own)).sum())
        curvature = float((weight * value * (1 - value)).sum())
        shift -= float(np.clip(slope / max(curvature, _TINY), -_LARGEST_STEP, _LARGEST_STEP))
    return min(shift, limit)


def fitted_calibration(before: HeldOut, after: HeldOut, manifest: Manifest) -> Calibration:
    """The calibration of the bundle, with its thresholds moved by as much as the new label moves the best ones.

    The rehearsal is a sample of the windows that the thresholds were fitted on: what differs between the best
    thresholds of two fits on it is the new label, while each alone is uncertain.
    """
    old = manifest.calibration
    change = _best(after, manifest) - _best(before, manifest)
    enter = round(float(np.clip(old.enter + change, min(_LOWEST, old.enter), max(_HIGHEST, old.enter))), 2)
    return old if enter == old.enter else calibration(old.temperature, enter)


def _best(held: HeldOut, manifest: Manifest) -> float:
    """Naming threshold, as training fits it."""
    recipe = manifest.training.get("recipe", {})
    unknown = np.array([label == UNKNOWN for label in held.truth])
    strangers = held.probabilities[unknown]
    known = [label for label in held.truth if label != UNKNOWN]
    enter, _, _ = naming_threshold(
        list(held.probabilities[~unknown]), known, list(strangers), held.labels, float(recipe.get("error_cost", 1.0))
    )
    limit = recipe.get("max_unknown_named")
    if limit is not None and len(strangers):
        enter = max(enter, limit_of_unknown(strangers, held.labels, float(limit)))
    return enter


def probabilities(manifest: Manifest, plugins: PluginManager, logits: Mapping[str, FloatArray]) -> FloatArray:
    """Calibrated probabilities of the bundle's fusion, float32 (windows, labels)."""
    pipeline = FusionPipeline(manifest, plugins)
    count = len(next(iter(logits.values())))
    outputs = {}
    for branch in manifest.branches:
        # Only the exercise counts here; the other heads say nothing.
        nothing: dict[str, NDArray[np.float32]] = {
            head.task: np.zeros((count, len(manifest.labels.of(head.task))), np.float32) for head in branch.heads
        }
        outputs[branch.name] = {**nothing, **({"exercise": logits[branch.name]} if branch.name in logits else {})}
    return pipeline.calibrated(pipeline.fuse(outputs)["exercise"])
