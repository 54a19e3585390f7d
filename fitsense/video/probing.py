"""Inspection of a source's first packets: whether they have timestamps, and in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import av
import av.error

from fitsense.video.ordering import MAX_REORDERED, are_reordered

# Limit of packets, of all streams, that are inspected before the first is decoded.
_MAX_PACKETS = 512
# Packets of a stream among which one is displayed before its predecessor, if the stream has reordered frames at all.
_MAX_STAMPS = 2 * MAX_REORDERED


@attrs.frozen
class Probe:
    """The first packets of a source.

    :param stamps: presentation timestamps of the stream's packets among them; None for a packet without one.
    """

    stamps: list[int | None]
    _first: deque[av.Packet[Any]]
    _rest: Iterable[av.Packet[Any]]
    _error: Exception | None

    @classmethod
    def of(
        cls,
        packets: Iterable[av.Packet[Any]],
        stream: av.VideoStream,
        may_reorder: bool,
        is_stopped: Callable[[], bool],
    ) -> Probe:
        """Read packets until the order of the stream's timestamps is known.

        :param may_reorder: whether the stream's decoder may reorder frames; if not, one packet is enough.
        :param is_stopped: whether to stop early; called after each packet.
        """
        first: deque[av.Packet[Any]] = deque()
        stamps: list[int | None] = []
        try:
            for packet in packets:
                first.append(packet)
                if is_stopped():
                    break
                if packet.stream is stream and packet.size:
                    stamps.append(packet.pts)
                if len(first) >= _MAX_PACKETS or len(stamps) >= (_MAX_STAMPS if may_reorder else 1):
                    break
                if are_reordered(stamps):
                    break
            else:
                packets = ()
        except (av.error.FFmpegError, OSError, IndexError) as error:
            return cls(stamps, first, (), error)
        return cls(stamps, first, packets, None)

    def packets(self) -> Iterator[av.Packet[Any]]:
        """All packets of the source, the inspected ones first; raises the error that ended the inspection."""
        while self._first:
            yield self._first.popleft()
        if self._error is not None:
            raise self._error
        yield from self._rest
