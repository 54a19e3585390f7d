"""X3D with a landmark head: body landmarks in each frame, and their statistics as features.

The final features of X3D describe appearance; joint positions, which distinguish exercises of unseen people, are
available in its last two stages. A decoder predicts them from there. It is trained on the landmarks of a pose estimator
(privileged information: Vapnik and Vashist, 2009), which inference does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from fitsense.nn import clip_normaliser, pytorchvideo_models
from fitsense.nn.landmarks import LANDMARKS, NUM_FEATURES, augment, landmark_features
from fitsense_x3d.config import X3DConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

# Channels of the two stages that the decoder reads.
_LAST_BUT_ONE, _LAST = 96, 192


@attrs.frozen
class BodiesConfig(X3DConfig):
    """Configuration of an X3D-S with a landmark head.

    :param width: length of the features.
    :param channels: channels of the decoder.
    :param dropout: dropout rate of the statistics in training.
    :param yaw: largest rotation of landmarks about the vertical axis in training, in radians.
    :param noise: standard deviation of noise per landmark in training, in metres.
    """

    width: int = 256
    channels: int = 96
    dropout: float = 0.3
    yaw: float = 0.6
    noise: float = 0.02

    def feature_dim(self) -> int:
        """Length of the features."""
        return self.width


def build(config: BodiesConfig) -> nn.Module:
    """Build a module from clips to features, float32 (clips, width), in eval mode.

    :func:`forward_with_landmarks` also returns the landmarks.
    """
    create_x3d = pytorchvideo_models("x3d").create_x3d
    import torch
    from torch import nn
    from torch.nn import functional as F

    points, channels = len(LANDMARKS), config.channels

    def layer(inputs: int, groups: int = 1) -> list[nn.Module]:
        size = 3 if groups > 1 else 1
        convolution = nn.Conv2d(inputs, channels, size, padding=size // 2, groups=groups, bias=False)
        return [convolution, nn.BatchNorm2d(channels)]

    class Decoder(nn.Module):
        """Maps features of stages (clips, channels, frames, height, width) to landmarks (clips, frames, points, 5)."""

        def __init__(self) -> None:
            super().__init__()
            self.fine = nn.Sequential(*layer(_LAST_BUT_ONE), nn.ReLU())
            self.coarse = nn.Sequential(*layer(_LAST), nn.ReLU())
            self.blocks = nn.ModuleList(
                nn.Sequential(*layer(channels, channels), *layer(channels), nn.ReLU()) for _ in range(3)
            )
            self.where = nn.Conv2d(channels, points, 1)
            self.over_time = nn.Conv1d(channels, channels, 3, padding=1)
            self.dropout = nn.Dropout(0.2)
            self.world = nn.Parameter(torch.randn(points, 2 * channels, 3) * 0.01)
            self.typical = nn.Parameter(torch.zeros(points, 3))

        def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
            clips, _, frames, height, width = fine.shape
            x = self.fine(fine.transpose(1, 2).flatten(0, 1))
            x = x + F.interpolate(self.coarse(coarse.transpose(1, 2).flatten(0, 1)), size=(height, width))
            for block in self.blocks:
                x = x + block(x)
            seen = self.where(x).float().flatten(2).softmax(dim=-1)
            row = (torch.arange(height, device=x.device) + 0.5) / height - 0.5
            column = (torch.arange(width, device=x.device) + 0.5) / width - 0.5
            places = torch.stack([column.repeat(height), row.repeat_interleave(width)], dim=-1)
            image = seen @ places
            there = seen @ x.float().flatten(2).transpose(1, 2)
            overall = self.over_time(x.mean(dim=(2, 3)).view(clips, frames, -1).transpose(1, 2)).transpose(1, 2)
            overall = overall.reshape(clips * frames, 1, -1).expand(-1, points, -1)
            known = self.dropout(torch.cat([there, overall], dim=-1))
            world = (known.unsqueeze(-2) @ self.world).squeeze(-2) + self.typical
            return torch.cat([image, world], dim=-1).view(clips, frames, points, 5)

    class Bodies(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normalise = clip_normaliser(config.clip(), (0.45,) * 3, (0.225,) * 3)
            network = create_x3d(
                input_clip_length=config.frames,
                input_crop_size=config.size,
                depth_factor=config.depth_factor,
                head_activation=None,
            )
            # The stages only: the next layers pool the positions.
            self.stages = nn.ModuleList(network.blocks[:5])
            self.body = nn.ModuleDict(
                {
                    "decoder": Decoder(),
                    "features": nn.Sequential(
                        nn.BatchNorm1d(NUM_FEATURES),
                        nn.Dropout(config.dropout),
                        nn.Linear(NUM_FEATURES, config.width),
                        nn.GELU(),
                    ),
                }
            )

        def forward(self, clips: Tensor) -> Tensor:
            return self.forward_with_landmarks(clips)[0]

        def forward_with_landmarks(self, clips: Tensor) -> tuple[Tensor, Tensor]:
            x = self.normalise(clips)
            for stage in self.stages[:-1]:
                x = stage(x)
            found = self.body["decoder"](x, self.stages[-1](x))
            landmarks = torch.cat([found, torch.ones_like(found[..., :1])], dim=-1)
            # The exercise loss must not move the landmarks.
            bodies = landmarks.detach()
            if self.training:
                bodies = augment(bodies, yaw=config.yaw, tilt=0.1, noise=config.noise, bias=config.noise)
            features: Tensor = self.body["features"](landmark_features(bodies))
            return features, landmarks

    return Bodies().eval()


def forward_with_landmarks(module: Any, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Features and landmarks of clips, for :class:`fitsense.plugins.LandmarkSpec`; every landmark is visible."""
    features, landmarks = module.forward_with_landmarks(clips)
    return features, landmarks


def layers(module: nn.Module) -> Sequence[nn.Module]:
    """Stem, four stages, and the layers added to X3D."""
    return [*module.get_submodule("stages").children(), module.get_submodule("body")]


def pretrained(module: nn.Module) -> nn.Module:
    """The part with published weights."""
    return module.get_submodule("stages")


def adapt_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adapt the zoo's state dict: stem and stages only."""
    stages = tuple(f"blocks.{stage}." for stage in range(5))
    return {name.removeprefix("blocks."): value for name, value in state.items() if name.startswith(stages)}
