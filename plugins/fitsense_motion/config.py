"""The configuration of the backbone."""

import attrs

from fitsense import ClipSpec
from fitsense_motion.statistics import count


@attrs.frozen
class FlowConfig:
    """Statistics of how the picture moves over a window.

    :param frames: pictures in a clip, at least two: flow is between each and the next.
    :param rate_hz: sampling rate in pictures a second.
    :param size: side of the square in which flow is found, in pixels.
    :param short_side: what a picture's short side is scaled to beforehand, in pixels.
    """

    frames: int = attrs.field(default=20, validator=attrs.validators.ge(2))
    rate_hz: float = 7.5
    size: int = attrs.field(default=112, validator=attrs.validators.ge(16))
    short_side: int = 112

    def clip(self) -> ClipSpec:
        """The clips in which flow is found."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side)

    def feature_dim(self) -> int:
        """How many statistics there are."""
        return count()

    def observation(self) -> tuple[int]:
        """(feature_dim,): the features themselves."""
        return (count(),)
