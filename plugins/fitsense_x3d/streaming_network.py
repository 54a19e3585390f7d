"""Network of streaming X3D. Imports torch: :mod:`fitsense_x3d.streaming` imports it when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fitsense.nn import clip_normaliser, pytorchvideo_models
from fitsense_x3d.config import StreamingConfig

State = Mapping[str, Tensor]

_COLOURS = ((0.45,) * 3, (0.225,) * 3)


class Streaming(nn.Module):
    """X3D without future frames: on clips, or with :meth:`step` on one frame of each stream."""

    def __init__(self, config: StreamingConfig) -> None:
        super().__init__()
        self._config = config
        clip = config.clip()
        self.normalise_clip = clip_normaliser(clip, *_COLOURS)
        self.normalise_frame = clip_normaliser(attrs.evolve(clip, frames=1), *_COLOURS)
        self.blocks = (
            pytorchvideo_models("x3d")
            .create_x3d(
                input_clip_length=config.frames,
                input_crop_size=config.size,
                depth_factor=config.depth_factor,
                head_activation=None,
            )
            .blocks
        )
        self.blocks[5].proj = nn.Identity()

    def forward(self, clips: Tensor) -> Tensor:
        return self._features(self.normalise_clip(clips), Clip(self._config.frames))

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """Features, float32 (streams, 2048), and state after a frame, uint8 (streams, size, size, 3)."""
        time = Frame(state)
        return self._features(self.normalise_frame(frame.unsqueeze(1)), time), time.new

    def state(self) -> dict[str, tuple[int, ...]]:
        """Shapes of a stream's state arrays."""
        shapes: dict[str, tuple[int, ...]] = {"seen": (1, self._config.frames - 1)}

        def convolve(name: str, convolution: Any, side: int) -> int:
            side = -(-side // convolution.stride[1])
            for ahead in range(1, 1 + _before(convolution)):
                shapes[f"{name}.{ahead}"] = (1, side, side, convolution.out_channels)
            return side

        side = convolve("stem", self.blocks[0].conv.conv_xy, (self._config.size + 1) // 2)
        for name, block in self._residual_blocks():
            side = convolve(name, block.branch2.conv_b, side)
            if not isinstance(block.branch2.norm_b[1], nn.Identity):
                shapes[f"{name}.gate"] = (block.branch2.conv_b.out_channels, self._config.frames - 1)
        shapes["pool"] = (self.blocks[5].pool.pre_conv.out_channels, self._config.frames - 1)
        return shapes

    def _residual_blocks(self) -> Iterator[tuple[str, Any]]:
        for number, stage in enumerate(self.blocks[1:5]):
            for depth, block in enumerate(stage.res_blocks):
                yield f"stage{number}.{depth}", block

    def _features(self, x: Tensor, time: Clip | Frame) -> Tensor:
        """Features after the last frame of float32 (streams, 3, frames, size, size)."""
        stem, head = self.blocks[0], self.blocks[5].pool
        x = stem.activation(stem.norm(time.convolve("stem", stem.conv.conv_xy, stem.conv.conv_t(x))))
        for name, block in self._residual_blocks():
            shortcut = x
            if block.branch1_conv is not None:
                shortcut = block.branch1_conv(x)
            if block.branch1_norm is not None:
                shortcut = block.branch1_norm(shortcut)
            x = block.activation(shortcut + self._bottleneck(name, block.branch2, x, time))
        x = time.average("pool", head.pre_act(head.pre_norm(head.pre_conv(x))))[:, :, -1:]
        features: Tensor = head.post_act(head.post_conv(x)).flatten(1)
        return features

    @staticmethod
    def _bottleneck(name: str, block: Any, x: Tensor, time: Clip | Frame) -> Tensor:
        x = block.act_a(block.norm_a(block.conv_a(x)))
        norm, gate = block.norm_b
        x = norm(time.convolve(name, block.conv_b, x))
        if not isinstance(gate, nn.Identity):
            x = x * gate.block(time.average(f"{name}.gate", x))
        branch: Tensor = block.norm_c(block.conv_c(F.silu(x)))
        return branch


class Clip:
    """Process all frames of clips, (clips, channels, frames, height, width).

    :param frames: number of newest frames that averages cover.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames

    def convolve(self, name: str, convolution: Any, x: Tensor) -> Tensor:
        """Causal convolution over the frame and its predecessors."""
        weight = _causal_weight(convolution)
        # The first frame repeats before the clip: black frames would be a sudden change.
        first = x[:, :, :1].expand(-1, -1, weight.shape[2] - 1, -1, -1)
        return _convolve(torch.cat([first, x], dim=2), convolution, weight)

    def average(self, name: str, x: Tensor) -> Tensor:
        """Means over positions and the newest frames, for each frame: (clips, channels, frames, 1, 1)."""
        means = F.pad(x.mean(dim=(3, 4), keepdim=True), (0, 0, 0, 0, self._frames - 1, 0))
        # At the start, over fewer frames.
        share = torch.arange(1, x.shape[2] + 1, device=x.device).clamp(max=self._frames) / self._frames
        return F.avg_pool3d(means, (self._frames, 1, 1), 1) / share[:, None, None]


class Frame:
    """Process one frame of each stream, (streams, channels, 1, height, width), with its state.

    The state of a convolution is the sum that earlier frames add to the results of later ones.
    """

    def __init__(self, old: State) -> None:
        self._old = old
        self.new: dict[str, Tensor] = {}
        seen = old["seen"][:, :, -1:]
        self._is_first = (1 - seen)[..., None, None]
        self._share = self._mean("seen", torch.ones_like(seen))

    def convolve(self, name: str, convolution: Any, x: Tensor) -> Tensor:
        weight = _causal_weight(convolution)
        taps = weight.shape[2]
        added = [_convolve(x, convolution, weight[:, :, tap : tap + 1]) for tap in range(taps)]
        so_far, earlier = torch.zeros_like(added[0]), {}
        for ahead in reversed(range(1, taps)):
            so_far = so_far + added[taps - 1 - ahead]
            # Channels last, as in the runtimes, which then reorder nothing.
            earlier[ahead] = self._old[f"{name}.{ahead}"].permute(0, 4, 1, 2, 3) + self._is_first * so_far
        for ahead in range(1, taps):
            adds = added[taps - 1 - ahead]
            adds = adds + earlier[ahead + 1] if ahead + 1 in earlier else adds
            self.new[f"{name}.{ahead}"] = adds.permute(0, 2, 3, 4, 1)
        return added[-1] + earlier[1]

    def average(self, name: str, x: Tensor) -> Tensor:
        return self._mean(name, x.mean(dim=(3, 4))) / self._share

    def _mean(self, name: str, x: Tensor) -> Tensor:
        newest = torch.cat([self._old[name], x], dim=2)
        self.new[name] = newest[:, :, 1:]
        return newest.mean(dim=2)[..., None, None, None]


def _causal_weight(convolution: Any) -> Tensor:
    """Weights for the frames before, in order, and for the newest frame, which replaces later ones."""
    before = _before(convolution)
    now: Tensor = convolution.weight[:, :, before:].sum(dim=2, keepdim=True)
    return torch.cat([convolution.weight[:, :, :before], now], dim=2)


def _convolve(x: Tensor, convolution: Any, weight: Tensor) -> Tensor:
    padding = (0, *convolution.padding[1:])
    return F.conv3d(x, weight, None, convolution.stride, padding, 1, convolution.groups)


def _before(convolution: Any) -> int:
    """Number of preceding frames in the receptive field."""
    frames: int = convolution.kernel_size[0] // 2
    return frames
