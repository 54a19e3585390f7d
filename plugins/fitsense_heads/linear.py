"""One linear layer from features to logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from torch import nn


@attrs.frozen
class LinearConfig:
    """A linear head.

    :param bias: whether it has a bias.
    :param dropout: dropout rate of the features in training.
    """

    bias: bool = True
    dropout: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])


def build(config: LinearConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to logits, float32 (clips, labels).

    Its weights start at zero, so that all labels are equally likely.
    """
    from torch import nn

    layer = nn.Linear(feature_dim, len(labels), bias=config.bias)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(nn.Dropout(config.dropout), layer) if config.dropout else layer
