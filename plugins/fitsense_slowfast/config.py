"""Variants of SlowFast."""

from typing import Any

import attrs

from fitsense import ClipSpec, InvalidInputError


def _reduction(instance: Any, attribute: "attrs.Attribute[int]", value: int) -> None:
    if not 4 <= value <= 16:
        raise InvalidInputError(f"channel_reduction_ratio: expected 4 to 16, got {value!r}")


@attrs.frozen
class SlowFastConfig:
    """Configuration of a SlowFast; the defaults are R50 8x8.

    :param depth: layers of the underlying ResNet: 18, 50 or 101.
    :param width: channels of the slow stem.
    :param alpha: ratio of the frame rates of the fast and the slow pathway.
    :param channel_reduction_ratio: ratio of the channels of the slow and the fast pathway (1 / beta in the paper).
        The public weights have 8; arXiv 2406.06703 found 10 best.
    :param frames: frames per clip in the fast pathway; a multiple of alpha.
    :param rate_hz: sampling rate of the fast pathway, in frames per second.
    :param size: side of the square crop, in pixels.
    :param short_side: short side to which frames are scaled before the crop, in pixels.
    """

    depth: int = attrs.field(default=50, validator=attrs.validators.in_((18, 50, 101)))
    width: int = 64
    alpha: int = 4
    channel_reduction_ratio: int = attrs.field(default=8, validator=_reduction)
    frames: int = 32
    rate_hz: float = 15.0
    size: int = 256
    short_side: int = 256

    def __attrs_post_init__(self) -> None:
        if self.alpha < 1 or self.frames % self.alpha:
            raise InvalidInputError(f"frames: expected a multiple of alpha ({self.alpha}), got {self.frames}")
        if self.width < self.channel_reduction_ratio:
            raise InvalidInputError(
                f"width: expected at least channel_reduction_ratio ({self.channel_reduction_ratio}), got {self.width}"
            )

    def clip(self) -> ClipSpec:
        """Specification of the input clips."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side)

    def feature_dim(self) -> int:
        """Channels of both pathways: 2048 + 256 for R50 at ratio 8."""
        slow = self.width * 32
        return slow + slow // self.channel_reduction_ratio


@attrs.frozen
class R50Config(SlowFastConfig):
    """SlowFast R50 8x8: 32 frames at 15 Hz, 8 of them slow."""


@attrs.frozen
class R101Config(SlowFastConfig):
    """SlowFast R101 8x8."""

    depth: int = attrs.field(default=101, validator=attrs.validators.in_((18, 50, 101)))


@attrs.frozen
class SmallConfig(SlowFastConfig):
    """A small SlowFast for training and real time on two CPU cores: 18 layers, a quarter of the width."""

    depth: int = attrs.field(default=18, validator=attrs.validators.in_((18, 50, 101)))
    width: int = 16
    frames: int = 16
    rate_hz: float = 7.5
    size: int = 128
    short_side: int = 146
