"""Heartbeats: periods of media time that were analysed, whether or not anything happened."""

from __future__ import annotations

import attrs

_TOLERANCE_S = 1e-6


@attrs.define
class HeartbeatState:
    """State of a :class:`Heartbeat`.

    :param since_s: end of the last period, in seconds of media time; the first frame's time before it.
    :param frames: number of frames so far.
    """

    since_s: float | None = None
    frames: int = 0


class Heartbeat:
    """Divides media time into periods.

    :param interval_s: shortest period in seconds; None for no periods.
    """

    def __init__(self, interval_s: float | None) -> None:
        self._interval_s = interval_s
        self.state = HeartbeatState()

    def add_frame(self, time_s: float) -> None:
        """Count a frame at `time_s` seconds of media time."""
        self.state.frames += 1
        if self.state.since_s is None:
            self.state.since_s = time_s

    def beat(self, at_s: float) -> tuple[float, float] | None:
        """Start and end of a period that is over at `at_s` seconds of media time; None if none is."""
        since_s = self.state.since_s
        if self._interval_s is None or since_s is None or at_s - since_s < self._interval_s - _TOLERANCE_S:
            return None
        self.state.since_s = at_s
        return since_s, at_s
