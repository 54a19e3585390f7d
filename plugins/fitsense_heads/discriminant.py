"""Linear discriminant analysis: classes with their own means and one shrunk covariance.

It is fitted in closed form, so that a class more is one mean more. The last label may have several rows, one for each
variant of what the others are not: its logit is the soft maximum of theirs.

A further label is taught without the examples of the others: its row needs their covariance, which a bundle ships as a
matrix of low rank and a diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense import InvalidInputError
from fitsense_heads import standardised
from fitsense_heads.covariance import Covariance

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples, LabelExamples

    Arrays = Mapping[str, NDArray[Any]]

# Added to the covariance's diagonal, whose mean is about 1.
_RIDGE = 1e-4
# Rank of the covariance that a bundle ships. Beyond it, left-out exercises gain less than from another clip.
_RANK = 128
# How far the means of an exercise's clips lie from its own mean, as a variance in units of the covariance; and the
# variance of the means of exercises in directions in which the known ones do not differ. Fitted on exercises that were
# left out.
_OF_CLIPS, _OF_LABELS = 0.8, 0.1
# Bias of a row that is switched off: far below any score, in float16 as well.
_OFF = -3e4


@attrs.frozen
class DiscriminantConfig:
    """Discriminant analysis.

    :param shrinkage: share of the diagonal in the covariance, 0..1.
    :param sharpness: factor on the scores in the soft maximum over the last label's rows.
    :param rows: rows of the last label; fitting sets it.
    :param shared_prior: whether the rows of the last label share the prior of one label; otherwise each has it.
    """

    shrinkage: float = attrs.field(default=0.1, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    sharpness: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    rows: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    shared_prior: bool = False


def build(config: DiscriminantConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to logits, float32 (clips, labels)."""
    import torch
    from torch import nn

    single = len(labels) - (config.rows > 1)

    class Discriminant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scores = standardised.build(feature_dim, single + config.rows * (config.rows > 1))

        def forward(self, features: Tensor) -> Tensor:
            scores: Tensor = self.scores(features)
            if config.rows == 1:
                return scores
            sharp = scores[:, single:] * config.sharpness
            largest = sharp.amax(dim=1, keepdim=True)
            last = (largest + (sharp - largest).exp().sum(dim=1, keepdim=True).log()) / config.sharpness
            return torch.cat([scores[:, :single], last], dim=1)

    return Discriminant().eval()


def fit(
    config: DiscriminantConfig, examples: HeadExamples, labels: tuple[str, ...]
) -> tuple[DiscriminantConfig, nn.Module]:
    """Fit the module to examples: a row for each label, and for each variant of the last one.

    Variants only give means; mean, scale and covariance are those of the other examples.

    :raises InvalidInputError: another label than the last has variants, or a label has no example.
    """
    varied = examples.variants >= 0
    if (examples.targets[varied] != len(labels) - 1).any():
        raise InvalidInputError(f"variants: expected variants of {labels[-1]!r} alone, got them of other labels")
    single = examples.select(~varied)
    missing = sorted({*range(len(labels) - bool(varied.any()))} - {*single.targets.tolist()})
    if missing:
        raise InvalidInputError(f"examples: expected some of every label, got none of {labels[missing[0]]!r}")
    mean, scale = standardised.moments(single)
    values = standardised.standardise(single.features, mean, scale)
    of_label = _means(values, single.targets, single.weights)
    covariance = _covariance(values, single, of_label, config.shrinkage)
    means = list(of_label)
    if varied.any():
        others = examples.select(varied)
        means += list(_means(standardised.standardise(others.features, mean, scale), others.variants, others.weights))
    centres = np.stack(means)
    weight = _solve(covariance, centres)
    bias = -0.5 * (weight * centres).sum(axis=1)
    fitted = attrs.evolve(config, rows=max(1, len(means) - len(of_label)))
    if config.shared_prior:
        bias[len(of_label) :] -= np.log(fitted.rows)
    module = build(fitted, examples.features.shape[1], labels)
    standardised.fill(module.scores, mean, scale, weight, bias)  # type: ignore[arg-type]
    return fitted, module


def statistics(config: DiscriminantConfig, tensors: Arrays, examples: HeadExamples, seen: HeadExamples) -> Arrays:
    """Statistics for :func:`add_label`, of the examples that the tensors were fitted to.

    :param seen: windows of the same labels as sessions see them.
    """
    single = examples.select(examples.variants < 0)
    values = standardised.standardise(single.features, tensors["scores.mean"], tensors["scores.scale"])
    means = _means(values, single.targets, single.weights)
    covariance = _covariance(values, single, means, config.shrinkage)
    weight = np.asarray(tensors["scores.layer.weight"], np.float64)
    # Exact, since they say how the known labels lie to each other.
    products = weight @ covariance @ weight.T
    small = Covariance.of(covariance, _RANK)
    plain = seen.select((seen.variants < 0) & np.isin(seen.targets, single.targets))
    values = standardised.standardise(plain.features, tensors["scores.mean"], tensors["scores.scale"])
    rows = weight[np.isin(np.unique(single.targets), plain.targets).nonzero()[0]]
    offset = (_means(values, plain.targets, plain.weights) - small.times(rows)).mean(axis=0)
    return {**small.arrays(), "products": products.astype(np.float32), "offset": offset.astype(np.float32)}


def add_label(
    config: DiscriminantConfig, tensors: Arrays, statistics: Arrays, examples: LabelExamples, position: int
) -> Arrays:
    """The tensors with a row more, of a label whose mean is estimated from few clips.

    Means of labels are distributed as those of the known ones are, and those of clips around the mean of their label.
    The estimate is the expected mean given the clips (empirical Bayes): with few clips it is near what the known labels
    span, with many it is the mean of the clips.

    The variants of the last label that clips resemble most are switched off: they say that this movement is none of the
    labels, which is no longer so.
    """
    covariance = Covariance.from_arrays(statistics)
    rows = np.asarray(tensors["scores.layer.weight"], np.float64)
    products = np.asarray(statistics["products"], np.float64)
    # Labels that were taught before stand before the position.
    known = np.delete(rows, slice(position - (len(rows) - len(products)), position), axis=0)
    values = standardised.standardise(examples.features, tensors["scores.mean"], tensors["scores.scale"])
    # What the windows of all labels have, and the means that their rows imply have not: training varies windows.
    values -= statistics["offset"]
    clips = np.unique(examples.clips)
    noise = _OF_CLIPS / len(clips)
    of_clips = np.stack([values[examples.clips == clip].mean(axis=0) for clip in clips])
    mean = of_clips.mean(axis=0, dtype=np.float64)
    shares = np.linalg.solve(products + len(known) * (_OF_LABELS + noise) * np.eye(len(known)), known @ mean)
    # The known rows are the inverse covariance times the means of their labels.
    combined = shares @ known
    explained = covariance.times(combined[None])[0]
    # What no combination of known labels explains: for that alone, the covariance is inverted.
    rest = _OF_LABELS / (_OF_LABELS + noise) * (mean - explained)
    weight = combined + covariance.solve(rest[None])[0]
    bias = -0.5 * float(weight @ (explained + rest))
    return {
        **tensors,
        "scores.layer.weight": _inserted(tensors["scores.layer.weight"], position, weight),
        "scores.layer.bias": _inserted(
            _without_variants(config, tensors, of_clips + statistics["offset"]), position, bias
        ),
    }


def _without_variants(config: DiscriminantConfig, tensors: Arrays, clips: NDArray[np.floating]) -> NDArray[Any]:
    """Biases in which the best row for each clip is switched off if it is a variant of the last label.

    :param clips: means of the standardised features of clips, (clips, feature_dim).
    """
    bias = np.array(tensors["scores.layer.bias"])
    if config.rows == 1:
        return bias
    best = (clips @ np.asarray(tensors["scores.layer.weight"], np.float64).T + bias).argmax(axis=1)
    variants = np.unique(best[best >= len(bias) - config.rows])
    # One stays, as a label without rows has no logit.
    alive = int((bias[len(bias) - config.rows :] > _OFF).sum())
    bias[variants[: max(0, alive - 1)]] = _OFF
    return bias


def shift(config: DiscriminantConfig, tensors: Arrays, position: int, amount: float) -> Arrays:
    """The tensors of a head that adds a number to the logit of the label at a position."""
    bias = np.array(tensors["scores.layer.bias"])
    bias[position] += amount
    return {**tensors, "scores.layer.bias": bias}


def logits(config: DiscriminantConfig, tensors: Arrays, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the module with these tensors, float32 (windows, labels)."""
    values = standardised.standardise(features, tensors["scores.mean"], tensors["scores.scale"])
    weight, bias = (np.asarray(tensors[f"scores.layer.{name}"], np.float32) for name in ("weight", "bias"))
    scores = values @ weight.T + bias
    if config.rows == 1:
        return np.asarray(scores, np.float32)
    single = scores.shape[1] - config.rows
    sharp = scores[:, single:] * config.sharpness
    largest = sharp.max(axis=1, keepdims=True)
    last = (largest + np.log(np.exp(sharp - largest).sum(axis=1, keepdims=True))) / config.sharpness
    return np.concatenate([scores[:, :single], last], axis=1, dtype=np.float32)


def _inserted(rows: NDArray[Any], position: int, row: Any) -> NDArray[Any]:
    """The rows with one more at a position, of the same type."""
    return np.insert(rows, position, np.asarray(row, rows.dtype), axis=0)


def _means(
    values: NDArray[np.float32], classes: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted mean of each class that has an example, in ascending order, (classes, feature_dim)."""
    names, position = np.unique(classes, return_inverse=True)
    shares = np.zeros((len(names), len(values)), np.float32)
    shares[position, np.arange(len(values))] = weights
    totals = shares.sum(axis=1, keepdims=True)
    return np.asarray((shares / totals) @ values, dtype=np.float64)


def _covariance(
    values: NDArray[np.float32], examples: HeadExamples, means: NDArray[np.float64], shrinkage: float
) -> NDArray[np.float64]:
    """Weighted covariance within classes, shrunk towards its diagonal."""
    _, position = np.unique(examples.targets, return_inverse=True)
    within = values - means[position].astype(np.float32)
    within *= np.sqrt(examples.weights / examples.weights.sum()).astype(np.float32)[:, None]
    covariance = (within.T @ within).astype(np.float64)
    diagonal = np.diagonal(covariance)
    return (1 - shrinkage) * covariance + np.diag(shrinkage * diagonal + _RIDGE)


def _solve(covariance: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows whose products with a vector are its Mahalanobis products with the centres, (rows, feature_dim)."""
    return np.asarray(np.linalg.solve(covariance, centres.T).T)
