"""Decides which frames to keep. Deterministic, so that a decoder can skip the frames that the session would drop."""

from __future__ import annotations

from collections.abc import Iterable

from fitsense.types import ClipSpec

MAX_RATE_HZ = 15.0
"""Thumbnails a second that suffice to count repetitions of any exercise."""

# A clip's picture is the frame nearest to the middle of its slot: two frames a slot suffice.
_FRAMES_A_SLOT = 2
# Cameras' intervals vary: of 24 to 60 frames a second, 12 to 20 are kept, and of a steady 30 every second one.
_SLACK = 0.75
# Rounding error of differences of timestamps in float64, in seconds.
_TOLERANCE_S = 1e-6


def min_interval_s(specs: Iterable[ClipSpec]) -> float:
    """Minimum spacing between frames in seconds: twice the highest clip rate, or the repetition counter's if higher."""
    return _SLACK / max([MAX_RATE_HZ, *(_FRAMES_A_SLOT * spec.rate_hz for spec in specs)])


class RateLimiter:
    """Skips frames that come too soon after the last one kept. Frames kept by one limiter are all kept by another.

    :param min_interval_s: shortest interval in seconds of media time; 0 to keep all frames.
    """

    def __init__(self, min_interval_s: float) -> None:
        self._min_interval_s = min_interval_s
        self._last_s: float | None = None

    def accept(self, time_s: float) -> bool:
        """Decide whether a frame of that time is kept, and note it. Late frames are kept: the session handles them."""
        if self._last_s is not None and within_interval(time_s, self._last_s, self._min_interval_s):
            return False
        self._last_s = time_s if self._last_s is None else max(self._last_s, time_s)
        return True


def within_interval(time_s: float, last_s: float, min_interval_s: float) -> bool:
    """True if a frame at `time_s` comes too soon after the last one kept, at `last_s`."""
    return last_s < time_s < last_s + min_interval_s - _TOLERANCE_S
