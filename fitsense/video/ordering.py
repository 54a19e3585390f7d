"""Timestamps of frames whose container gives none, or gives them in decoding order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import av

# Largest distance, in frames, between decoding order and display order in any codec.
MAX_REORDERED = 16


def are_reordered(stamps: Iterable[int | None]) -> bool:
    """True if presentation timestamps decrease from one packet to a later one; then they are in display order."""
    latest: int | None = None
    for stamp in stamps:
        if stamp is None:
            continue
        if latest is not None and stamp < latest:
            return True
        latest = stamp
    return False


class DisplayOrder:
    """Assigns timestamps in display order if those of the packets are in decoding order.

    An .avi, an .mxf and a broken .mp4 have one timestamp per packet, in decoding order. The decoder returns frames in
    display order, so that each frame has the earliest timestamp that is left.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        # Timestamps and numbers of the packets whose frame is still missing, in decoding order.
        self._pending: dict[int, int] = {}
        self._sent = 0

    def send(self, packet: av.Packet[av.VideoStream]) -> None:
        """Record a packet before it is decoded."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and stamp not in self._pending:
            heapq.heappush(self._free, stamp)
            self._pending[stamp] = self._sent
            self._sent += 1

    def stamp(self, frame: av.VideoFrame) -> None:
        """Set the timestamp of the next frame; None if no packet is left."""
        number = None if frame.pts is None else self._pending.pop(frame.pts, None)
        if number is not None:
            self._forget_before(number - MAX_REORDERED)
        frame.pts = heapq.heappop(self._free) if self._free else None

    def _forget_before(self, number: int) -> None:
        """Drop packets for which no frame will come: these are never displayed."""
        while self._pending:
            stamp, sent = next(iter(self._pending.items()))
            if sent >= number:
                break
            del self._pending[stamp]
            heapq.heappop(self._free)
