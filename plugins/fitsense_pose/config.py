"""The configuration of the backbone."""

import attrs

from fitsense import ClipSpec


@attrs.frozen
class PoseConfig:
    """A network on the statistics of a body's landmarks over a window.

    :param frames: pictures in a clip.
    :param rate_hz: sampling rate in pictures a second.
    :param size: side of the square that the whole picture is put into, in pixels.
    :param short_side: what a picture's short side is scaled to beforehand, in pixels.
    :param width: length of the features.
    :param yaw: in training, bodies are turned about the vertical by up to this angle, in radians.
    :param tilt: standard deviation of how far they lean otherwise, in radians.
    :param noise: standard deviation of what is added to every landmark, in metres.
    :param bias: standard deviation of what is added to a landmark for a whole window, in metres.
    :param dropout: share of statistics that is left out in training.
    """

    frames: int = 16
    rate_hz: float = 6.0
    size: int = 384
    short_side: int = 224
    width: int = 256
    yaw: float = 0.6
    tilt: float = 0.1
    noise: float = 0.01
    bias: float = 0.02
    dropout: float = 0.3

    def clip(self) -> ClipSpec:
        """The clips in which landmarks are found."""
        return ClipSpec(self.frames, self.rate_hz, self.size, self.short_side, fit="pad")

    def observation(self) -> tuple[int, int, int]:
        """(frames, 33, 6)."""
        return (self.frames, 33, 6)

    def feature_dim(self) -> int:
        """The features' length."""
        return self.width
