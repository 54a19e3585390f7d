"""A small network from features to graded targets, such as muscles that work fully or in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense_heads import standardised
from fitsense_heads.descent import descend
from fitsense_heads.trunk import TrunkConfig, build_trunk, width_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples


@attrs.frozen
class NetworkMusclesConfig(TrunkConfig):
    """A network with one hidden layer, or with convolutions over time, and sigmoid classifiers on it.

    :param steps: steps of gradient descent; muscles take more of them than names.
    """

    steps: int = attrs.field(default=2000, validator=attrs.validators.ge(1))


def build(config: NetworkMusclesConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to logits, float32 (clips, labels).

    :raises InvalidInputError: the features do not divide into the frames.
    """
    from torch import nn

    class NetworkMuscles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = build_trunk(config, feature_dim)
            self.last = nn.Linear(width_of(config), len(labels))

        def forward(self, features: Tensor) -> Tensor:
            logits: Tensor = self.last(self.trunk(features))
            return logits

    return NetworkMuscles().eval()


def fit(
    config: NetworkMusclesConfig, examples: HeadExamples, labels: tuple[str, ...]
) -> tuple[NetworkMusclesConfig, nn.Module]:
    """Fit the network to graded targets by their cross-entropy. Windows are drawn by their weights."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module: Any = build(config, examples.features.shape[1], labels)
        module.trunk.set_moments(*standardised.moments(examples))
        chances = np.asarray(examples.weights, np.float64)
        descend(config, module.trunk, module.last, examples, chances / chances.sum(), binary_cross_entropy_with_logits)
    return config, module.eval()
