"""Network of X3D with a landmark head. Imports torch: :mod:`fitsense_x3d.bodies` imports it when it is needed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fitsense.nn import clip_normaliser, pytorchvideo_models
from fitsense.nn.landmarks import LANDMARKS, NUM_FEATURES, augment, landmark_features
from fitsense_x3d.bodies import BodiesConfig

# Channels of the two stages that the decoder reads.
_LAST_BUT_ONE, _LAST = 96, 192
_POINTS = len(LANDMARKS)


class Bodies(nn.Module):
    """X3D whose last stages also give landmarks, from whose statistics the features are computed."""

    def __init__(self, config: BodiesConfig) -> None:
        super().__init__()
        self._config = config
        self.normalise = clip_normaliser(config.clip(), (0.45,) * 3, (0.225,) * 3)
        network = pytorchvideo_models("x3d").create_x3d(
            input_clip_length=config.frames,
            input_crop_size=config.size,
            depth_factor=config.depth_factor,
            head_activation=None,
        )
        # The stages only: the next layers pool the positions.
        self.stages = nn.ModuleList(network.blocks[:5])
        self.body = nn.ModuleDict(
            {
                "decoder": Decoder(config.channels),
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
        """Features, float32 (clips, width), and landmarks, float32 (clips, frames, points, 6)."""
        x = self.normalise(clips)
        for stage in self.stages[:-1]:
            x = stage(x)
        found = self.body["decoder"](x, self.stages[-1](x))
        landmarks = torch.cat([found, torch.ones_like(found[..., :1])], dim=-1)
        # The exercise loss must not move the landmarks.
        bodies = landmarks.detach()
        if self.training:
            bodies = augment(bodies, yaw=self._config.yaw, tilt=0.1, noise=self._config.noise, bias=self._config.noise)
        features: Tensor = self.body["features"](landmark_features(bodies))
        return features, landmarks


class Decoder(nn.Module):
    """Maps features of stages (clips, channels, frames, height, width) to landmarks (clips, frames, points, 5).

    :param channels: number of channels of its layers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(*_layer(_LAST_BUT_ONE, channels), nn.ReLU())
        self.coarse = nn.Sequential(*_layer(_LAST, channels), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(*_layer(channels, channels, channels), *_layer(channels, channels), nn.ReLU())
            for _ in range(3)
        )
        self.where = nn.Conv2d(channels, _POINTS, 1)
        self.over_time = nn.Conv1d(channels, channels, 3, padding=1)
        self.dropout = nn.Dropout(0.2)
        self.world = nn.Parameter(torch.randn(_POINTS, 2 * channels, 3) * 0.01)
        self.typical = nn.Parameter(torch.zeros(_POINTS, 3))

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
        overall = overall.reshape(clips * frames, 1, -1).expand(-1, _POINTS, -1)
        known = self.dropout(torch.cat([there, overall], dim=-1))
        world = (known.unsqueeze(-2) @ self.world).squeeze(-2) + self.typical
        return torch.cat([image, world], dim=-1).view(clips, frames, _POINTS, 5)


def _layer(inputs: int, channels: int, groups: int = 1) -> list[nn.Module]:
    """Pointwise convolution, or of 3 x 3 for several groups, with batch normalisation."""
    size = 3 if groups > 1 else 1
    convolution = nn.Conv2d(inputs, channels, size, padding=size // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(channels)]
