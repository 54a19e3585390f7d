"""The network: statistics of a body's movement over a window, and a layer on them if it is configured so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitsense import InvalidInputError
from fitsense.nn.landmarks import LANDMARKS, NUM_FEATURES, augment, landmark_features
from fitsense.nn.movement import movement_features, movement_signals
from fitsense_pose.config import PoseConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(config: PoseConfig) -> nn.Module:
    """A module from landmarks, float32 (clips, frames, 33, 6), to features, float32 (clips, feature_dim), in eval mode.

    In training mode it varies the bodies at random.
    """
    import torch
    from torch import nn

    class PoseStatistics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers: nn.Module | None = None
            if config.layer == "trained":
                self.layers = nn.Sequential(
                    nn.BatchNorm1d(NUM_FEATURES),
                    nn.Dropout(config.dropout),
                    nn.Linear(NUM_FEATURES, config.width),
                    nn.GELU(),
                )

        def forward(self, landmarks: Tensor) -> Tensor:
            if tuple(landmarks.shape[1:]) != config.observation() or landmarks.dtype != torch.float32:
                raise InvalidInputError(
                    f"landmarks: expected float32 of shape (clips, {', '.join(map(str, config.observation()))}), "
                    f"got {str(landmarks.dtype).removeprefix('torch.')} of shape {tuple(landmarks.shape)}"
                )
            bodies = landmarks[:, :, list(LANDMARKS)]
            if self.training:
                bodies = augment(bodies, yaw=config.yaw, tilt=config.tilt, noise=config.noise, bias=config.bias)
            if config.layer == "signals":
                return movement_signals(bodies).flatten(1)
            if self.layers is None:
                return movement_features(bodies)
            features: Tensor = self.layers(landmark_features(bodies))
            return features

    return PoseStatistics().eval()
