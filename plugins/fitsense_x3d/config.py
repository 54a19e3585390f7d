"""Variants of X3D."""

import math
from typing import Literal

import attrs

from fitsense import ClipSpec


@attrs.frozen
class X3DConfig:
    """Configuration of an X3D; the defaults are X3D-S.

    :param frames: frames per clip.
    :param rate_hz: sampling rate in frames per second.
    :param size: side of the square crop, in pixels.
    :param short_side: short side to which frames are scaled before the crop, in pixels.
    :param depth_factor: factor of the number of blocks per stage.
    :param fit: ``crop`` for the centre of the picture, ``person`` for a square around the tracked person.
    """

    frames: int = 13
    rate_hz: float = 5.0
    size: int = 160
    short_side: int = 182
    depth_factor: float = 2.2
    fit: Literal["crop", "person"] = attrs.field(
        default="crop", kw_only=True, validator=attrs.validators.in_(("crop", "person"))
    )

    def clip(self) -> ClipSpec:
        """Specification of the input clips."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side, self.fit)

    def feature_dim(self) -> int:
        """2048: the features before the last projection."""
        return 2048


@attrs.frozen
class XSConfig(X3DConfig):
    """X3D-XS: 4 frames at 2.5 Hz, 160 pixels."""

    frames: int = 4
    rate_hz: float = 2.5


@attrs.frozen
class SConfig(X3DConfig):
    """X3D-S: 13 frames at 5 Hz, 160 pixels."""


@attrs.frozen
class MConfig(X3DConfig):
    """X3D-M: 16 frames at 6 Hz, 224 pixels."""

    frames: int = 16
    rate_hz: float = 6.0
    size: int = 224
    short_side: int = 256


@attrs.frozen
class LConfig(MConfig):
    """X3D-L: 16 frames at 6 Hz, 312 pixels, deeper."""

    size: int = 312
    short_side: int = 356
    depth_factor: float = 5.0


@attrs.frozen
class StreamingConfig(X3DConfig):
    """Configuration of a streaming X3D-S.

    :param frames: frames per clip, at least 2; also the number of newest frames in averages over time.
    """

    frames: int = attrs.field(default=13, validator=attrs.validators.ge(2))

    def receptive_field(self) -> int:
        """Number of newest frames on which features depend, by the stacked convolutions and averages."""
        depths = [math.ceil(blocks * self.depth_factor) for blocks in (1, 2, 5, 3)]
        # The stem reaches 2 frames back, each block 1; every second block, from the first of a stage, averages.
        averages = sum(math.ceil(depth / 2) for depth in depths) + 1
        return 1 + 2 + sum(depths) + averages * (self.frames - 1)


def preset(size: str) -> type[X3DConfig]:
    """The configuration class of ``xs``, ``s``, ``m`` or ``l``."""
    return {"xs": XSConfig, "s": SConfig, "m": MConfig, "l": LConfig}[size]
