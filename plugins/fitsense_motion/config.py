"""Configuration of the backbone."""

import attrs

from fitsense import ClipSpec
from fitsense_motion.statistics import count


@attrs.frozen
class FlowConfig:
    """Statistics of the optical flow over a window.

    :param frames: frames per clip, at least two: flow is computed between consecutive frames.
    :param rate_hz: sampling rate in frames per second.
    :param size: side of the square for the flow, in pixels.
    :param short_side: short side to which frames are scaled first, in pixels.
    """

    frames: int = attrs.field(default=20, validator=attrs.validators.ge(2))
    rate_hz: float = 7.5
    size: int = attrs.field(default=112, validator=attrs.validators.ge(16))
    short_side: int = 112

    def clip(self) -> ClipSpec:
        """Specification of the input clips."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side)

    def feature_dim(self) -> int:
        """Number of statistics."""
        return count()

    def observation(self) -> tuple[int]:
        """(feature_dim,): the features themselves."""
        return (count(),)
