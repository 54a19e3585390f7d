"""The sound of a video file, for a file that is written with the same times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from fitsense._internal.closing import Closing
from fitsense.video.opening import open_input

_LOGGER = logging.getLogger("fitsense.video")

# Codecs that every container of an overlay takes, and containers whose packets of them fit as they are.
_COPIED_CODECS = {"aac", "mp3", "ac3", "eac3", "alac"}
_COPIED_FROM = {"mov", "mp4", "matroska"}
_CODEC, _FORMAT, _LAYOUTS = "aac", "fltp", ("mono", "stereo")
_MAX_RATE_HZ = 48_000
_TIMEOUT_S = 15.0
# Longer silences between packets, in seconds, remain; shorter ones are rounding.
_GAP_S = 0.05


class Soundtrack(Closing):
    """The best audio track of a file: copied if possible, else encoded as AAC.

    :param source: a file's path.
    :raises SourceError: the file cannot be opened.

    What cannot be decoded or written is left out: a picture without sound is better than none.
    """

    def __init__(self, source: str | Path) -> None:
        self._input = open_input(source, _TIMEOUT_S, {})
        container = self._input.container
        self._start_s = (container.start_time or 0) / av.time_base
        best = container.streams.best("audio")
        self._stream = best if isinstance(best, av.AudioStream) else None
        self._waiting: tuple[float, av.Packet[Any]] | None = None
        self._packets: Iterator[tuple[float, av.Packet[Any]]] = iter(())

    def close(self) -> None:
        """Close the file."""
        self._packets = iter(())
        self._waiting = self._stream = None
        self._input.close()

    def add_to(self, output: av.container.OutputContainer) -> None:
        """Add the track to a file that is not yet written to; nothing without a track."""
        stream = self._stream
        if stream is None or stream.codec_context is None:
            return
        codec = stream.codec_context
        formats = set(self._input.container.format.name.split(","))
        try:
            if codec.codec.canonical_name in _COPIED_CODECS and formats & _COPIED_FROM:
                self._packets = self._copied(output.add_stream_from_template(stream))
            else:
                rate_hz = min(codec.sample_rate or _MAX_RATE_HZ, _MAX_RATE_HZ)
                layout = _LAYOUTS[min(codec.channels, len(_LAYOUTS)) - 1]
                encoder = output.add_stream(_CODEC, rate=rate_hz, layout=layout, format=_FORMAT)
                self._packets = self._encoded(encoder, rate_hz, layout)
        except (av.error.FFmpegError, ValueError, IndexError) as error:
            _LOGGER.warning("the sound of %s is left out: %s", self._input.path, error)

    def write_until(self, output: av.container.OutputContainer, time_s: float) -> None:
        """Write the sound up to `time_s` seconds of media time, so that it lies beside its pictures in the file."""
        try:
            while True:
                self._waiting = self._waiting or next(self._packets, None)
                if self._waiting is None or self._waiting[0] > time_s:
                    return
                (_, packet), self._waiting = self._waiting, None
                output.mux(packet)
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            _LOGGER.warning("the rest of the sound of %s is left out: %s", self._input.path, error)
            self._waiting, self._packets = None, iter(())

    def _copied(self, into: Any) -> Iterator[tuple[float, av.Packet[Any]]]:
        last: int | None = None
        for packet in self._input.container.demux(self._stream):
            # The last packet is empty, and players refuse files whose times go back.
            if packet.pts is None or packet.dts is None or (last is not None and packet.dts <= last):
                continue
            last = packet.dts
            offset = round(self._start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            time_s = float(packet.pts * packet.time_base)
            packet.stream = into
            yield time_s, packet

    def _encoded(self, encoder: Any, rate_hz: int, layout: str) -> Iterator[tuple[float, av.Packet[Any]]]:
        resampler = av.AudioResampler(_FORMAT, layout, rate_hz)
        due = 0
        for packet in self._input.container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            sounds = [one for one in frames if isinstance(one, av.AudioFrame)]
            for frame in [piece for one in sounds for piece in resampler.resample(one)]:
                stated = round(((frame.time or 0.0) - self._start_s) * rate_hz)
                if stated - due > _GAP_S * rate_hz:
                    due = stated
                frame.pts, frame.time_base = due, Fraction(1, rate_hz)
                due += frame.samples
                yield from self._timed(encoder.encode(frame))
        yield from self._timed(encoder.encode(None))

    @staticmethod
    def _timed(packets: list[av.Packet[Any]]) -> Iterator[tuple[float, av.Packet[Any]]]:
        for packet in packets:
            yield float((packet.pts or 0) * packet.time_base), packet
