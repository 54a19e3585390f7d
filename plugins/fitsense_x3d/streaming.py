"""Streaming X3D: temporal convolutions are computed once per frame, not again for each window.

After continual inference (Hedegaard and Iosifidis, ECCV 2022, arXiv 2106.00050): convolutions over time keep partial
results of earlier frames as state, and averages over a clip, in squeeze-and-excitation and at the end, become averages
over as many newest frames. Unlike in that paper, there is no delay: convolutions replace future frames by the newest
one. The parameters are those of X3D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fitsense_x3d.config import StreamingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    State = Mapping[str, Tensor]

_PROJECTION = "blocks.5.proj."


def build(config: StreamingConfig) -> nn.Module:
    """Build X3D as a module from clips to features, float32 (clips, 2048), in eval mode.

    Its method ``step`` takes one frame of each stream and the state after the frames before.
    """
    from fitsense_x3d.streaming_network import Streaming

    return Streaming(config).eval()


def state(config: StreamingConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of a stream's state arrays."""
    import torch

    with torch.device("meta"):
        shapes: dict[str, tuple[int, ...]] = build(config).state()  # type: ignore[operator]
    return shapes


def step(module: Any, frame: Tensor, state: State) -> tuple[Tensor, State]:
    """Process one frame of each stream."""
    features, after = module.step(frame, state)
    return features, after


def layers(module: Any) -> Sequence[nn.Module]:
    """Stem, four stages, and the layers before the projection."""
    return list(module.blocks)


def adapt_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adapt the zoo's state dict: without the last projection."""
    return {name: value for name, value in state.items() if not name.startswith(_PROJECTION)}
