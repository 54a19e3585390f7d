"""The network: pytorchvideo's X3D up to the features before its last projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fitsense.nn import clip_normaliser, pytorchvideo_models
from fitsense_x3d.config import X3DConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

_PROJECTION = "blocks.5.proj."


def build(config: X3DConfig) -> nn.Module:
    """Build X3D as a module from clips to features, float32 (clips, 2048), in eval mode.

    The projection to classes and the softmax of the zoo's head are left out.
    """
    create_x3d = pytorchvideo_models("x3d").create_x3d
    from torch import nn

    network = create_x3d(
        input_clip_length=config.frames,
        input_crop_size=config.size,
        depth_factor=config.depth_factor,
        head_activation=None,
    )
    network.blocks[5].proj = nn.Identity()
    # Heads have regularisation of their inputs.
    network.blocks[5].dropout = None
    clip = config.clip()
    return nn.Sequential(clip_normaliser(clip, (0.45,) * 3, (0.225,) * 3), network).eval()


def adapt_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adapt the zoo's state dict: without the last projection, with this module's names."""
    return {f"1.{name}": value for name, value in state.items() if not name.startswith(_PROJECTION)}


def layers(module: nn.Module) -> Sequence[nn.Module]:
    """Stem, the residual blocks of all stages, and the layers before the projection: each takes what the one before
    returns."""
    _, network = module.children()
    stem, *stages, last = network.get_submodule("blocks").children()
    return [stem, *(block for stage in stages for block in stage.get_submodule("res_blocks").children()), last]
