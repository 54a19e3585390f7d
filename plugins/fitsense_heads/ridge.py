"""Ridge regression from features to graded targets, such as muscles that work fully or in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from fitsense_heads import standardised

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples


@attrs.frozen
class RidgeConfig:
    """Ridge regression.

    :param penalty: penalty on the squared weights, for features of variance 1.
    :param slope: logits a unit of the predicted target; a target of .5 has logit 0.
    """

    penalty: float = attrs.field(default=0.003, validator=attrs.validators.gt(0))
    slope: float = attrs.field(default=6.0, validator=attrs.validators.gt(0))


def build(config: RidgeConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to logits, float32 (clips, labels)."""
    from torch import nn

    class Ridge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.prediction = standardised.build(feature_dim, len(labels))

        def forward(self, features: Tensor) -> Tensor:
            predicted: Tensor = self.prediction(features)
            # Not the logit of the prediction, which has no value beyond 0 and 1.
            return (predicted - 0.5) * config.slope

    return Ridge().eval()


def fit(config: RidgeConfig, examples: HeadExamples, labels: tuple[str, ...]) -> tuple[RidgeConfig, nn.Module]:
    """Fit the module to graded targets by weighted least squares."""
    mean, scale = standardised.moments(examples)
    values = standardised.standardise(examples.features, mean, scale)
    weights = (examples.weights / examples.weights.sum()).astype(np.float32)[:, None]
    centre, level = (weights * values).sum(axis=0), (weights * examples.targets).sum(axis=0)
    root = np.sqrt(weights)
    centred, wanted = (values - centre) * root, (examples.targets - level) * root
    covariance = (centred.T @ centred).astype(np.float64)
    covariance[np.diag_indices_from(covariance)] += config.penalty
    weight = np.linalg.solve(covariance, (centred.T @ wanted).astype(np.float64)).T
    module = build(config, examples.features.shape[1], labels)
    standardised.fill(module.prediction, mean, scale, weight, level - weight @ centre)  # type: ignore[arg-type]
    return config, module
