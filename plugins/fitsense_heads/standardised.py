"""A linear layer on standardised features, and statistics of weighted examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples

LIMIT = 5.0
"""Largest absolute value of a standardised feature."""

# Smallest scale of a feature, as a share of the median scale.
_SMALLEST_SCALE = 0.05


def build(feature_dim: int, rows: int) -> nn.Module:
    """A module from float32 (clips, feature_dim) to (clips, rows); its layer starts at zero, its scale at 1."""
    import torch
    from torch import nn

    class Standardised(nn.Module):
        mean: Tensor
        scale: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(feature_dim))
            self.register_buffer("scale", torch.ones(feature_dim))
            self.layer = nn.Linear(feature_dim, rows)
            nn.init.zeros_(self.layer.weight)
            nn.init.zeros_(self.layer.bias)

        def forward(self, features: Tensor) -> Tensor:
            scores: Tensor = self.layer(((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT))
            return scores

    return Standardised()


def moments(examples: HeadExamples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weighted mean and standard deviation of the features, float32 (feature_dim,); no deviation is near 0."""
    weights = (examples.weights / examples.weights.sum()).astype(np.float32)
    mean = weights @ examples.features
    scale = np.sqrt(np.maximum(weights @ np.square(examples.features) - np.square(mean), 0.0))
    smallest = _SMALLEST_SCALE * np.median(scale) or 1.0
    return mean, np.maximum(scale, smallest).astype(np.float32)


def standardise(
    features: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Features as the module's layer takes them."""
    return np.asarray(np.clip((features - mean) / scale, -LIMIT, LIMIT), dtype=np.float32)


def fill(
    module: nn.Module,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
) -> None:
    """Set the statistics and the layer of a module of :func:`build`.

    :param weight: (rows, feature_dim).
    :param bias: (rows,).
    """
    import torch

    module.load_state_dict(
        {
            "mean": torch.from_numpy(mean),
            "scale": torch.from_numpy(scale),
            "layer.weight": torch.from_numpy(weight.astype(np.float32)),
            "layer.bias": torch.from_numpy(bias.astype(np.float32)),
        }
    )
