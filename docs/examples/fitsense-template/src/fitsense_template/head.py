"""A head with one hidden layer, for features in which exercises are not linearly separable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from torch import nn


@attrs.frozen
class MlpConfig:
    """Configuration of the head.

    :param hidden: units of the hidden layer.
    """

    hidden: int = attrs.field(default=64, validator=attrs.validators.ge(1))


def build(config: MlpConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from features, float32 (clips, feature_dim), to logits, float32 (clips, labels)."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(feature_dim, config.hidden),
        nn.GELU(),
        nn.Linear(config.hidden, len(labels)),
    )
