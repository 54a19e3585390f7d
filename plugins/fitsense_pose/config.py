"""Configuration of the backbone."""

from typing import Literal

import attrs

from fitsense import ClipSpec
from fitsense.nn.movement import NUM_MOVEMENT_FEATURES, NUM_MOVEMENT_SIGNALS


@attrs.frozen
class PoseConfig:
    """Network on statistics of body landmarks over a window.

    :param frames: frames per clip.
    :param rate_hz: sampling rate in frames per second.
    :param size: side of the square into which the whole picture is fitted, in pixels.
    :param short_side: short side to which frames are scaled first, in pixels.
    :param layer: ``trained`` for a layer on the statistics of :mod:`fitsense.nn.landmarks`, which needs finetuning;
        ``none`` for the statistics of :mod:`fitsense.nn.movement` themselves, for heads that are fitted on them;
        ``signals`` for that module's signals of each frame, one frame after the other, for ``heads/network``.
    :param width: length of the features of a trained layer.
    :param yaw: largest rotation of bodies about the vertical axis in training, in radians.
    :param tilt: standard deviation of other rotations in training, in radians.
    :param noise: standard deviation of noise per landmark and frame in training, in metres.
    :param bias: standard deviation of noise per landmark and window in training, in metres.
    :param dropout: dropout rate of the statistics in training.
    """

    frames: int = 16
    rate_hz: float = 6.0
    size: int = 384
    short_side: int = 224
    layer: Literal["trained", "none", "signals"] = attrs.field(
        default="trained", validator=attrs.validators.in_(("trained", "none", "signals"))
    )
    width: int = 256
    yaw: float = 0.6
    tilt: float = 0.1
    noise: float = 0.01
    bias: float = 0.02
    dropout: float = 0.3

    def clip(self) -> ClipSpec:
        """Specification of the input clips."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side, fit="pad")

    def observation(self) -> tuple[int, int, int]:
        """(frames, 33, 6)."""
        return (self.frames, 33, 6)

    def feature_dim(self) -> int:
        """Length of the features."""
        if self.layer == "signals":
            return self.frames * NUM_MOVEMENT_SIGNALS
        return self.width if self.layer == "trained" else NUM_MOVEMENT_FEATURES
