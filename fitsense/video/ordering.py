"""Times of pictures whose container gives none, or numbers them in the order of decoding."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import av

# No encoder puts more pictures than this between a picture's place in the file and its place on the screen.
MAX_REORDERED = 16


def are_reordered(stamps: Iterable[int | None]) -> bool:
    """Whether presentation times go back from one packet to a later one: then they are the order of display."""
    latest: int | None = None
    for stamp in stamps:
        if stamp is None:
            continue
        if latest is not None and stamp < latest:
            return True
        latest = stamp
    return False


class DisplayOrder:
    """Presentation times by the order of display, where those of the packets are in the order of decoding.

    An .avi, an .mxf and a broken .mp4 have one time for each packet, in the order in which packets are decoded. The
    decoder gives pictures in the order of display, so that the earliest time that is left is that of the next picture.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        # The packets whose picture has not come yet, and their numbers, in the order of decoding.
        self._coming: dict[int, int] = {}
        self._sent = 0

    def send(self, packet: av.Packet[av.VideoStream]) -> None:
        """Note a packet that is about to be decoded."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and stamp not in self._coming:
            heapq.heappush(self._free, stamp)
            self._coming[stamp] = self._sent
            self._sent += 1

    def stamp(self, frame: av.VideoFrame) -> None:
        """Give the next picture its time; None where no packet is left."""
        number = None if frame.pts is None else self._coming.pop(frame.pts, None)
        if number is not None:
            self._forget_before(number - MAX_REORDERED)
        frame.pts = heapq.heappop(self._free) if self._free else None

    def _forget_before(self, number: int) -> None:
        """Forget packets of which no picture has come, and none will: they have no time on the screen."""
        while self._coming:
            stamp, sent = next(iter(self._coming.items()))
            if sent >= number:
                break
            del self._coming[stamp]
            heapq.heappop(self._free)
