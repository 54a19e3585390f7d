"""Linear discriminant analysis: classes with their own means and one shrunk covariance.

It is fitted in closed form, so that a class more is one mean more. The last label may have several rows, one for each
variant of what the others are not: its logit is the soft maximum of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from fitsense import InvalidInputError
from fitsense_heads import standardised

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples

# Added to the covariance's diagonal, whose mean is about 1.
_RIDGE = 1e-4


@attrs.frozen
class DiscriminantConfig:
    """Discriminant analysis.

    :param shrinkage: share of the diagonal in the covariance, 0..1.
    :param sharpness: factor on the scores in the soft maximum over the last label's rows.
    :param rows: rows of the last label; fitting sets it.
    """

    shrinkage: float = attrs.field(default=0.1, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    sharpness: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    rows: int = attrs.field(default=1, validator=attrs.validators.ge(1))


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
    module = build(fitted, examples.features.shape[1], labels)
    standardised.fill(module.scores, mean, scale, weight, bias)  # type: ignore[arg-type]
    return fitted, module


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
