"""Input of an analysis: opens a source of any kind, and gives its frames, start time and name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fitsense._internal.stopping import StopFlag
from fitsense.errors import InvalidInputError
from fitsense.pipeline.checkpoint import source_digest
from fitsense.pipeline.options import AnalysisOptions
from fitsense.pipeline.source_uri import file_uri, object_uri, stream_uri
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.inputs import Source, checked_frames, is_file

if TYPE_CHECKING:
    from fitsense.video.live import LiveSource
    from fitsense.video.prefetch import Prefetcher
    from fitsense.video.source import SourceWarning, VideoSource

# Interval at which pauses between frames check the stop flag, in seconds.
_POLL_S = 0.1


class SourceInput:
    """A source and, once it is open, what reads it.

    :param source: as for :func:`fitsense.analyze`, already validated.
    :param options: options of the analysis; ``live`` and ``track`` are used.
    :param stop: flag that ends waiting for frames.
    :raises InvalidInputError: the source cannot have the option ``track``, or its value is no number of a track.
    """

    def __init__(self, source: Source, options: AnalysisOptions, stop: StopFlag) -> None:
        _check_track(source, options.get("track"))
        self._source = source
        self._live_config = options.get("live")
        self._stop = stop
        self._video: VideoSource | None = None
        self._live: LiveSource | None = None
        self._prefetcher: Prefetcher[Frame | SourceWarning] | None = None

    @property
    def is_live(self) -> bool:
        """True if a camera or network stream is open."""
        return self._live is not None

    @property
    def duration_s(self) -> float | None:
        """Length of the source in seconds; None if unknown."""
        video = self._video or self._live
        return video.info.duration_s if video else None

    @property
    def opened_at(self) -> datetime | None:
        """Wall-clock time of media time 0 of an open live source; None for others."""
        return self._live.started_at if self._live is not None else None

    def starts_at(self) -> datetime | None:
        """Wall-clock time of media time 0; None if the source does not give it."""
        if self._live is not None:
            return self._live.started_at or self._live.info.created_at
        if self._video is not None:
            return self._video.info.created_at
        # A live source that could not be opened.
        return datetime.now(UTC) if self._address is not None else None

    def uri(self) -> str | None:
        """URI that names the source in its events; None for frames."""
        if is_file(self._source):
            return object_uri(self._source)
        if not isinstance(self._source, (str, Path)):
            return None
        if self._address is not None:
            return stream_uri(self._address)
        return file_uri("/dev/stdin" if self._source == "-" else self._source)

    def digest(self) -> str | None:
        """Digest of the source for a checkpoint; None for frames."""
        if is_file(self._source):
            return object_uri(self._source)
        if not isinstance(self._source, (str, Path)):
            return None
        return source_digest(self._address) if self._address is not None else file_uri(self._source)

    def check_repeatable(self) -> None:
        """Refuse a source that cannot be read a second time.

        :raises InvalidInputError: it is a pipe.
        """
        from fitsense.video.bytestream import is_pipe

        if (isinstance(self._source, (str, Path)) and is_pipe(self._source)) or (
            is_file(self._source) and not getattr(self._source, "seekable", lambda: False)()
        ):
            raise InvalidInputError("snapshot_to: expected a source that can be read again, got a pipe")

    def open(self, decode: DecodeConfig) -> Iterable[Frame | SourceWarning]:
        """Open the source, and give its frames and warnings.

        :raises SourceError: the source cannot be read at all.
        """
        if self._address is not None:
            return self._open_live(self._address, decode)
        if isinstance(self._source, (str, Path)) or is_file(self._source):
            return self._open_file(self._source, decode)
        return checked_frames(self._source)

    def close(self) -> None:
        """Close the source; no effect if it is not open."""
        for source in (self._prefetcher, self._live):
            if source is not None:
                source.close()

    @property
    def _address(self) -> str | None:
        """Address of a camera or network stream; None for other sources."""
        if not isinstance(self._source, (str, Path)):
            return None
        from fitsense.video.opening import is_live

        return str(self._source) if is_live(str(self._source)) else None

    def _open_live(self, address: str, decode: DecodeConfig) -> LiveSource:
        from fitsense.video.live import LiveSource

        self._live = LiveSource(address, decode, self._live_config, stop=self._stop)
        return self._live

    def _open_file(self, source: str | Path | BinaryIO, decode: DecodeConfig) -> Prefetcher[Frame | SourceWarning]:
        from fitsense.video.prefetch import Prefetcher
        from fitsense.video.source import VideoSource

        self._video = VideoSource(source, decode, stop=self._stop)
        self._prefetcher = Prefetcher(self._video.items(), self._video.close, stop=self._stop)
        return self._prefetcher


def paced(items: Iterable[Frame | SourceWarning], stop: StopFlag) -> Iterator[Frame | SourceWarning]:
    """The items, each frame delayed until its time."""
    origin_s: float | None = None
    for item in items:
        if isinstance(item, Frame):
            if origin_s is None:
                origin_s = time.monotonic() - item.time_s
            while not stop.requested and (left_s := origin_s + item.time_s - time.monotonic()) > 0:
                time.sleep(min(left_s, _POLL_S))
        yield item


def _check_track(source: Source, track: int | None) -> None:
    if track is None:
        return
    if not (isinstance(source, (str, Path)) or is_file(source)):
        raise InvalidInputError(f"track: expected none for a source of frames, got {track!r}")
    if isinstance(track, bool) or not isinstance(track, int) or track < 0:
        raise InvalidInputError(f"track: expected the number of a video track, from 0, got {track!r}")
