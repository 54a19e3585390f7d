"""X3D with a landmark head: body landmarks in each frame, and their statistics as features.

The final features of X3D describe appearance; joint positions, which distinguish exercises of unseen people, are
available in its last two stages. A decoder predicts them from there. It is trained on the landmarks of a pose estimator
(privileged information: Vapnik and Vashist, 2009), which inference does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from fitsense_x3d.config import X3DConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


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
    from fitsense_x3d.bodies_network import Bodies

    return Bodies(config).eval()


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
