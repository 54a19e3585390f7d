"""Predictions of held-out clips, and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import Labels
from fitsense.catalogue import IDLE
from fitsense.data.samples import Sample
from fitsense.evaluate import bootstrap, metrics
from fitsense.evaluate.bootstrap import BootstrapSamples, Floats
from fitsense.experiments.base import Figure
from fitsense.train.heads import targets
from fitsense.types import FloatArray


@attrs.frozen(eq=False)
class Predictions:
    """Predictions of clips.

    :param samples: the clips; each shows an exercise.
    :param exercise: probabilities (clips, labels); no columns if they were not predicted.
    :param muscles: activations (clips, groups); likewise.
    """

    samples: Sequence[Sample]
    labels: Labels
    exercise: FloatArray
    muscles: FloatArray

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        labels: Labels,
        exercise: FloatArray | None = None,
        muscles: FloatArray | None = None,
    ) -> Predictions:
        """Select the samples that show an exercise; the arrays have one row for each sample."""
        active = np.array([item.group != IDLE for item in samples], dtype=bool)
        nothing = np.zeros((len(samples), 0), np.float32)
        return cls(
            [item for item in samples if item.group != IDLE],
            labels,
            (nothing if exercise is None else exercise)[active],
            (nothing if muscles is None else muscles)[active],
        )

    @property
    def truth(self) -> NDArray[np.int64]:
        """Indices of the clips' exercises, (clips,)."""
        return np.asarray(targets(self.samples, "exercise", self.labels.exercise), dtype=np.int64)

    @property
    def worked(self) -> NDArray[np.bool_]:
        """The muscle groups that the clips work, (clips, groups)."""
        return np.asarray(targets(self.samples, "muscles", self.labels.muscles), dtype=bool)

    def draws(self, unit: Literal["scene", "source", "group"] = "scene") -> BootstrapSamples:
        """Bootstrap samples of independent units."""
        return BootstrapSamples.of([getattr(item, unit) for item in self.samples])


Measure = Callable[[Floats, Predictions], Floats]
"""Metric for each row of weights (draws, clips) of :mod:`fitsense.evaluate.bootstrap`: (draws,)."""


def top1(weights: Floats, answers: Predictions) -> Floats:
    """Share of the clips whose most likely exercise is right."""
    return bootstrap.share(weights, metrics.among_top(answers.exercise, answers.truth, 1))


def macro_recall(weights: Floats, answers: Predictions) -> Floats:
    """Top-1 accuracy averaged over exercises."""
    return bootstrap.macro_share(weights, metrics.among_top(answers.exercise, answers.truth, 1), answers.truth)


def log_loss(weights: Floats, answers: Predictions) -> Floats:
    """Mean negative logarithm of the probability of the right exercise."""
    right = answers.exercise[np.arange(len(answers.samples)), answers.truth]
    return _mean(weights, -np.log(right.astype(np.float64) + 1e-9))


def mean_average_precision(weights: Floats, answers: Predictions) -> Floats:
    """Mean over muscle groups of the average precision of ranking clips."""
    return bootstrap.mean_average_precision(weights, answers.muscles, answers.worked)


def micro_f1(weights: Floats, answers: Predictions) -> Floats:
    """F1 over all labels of all clips, active from .5; 0 if no label is active or predicted."""
    said, worked = answers.muscles >= 0.5, answers.worked
    hits, both = (said & worked).sum(axis=1), said.sum(axis=1) + worked.sum(axis=1)
    total = weights @ both
    return np.asarray(np.divide(2 * (weights @ hits), total, out=np.zeros(len(weights)), where=total != 0))


def label_accuracy(weights: Floats, answers: Predictions) -> Floats:
    """Share of right labels over all clips, active from .5; high if labels are rare."""
    return _mean(weights, ((answers.muscles >= 0.5) == answers.worked).mean(axis=1))


def ranking_precision(weights: Floats, answers: Predictions) -> Floats:
    """Mean over clips of the average precision of ranking muscle groups. It is also defined for clips of one exercise,
    in all of which the same groups are active."""
    return _mean(weights, precision_of_ranking(answers.muscles, answers.worked))


def precision_of_ranking(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Label ranking average precision of each row, (rows,); 1 for a row without a true label.

    :param scores: (rows, columns).
    :param truth: (rows, columns).
    """
    above = scores[:, None, :] >= scores[:, :, None]
    precision = (above & truth[:, None, :]).sum(axis=2) / above.sum(axis=2)
    count = truth.sum(axis=1)
    return np.asarray(np.where(count, (precision * truth).sum(axis=1) / np.maximum(count, 1), 1.0))


EXERCISE: dict[str, Measure] = {"top-1": top1, "macro recall": macro_recall}
MUSCLES: dict[str, Measure] = {"mAP": mean_average_precision, "micro F1": micro_f1, "label accuracy": label_accuracy}


def figures(answers: Predictions, measures: Mapping[str, Measure], draws: BootstrapSamples) -> dict[str, Figure]:
    """Compute metrics with their intervals."""
    whole = np.ones((1, len(answers.samples)))
    return {
        name: _figure(measure(whole, answers), measure(draws.weights, answers), draws)
        for name, measure in measures.items()
    }


def differences(
    one: Predictions, other: Predictions, measures: Mapping[str, Measure], draws: BootstrapSamples
) -> dict[str, Figure]:
    """Compute the metrics of `one` minus those of `other`, of the same clips, with intervals of the difference."""
    whole = np.ones((1, len(one.samples)))
    return {
        name: _figure(
            measure(whole, one) - measure(whole, other),
            measure(draws.weights, one) - measure(draws.weights, other),
            draws,
        )
        for name, measure in measures.items()
    }


def _figure(value: Floats, drawn: Floats, draws: BootstrapSamples) -> Figure:
    interval = draws.interval(drawn)
    return Figure(
        float(value[0]) if np.isfinite(value[0]) else None, None if interval is None else (interval[0], interval[1])
    )


def _mean(weights: Floats, values: NDArray[np.floating]) -> Floats:
    total = weights.sum(axis=1)
    undefined = np.full(len(weights), np.nan)
    return np.asarray(np.divide(weights @ values, total, out=undefined, where=total != 0))
