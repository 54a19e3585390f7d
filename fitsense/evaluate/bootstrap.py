"""Confidence intervals of metrics, by the bootstrap over scenes.

Clips of one scene are alike, so that a split holds as many independent trials as it has scenes, not as it has clips.
A draw takes as many scenes as there are, with replacement (Efron, 1979), and the metric of a draw counts
each clip as often as its scene was drawn. Functions here compute a metric for all draws together.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.evaluate.metrics import BINS, confidence_bins

Floats = NDArray[np.float64]


@attrs.frozen(eq=False)
class BootstrapSamples:
    """Draws of scenes; the same scenes give the same draws.

    :param weights: count of each clip in each draw, (draws, clips).
    :param scenes: number of scenes to draw from.
    """

    weights: Floats
    scenes: int

    @classmethod
    def of(cls, scenes: Sequence[str], draws: int = 1000, seed: int = 0) -> BootstrapSamples:
        """Draw `draws` times for clips of these scenes, (clips,)."""
        names, index = np.unique(np.array(scenes, dtype=str), return_inverse=True)
        if len(names) == 0:
            return cls(np.zeros((draws, 0)), 0)
        counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        return cls(counts[:, index].astype(np.float64), len(names))

    def interval(self, figures: Floats, level: float = 0.95) -> list[float] | None:
        """Percentile interval of a metric with a value for each draw, (draws,).

        None for fewer than two scenes, or where no draw has a finite value.
        """
        there = figures[np.isfinite(figures)]
        if self.scenes < 2 or len(there) == 0:
            return None
        return [float(edge) for edge in np.quantile(there, [(1 - level) / 2, (1 + level) / 2])]


def share(weights: Floats, right: NDArray[np.bool_]) -> Floats:
    """Share of the clips that are right, for each row of `weights`: (draws,).

    :param right: (clips,).
    """
    return _ratio(weights @ right, weights.sum(axis=1))


def macro_share(weights: Floats, right: NDArray[np.bool_], label: NDArray[np.int64]) -> Floats:
    """Mean over the labels of the share of their clips that is right, for each row of `weights`: (draws,).

    A draw's mean is over the labels that are in the draw: a label of one or two scenes is missing in many.

    :param right: (clips,).
    :param label: each clip's, (clips,).
    """
    member = label[:, None] == np.unique(label)
    return _mean(_ratio(weights @ (member & right[:, None]), weights @ member))


def calibration_error(weights: Floats, confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Floats:
    """:func:`fitsense.evaluate.metrics.calibration_error` for each row of `weights`: (draws,).

    Resampling adds noise, which moves this figure up, so that intervals of it lie high rather than low.
    """
    member = confidence_bins(confidence)[:, None] == np.arange(BINS)
    gaps = weights @ (member * (confidence - right)[:, None])
    return _ratio(np.abs(gaps).sum(axis=1), weights.sum(axis=1))


def mean_average_precision(weights: Floats, scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> Floats:
    """Mean over the columns with positives of the average precision, for each row of `weights`: (draws,).

    :param scores: (clips, groups).
    :param truth: (clips, groups).
    """
    columns = [_average_precision(weights, *pair) for pair in zip(scores.T, truth.T, strict=True)]
    return _mean(np.stack(columns, axis=1))


def auroc(weights: Floats, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Floats:
    """Area under the ROC curve, for each row of `weights`: (draws,); NaN where either kind has no weight.

    :param scores: (clips,).
    :param positive: (clips,).
    """
    order, ends = _ranked(-scores)
    wrong, right = (
        np.diff(np.cumsum(weights[:, order] * kind[order], axis=1)[:, ends], axis=1, prepend=0.0)
        for kind in (~positive, positive)
    )
    # A positive ranks above all negatives of lower scores; those of equal score count half.
    below = np.cumsum(wrong, axis=1) - wrong / 2
    return _ratio((right * below).sum(axis=1), right.sum(axis=1) * wrong.sum(axis=1))


def _average_precision(weights: Floats, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Floats:
    """Average precision as in scikit-learn, for each row of sample weights; NaN without a weighted positive."""
    order, ends = _ranked(scores)
    found = np.cumsum(weights[:, order] * positive[order], axis=1)[:, ends]
    looked_at = np.cumsum(weights[:, order], axis=1)[:, ends]
    precision = np.nan_to_num(_ratio(found, looked_at))
    recall = _ratio(found, found[:, -1:])
    return np.asarray((np.diff(recall, axis=1, prepend=0.0) * precision).sum(axis=1))


def _ranked(scores: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The clips by falling score, and where in that order each stretch of equal scores ends."""
    order = np.argsort(-scores, kind="stable")
    return order, np.flatnonzero(np.diff(scores[order], append=-np.inf))


def _ratio(part: Floats, whole: Floats) -> Floats:
    """`part` over `whole`; NaN where that is 0."""
    undefined = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole != 0))


def _mean(values: Floats) -> Floats:
    """Mean of each row over what is there, (rows,)."""
    there = np.isfinite(values)
    return _ratio(np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1))
