"""The sizes of SlowFast."""

from typing import Any

import attrs

from fitsense import ClipSpec, InvalidInputError


def _reduction(instance: Any, attribute: "attrs.Attribute[int]", value: int) -> None:
    if not 4 <= value <= 16:
        raise InvalidInputError(f"channel_reduction_ratio: expected 4 to 16, got {value!r}")


@attrs.frozen
class SlowFastConfig:
    """What distinguishes one SlowFast from another; the defaults are R50 8x8.

    :param depth: layers of the underlying ResNet: 18, 50 or 101.
    :param width: channels of the slow stem.
    :param alpha: the fast pathway sees this many times the slow one's frames.
    :param channel_reduction_ratio: the fast pathway has this many times fewer channels (1 / beta of the paper).
        The public weights have 8; arXiv 2406.06703 found 10 best.
    :param frames: pictures in a clip, as the fast pathway sees it; a multiple of alpha.
    :param rate_hz: sampling rate of the fast pathway, in pictures a second.
    :param size: side of the square crop, in pixels.
    :param short_side: what a frame's short side is scaled to before the crop, in pixels.
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
        """The clips that the network takes."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side)

    def feature_dim(self) -> int:
        """The slow pathway's channels and the fast one's: 2048 + 256 for R50 at ratio 8."""
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
    """A SlowFast that trains and runs in real time on two CPU cores: 18 layers, a quarter of the width."""

    depth: int = attrs.field(default=18, validator=attrs.validators.in_((18, 50, 101)))
    width: int = 16
    frames: int = 16
    rate_hz: float = 7.5
    size: int = 128
    short_side: int = 146
