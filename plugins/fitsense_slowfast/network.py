"""The network: pytorchvideo's SlowFast up to the features before its last projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fitsense.nn import clip_normaliser, pytorchvideo_models
from fitsense_slowfast.config import SlowFastConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

_PROJECTION = "blocks.6.proj."
# Residual stages; the last one has no lateral connection.
_STAGES = 4


def build(config: SlowFastConfig) -> nn.Module:
    """Build SlowFast as a module from clips to features, float32 (clips, feature_dim), in eval mode."""
    slowfast = pytorchvideo_models("slowfast")
    from torch import nn

    ratio = config.channel_reduction_ratio

    def fast_to_slow(fusion_dim_in: int, stage_idx: int) -> nn.Module:
        """Lateral connection after a stage. That of pytorchvideo rounds the number of channels differently from the
        next stage, so that most ratios other than powers of two do not fit."""
        if stage_idx == _STAGES:
            return nn.Identity()
        channels = 2 * fusion_dim_in // ratio
        convolution = nn.Conv3d(
            fusion_dim_in // ratio,
            channels,
            kernel_size=(7, 1, 1),
            stride=(config.alpha, 1, 1),
            padding=(3, 0, 0),
            bias=False,
        )
        connection: nn.Module = slowfast.FuseFastToSlow(convolution, nn.BatchNorm3d(channels), nn.ReLU())
        return connection

    network = slowfast.create_slowfast(
        model_depth=config.depth,
        slowfast_channel_reduction_ratio=(ratio,),
        fusion_builder=fast_to_slow,
        # pytorchvideo does not derive the width of the fast stem from the ratio.
        stem_dim_outs=(config.width, config.width // ratio),
        head_pool=nn.AdaptiveAvgPool3d,
        head_output_size=((1, 1, 1), (1, 1, 1)),
        head=None,
    )

    class SlowFast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normalise = clip_normaliser(config.clip(), (0.45,) * 3, (0.225,) * 3)
            self.network = network

        def forward(self, clips: Tensor) -> Tensor:
            fast = self.normalise(clips)
            # pytorchvideo writes its results into the list: pass a copy.
            features: Tensor = self.network([fast[:, :, :: config.alpha], fast])
            return features.flatten(1)

    return SlowFast().eval()


def adapt_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adapt the zoo's state dict: without the last projection, with this module's names."""
    return {f"network.{name}": value for name, value in state.items() if not name.startswith(_PROJECTION)}


def layers(module: nn.Module) -> Sequence[nn.Module]:
    """Stems, four stages and pooling; each of both pathways."""
    return list(module.get_submodule("network.blocks").children())
