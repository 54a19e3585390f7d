"""Which frames of a stream are worth a look: pure, and the same wherever it is asked, so that a source need not even
scale the others."""

from __future__ import annotations

from collections.abc import Iterable

from fitsense.types import ClipSpec

MAX_RATE_HZ = 15.0
"""So many thumbnails a second show any exercise; more are waste."""


# A clip's picture is the frame nearest to the middle of its slot: two frames a slot are plenty.
_FRAMES_A_SLOT = 2
# Cameras are not quite regular: of 24 to 60 frames a second, 12 to 20 are kept, and of a steady 30 every second one.
_SLACK = 0.75
# Seconds by which differences of timestamps may be off in float64.
_TOLERANCE_S = 1e-6


def min_interval_s(specs: Iterable[ClipSpec]) -> float:
    """So soon after a frame, in seconds, another one shows nothing new: neither to clips of the `specs` nor to who
    counts repetitions."""
    return _SLACK / max([MAX_RATE_HZ, *(_FRAMES_A_SLOT * spec.rate_hz for spec in specs)])


class RateLimiter:
    """Passes over frames that come too soon after one that was kept. What was kept is all kept again.

    :param min_interval_s: in seconds of media time; 0 to keep all.
    """

    def __init__(self, min_interval_s: float) -> None:
        self._min_interval_s = min_interval_s
        self._last_s: float | None = None

    def accept(self, time_s: float) -> bool:
        """Whether a frame of that time is kept, which it is then. One that comes late is: others say what is to
        become of it."""
        if self._last_s is not None and within_interval(time_s, self._last_s, self._min_interval_s):
            return False
        self._last_s = time_s if self._last_s is None else max(self._last_s, time_s)
        return True


def within_interval(time_s: float, last_s: float, min_interval_s: float) -> bool:
    """Whether a frame is passed over, `last_s` being the time of the newest one that was kept."""
    return last_s < time_s < last_s + min_interval_s - _TOLERANCE_S
