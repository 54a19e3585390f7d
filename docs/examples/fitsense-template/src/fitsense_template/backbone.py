"""A network of blocks for pictures, with a temporal shift between the pictures of a clip.

The blocks are those of MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381), fewer and narrower. The temporal
shift (Lin, Gan and Han, ICCV 2019, arXiv 1811.08383) makes them a video network: at the beginning of a block, some
channels move to the next picture and some to the previous one. It needs no weights and no multiplications.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from fitsense import ClipSpec
from fitsense.nn import clip_normaliser

if TYPE_CHECKING:
    from torch import Tensor, nn

# Channels, in widths, and stride of each stage. A stage has two blocks, of which the second shifts.
_STAGES = ((1, 2), (2, 2), (4, 2), (8, 1))
_EXPANSION = 4


@attrs.frozen
class ShiftConfig:
    """Configuration of the network. All fields have defaults, and bundles store them as JSON.

    :param frames: pictures per clip.
    :param rate_hz: sampling rate in pictures per second.
    :param size: side of the square crop, in pixels.
    :param short_side: short side to which frames are scaled before the crop, in pixels.
    :param width: channels of the first stage; the last one has eight times as many, and features sixteen.
    :param shifted: share of the channels that move to the next picture; as many move to the previous one.
    """

    frames: int = 8
    rate_hz: float = 5.0
    size: int = 112
    short_side: int = 128
    width: int = attrs.field(default=16, validator=attrs.validators.ge(8))
    shifted: float = attrs.field(default=0.125, validator=[attrs.validators.ge(0.125), attrs.validators.le(0.5)])

    def clip(self) -> ClipSpec:
        """Specification of the input clips; fitsense samples them from videos of any size and rate."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side)

    def feature_dim(self) -> int:
        """Number of features."""
        return 16 * self.width


def build(config: ShiftConfig) -> nn.Module:
    """Build a module from clips, uint8 (clips, frames, size, size, 3), to features, float32 (clips, feature_dim), in
    eval mode."""
    import torch
    from torch import nn

    def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        nn.init.kaiming_normal_(layer.weight)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs))

    class Shift(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:  # (clips * frames, channels, height, width)
            clips = pictures.reshape(-1, config.frames, *pictures.shape[1:])
            count = int(clips.shape[2] * config.shifted)
            earlier, later, same = clips.tensor_split((count, 2 * count), dim=2)
            # Zeros before the first picture and after the last.
            zeros = torch.zeros_like(earlier[:, :1])
            earlier = torch.cat([zeros, earlier[:, :-1]], dim=1)
            later = torch.cat([later[:, 1:], zeros], dim=1)
            return torch.cat([earlier, later, same], dim=2).flatten(0, 1)

    class Block(nn.Module):
        """Inverted residual: expansion, depthwise convolution, projection; a shortcut if the shapes are equal."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.adds = (inputs, stride) == (outputs, 1)
            hidden = _EXPANSION * inputs
            self.layers = nn.Sequential(
                # The shortcut is not shifted, so that it keeps the picture.
                Shift() if self.adds else nn.Identity(),
                convolution(inputs, hidden),
                nn.ReLU6(),
                convolution(hidden, hidden, 3, stride, groups=hidden),
                nn.ReLU6(),
                convolution(hidden, outputs),
            )

        def forward(self, pictures: Tensor) -> Tensor:
            residual: Tensor = self.layers(pictures)
            return pictures + residual if self.adds else residual

    class ShiftNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # It also refuses clips of another shape or dtype.
            self.normalise = clip_normaliser(config.clip(), (0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
            channels = config.width
            layers = [nn.Sequential(convolution(3, channels, 3, 2), nn.ReLU6())]
            for widths, stride in _STAGES:
                outputs = widths * config.width
                layers.append(nn.Sequential(Block(channels, outputs, stride), Block(outputs, outputs, 1)))
                channels = outputs
            layers.append(nn.Sequential(convolution(channels, config.feature_dim()), nn.ReLU6()))
            self.layers = nn.Sequential(*layers)

        def forward(self, clips: Tensor) -> Tensor:
            pictures = self.normalise(clips).transpose(1, 2).flatten(0, 1)
            features: Tensor = self.layers(pictures).mean(dim=(2, 3))
            return features.reshape(-1, config.frames, config.feature_dim()).mean(dim=1)

    return ShiftNetwork().eval()


def layers(module: nn.Module) -> Sequence[nn.Module]:
    """Stem, four stages and the last convolution. Recipes may train only the last ones, or the first ones slower."""
    return list(module.get_submodule("layers").children())
