"""Media time of decoded frames, and the dates in containers' metadata."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import av

# Larger steps of a source's clock, in seconds, are faults of the clock.
_MAX_BACK_S, _MAX_AHEAD_S = 1.0, 3600.0
# If only some packets have timestamps, these may belong to other frames: frames are counted, and timestamps within this
# distance, in seconds, correct the count by a fraction of the difference.
_COUNTED_S, _CORRECTION = 0.25, 0.1
_DEFAULT_RATE_HZ = 30.0
# Years in which a video may have been recorded.
_RECORDED = range(1990, 2200)


class MediaClock:
    """Assigns media times to frames, in seconds from the container's start; continues where the source's clock jumps.

    :param start_s: time of the container's start, by the source's clock.
    :param rate_hz: nominal frame rate; None if unknown.
    """

    def __init__(self, start_s: float, rate_hz: float | None) -> None:
        self.start_s = start_s
        self.step_s = 1.0 / (rate_hz or _DEFAULT_RATE_HZ)
        # Whether frames are counted, since some packets have no timestamp.
        self.is_counted = False
        # When the next frame is due, and until when the latest frame, and packets of other streams, last.
        self.end_s = self.shown_until_s = self.others_until_s = 0.0
        self._last_s: float | None = None

    def advance(self, frame: av.VideoFrame) -> tuple[float, str | None]:
        """Media time of the next frame; and a description of the source's clock jump, if there was one."""
        time_s, jump = self._time_of(frame)
        self.end_s = time_s + ((_duration_s(frame) if frame.pts is None else 0.0) or self.step_s)
        self.shown_until_s = max(self.end_s, time_s + _duration_s(frame))
        return time_s, jump

    def skip(self, packet: av.Packet[Any]) -> None:
        """Account for a packet of another stream."""
        if packet.pts is not None:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base) - self.start_s
            self.others_until_s = max(self.others_until_s, end_s)

    def since_start(self, frame: av.VideoFrame) -> float:
        """The frame's own timestamp, in seconds from the start."""
        return round((frame.time or 0.0) - self.start_s, 6)

    def _time_of(self, frame: av.VideoFrame) -> tuple[float, str | None]:
        if frame.time is None:
            return self.end_s, None
        jump: str | None = None
        time_s = self.since_start(frame)
        if self._last_s is not None:
            if self.is_counted and abs(time_s - self.end_s) <= _COUNTED_S:
                time_s = self.end_s + _CORRECTION * (time_s - self.end_s)
            elif not -_MAX_BACK_S <= time_s - self._last_s <= _MAX_AHEAD_S:
                jump = f"the source's clock leaps from {self._last_s:.1f} s to {time_s:.1f} s; time is counted on"
                self.start_s += time_s - self.end_s
                time_s = self.end_s
        self._last_s = time_s
        return time_s, jump


def creation_time(metadata: Mapping[str, str]) -> datetime | None:
    """Time of recording with a time zone; None if the metadata do not state it.

    Apple's tag contains the local time zone; FFmpeg's is in UTC.
    """
    for name in ("com.apple.quicktime.creationdate", "creation_time", "DATE_RECORDED"):
        try:
            found = datetime.fromisoformat(metadata[name].strip())
        except (KeyError, ValueError):
            continue
        # Recorders without a clock write the epoch of their clock: 1904, 1970 or 1980.
        if found.tzinfo is not None and found.year in _RECORDED:
            return found
    return None


def _duration_s(frame: av.VideoFrame) -> float:
    """Display duration of a frame in seconds; 0 if unknown."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
