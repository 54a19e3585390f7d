"""Hidden layers of heads that are networks: in torch to train and export them, and by arrays alone to teach heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense import InvalidInputError
from fitsense_heads import standardised
from fitsense_heads.standardised import LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    Arrays = Mapping[str, NDArray[Any]]

# Frames between the taps of each convolution, of width 3.
_DILATIONS = (1, 2)
_CONVOLUTION_DROPOUT = 0.2
_SMALLEST_SPREAD = 1e-5


@attrs.frozen
class TrunkConfig:
    """Hidden layers of a head, and the gradient descent that trains them.

    :param hidden: width of the hidden layer, or channels of the convolutions.
    :param frames: 0 for features without time; else the features are the signals of so many frames, one frame after
        the other.
    :param steps: steps of gradient descent.
    :param batch_size: windows in a step.
    :param learning_rate: peak rate of AdamW; it rises over the first third of the steps and falls by a cosine.
    :param dropout: share of the hidden values that a step leaves out.
    :param input_dropout: share of the features, or signals, that a step leaves out.
    :param seed: seed of every random choice.
    """

    hidden: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    frames: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    steps: int = attrs.field(default=600, validator=attrs.validators.ge(1))
    batch_size: int = attrs.field(default=128, validator=attrs.validators.ge(2))
    learning_rate: float = attrs.field(default=2e-3, validator=attrs.validators.gt(0))
    dropout: float = attrs.field(default=0.5, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])
    input_dropout: float = attrs.field(default=0.3, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])
    seed: int = 0


def width_of(config: TrunkConfig) -> int:
    """Number of hidden values: of the hidden layer, or mean, spread and maximum over time of each channel."""
    return config.hidden * (3 if config.frames else 1)


def build_trunk(config: TrunkConfig, feature_dim: int) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to hidden values, float32 (clips, width).

    Its method ``set_moments`` takes the mean and the scale of the features, float32 (feature_dim,).

    :raises InvalidInputError: the features do not divide into the frames.
    """
    import torch
    from torch import nn
    from torch.nn.functional import gelu

    if config.frames and feature_dim % config.frames:
        raise InvalidInputError(f"frames: expected a divisor of the {feature_dim} features, got {config.frames}")
    signals = feature_dim // max(config.frames, 1)

    class Trunk(nn.Module):
        mean: Tensor
        scale: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(signals))
            self.register_buffer("scale", torch.ones(signals))
            self.enter = nn.Linear(signals, config.hidden)
            self.leave_out = nn.Dropout(config.dropout)

        def set_moments(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
            """Set mean and scale of each signal from those of the features, over all frames."""
            means, scales = mean.reshape(-1, signals), scale.reshape(-1, signals)
            spread = np.sqrt((np.square(scales) + np.square(means - means.mean(axis=0))).mean(axis=0))
            self.mean.copy_(torch.from_numpy(means.mean(axis=0)))
            self.scale.copy_(torch.from_numpy(spread))

        def standardised(self, features: Tensor) -> Tensor:
            return ((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT)

    class Dense(Trunk):
        def __init__(self) -> None:
            super().__init__()
            self.input_dropout = nn.Dropout(config.input_dropout)

        def forward(self, features: Tensor) -> Tensor:
            values = gelu(self.enter(self.input_dropout(self.standardised(features))), approximate="tanh")
            left: Tensor = self.leave_out(values)
            return left

    class Temporal(Trunk):
        def __init__(self) -> None:
            super().__init__()
            # Leaves whole signals out.
            self.input_dropout = nn.Dropout1d(config.input_dropout)
            self.convolutions = nn.ModuleList(
                nn.Conv1d(config.hidden, config.hidden, 3, padding=step, dilation=step) for step in _DILATIONS
            )
            self.norms = nn.ModuleList(nn.BatchNorm1d(config.hidden) for _ in _DILATIONS)
            self.dropout = nn.Dropout(_CONVOLUTION_DROPOUT)

        def forward(self, features: Tensor) -> Tensor:
            frames = self.standardised(features.reshape(-1, config.frames, signals)).transpose(1, 2)
            values = gelu(self.enter(self.input_dropout(frames).transpose(1, 2)), approximate="tanh").transpose(1, 2)
            for convolution, norm in zip(self.convolutions, self.norms, strict=True):
                values = values + self.dropout(gelu(norm(convolution(values)), approximate="tanh"))
            mean = values.mean(dim=2, keepdim=True)
            spread = ((values - mean).square().mean(dim=2) + _SMALLEST_SPREAD).sqrt()
            left: Tensor = self.leave_out(torch.cat([mean.squeeze(2), spread, values.amax(dim=2)], dim=1))
            return left

    return (Temporal() if config.frames else Dense()).eval()


def hidden_values(config: TrunkConfig, tensors: Arrays, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute hidden values of windows as the module with these tensors does, float32 (windows, width).

    :param tensors: its state dict.
    """
    given = {name: np.asarray(one, np.float32) for name, one in tensors.items()}
    if not config.frames:
        values = standardised.standardise(features, given["mean"], given["scale"])
        return _gelu(values @ given["enter.weight"].T + given["enter.bias"])
    frames = features.reshape(len(features), config.frames, -1)
    values = standardised.standardise(frames, given["mean"], given["scale"])
    values = _gelu(values @ given["enter.weight"].T + given["enter.bias"])
    for at, step in enumerate(_DILATIONS):
        padded = np.pad(values, ((0, 0), (step, step), (0, 0)))
        weight = given[f"convolutions.{at}.weight"]
        found = given[f"convolutions.{at}.bias"] + sum(
            padded[:, tap * step : tap * step + config.frames] @ weight[:, :, tap].T for tap in range(3)
        )
        norm = {name: given[f"norms.{at}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")}
        found = (found - norm["running_mean"]) / np.sqrt(norm["running_var"] + np.float32(1e-5))
        values = values + _gelu(found * norm["weight"] + norm["bias"])
    mean = values.mean(axis=1)
    spread = np.sqrt(np.square(values - mean[:, None]).mean(axis=1) + np.float32(_SMALLEST_SPREAD))
    return np.concatenate([mean, spread, values.max(axis=1)], axis=1, dtype=np.float32)


def _gelu(values: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = np.float32(np.sqrt(2 / np.pi)) * (values + np.float32(0.044715) * values**3)
    return np.asarray(np.float32(0.5) * values * (1 + np.tanh(inner)), np.float32)
