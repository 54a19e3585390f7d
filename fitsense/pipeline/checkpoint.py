"""Checkpoints: an analysis on disk, so that the next process continues it after a crash."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from fitsense._internal.atomic import atomic_path
from fitsense.errors import InvalidInputError
from fitsense.session.config import SessionConfig
from fitsense.session.snapshot import pack, unpack
from fitsense.types import Frame, UInt8Array

if TYPE_CHECKING:
    from fitsense.video.source import SourceWarning

MAX_EVENTS = 1000
"""Most events between two checkpoints. The events of a live source after its last checkpoint are not repeated, so that
a resumed session leaves out this many numbers."""

_DIGITS = 16
# Least step in media time from the last frame before a crash to the first one after it, in seconds.
_MIN_STEP_S = 0.001


@attrs.frozen(eq=False)
class Checkpoint:
    """An analysis at one moment.

    :param source: what the source is, see :func:`source_digest`; None for frames.
    :param config: configuration that the options asked for.
    :param people: name of the person detector, or None.
    :param items: number of frames and warnings of the source that were analysed.
    :param media_s: media time of the newest frame, in seconds.
    :param opened_at: wall-clock time of media time 0 of a live source; None for others.
    :param session: the session's snapshot, uint8 (bytes,).
    """

    source: str | None
    config: SessionConfig
    people: str | None
    items: int
    media_s: float
    opened_at: datetime | None
    session: UInt8Array

    def check(self, source: str | None, config: SessionConfig, people: str | None) -> None:
        """Refuse to continue an analysis of another source or with other options.

        :raises InvalidInputError: something differs; the message says what.
        """
        if self.source != source:
            raise InvalidInputError("expected one of the same source, got one of another")
        differing = [
            field.name
            for field in attrs.fields(SessionConfig)
            if getattr(self.config, field.name) != getattr(config, field.name)
        ]
        if self.people != people:
            differing.append("people")
        if differing:
            raise InvalidInputError(f"expected one with the same options, got others for {', '.join(differing)}")


@attrs.frozen
class SourcePosition:
    """The position of an analysis in its source.

    :param items: number of frames and warnings of the source that were analysed.
    :param time_s: media time of the newest frame, in seconds.
    :param opened_at: wall-clock time of media time 0 of a live source; None for others.
    """

    items: int
    time_s: float
    opened_at: datetime | None

    def following(
        self, items: Iterable[Frame | SourceWarning], restarted_at: datetime | None
    ) -> Iterator[Frame | SourceWarning]:
        """The items of the reopened source that follow: without those that were analysed, or of a live source later
        in time.

        :param restarted_at: wall-clock time at which a live source was reopened; None for others.
        """
        if restarted_at is None or self.opened_at is None:
            yield from itertools.islice(iter(items), self.items, None)
            return
        # The wall clock may have been set back meanwhile.
        later_s = max((restarted_at - self.opened_at).total_seconds(), self.time_s + _MIN_STEP_S)
        for item in items:
            yield Frame(item.rgb, item.time_s + later_s) if isinstance(item, Frame) else item


class CheckpointFile:
    """The file of an analysis's checkpoints. A process that is killed leaves the newest complete one.

    :param path: the file; its folder must exist.
    :param interval_s: shortest wall-clock time between two checkpoints, in seconds.
    :raises InvalidInputError: the folder does not exist, or the interval is negative.
    """

    def __init__(self, path: str | Path, interval_s: float) -> None:
        self._path = Path(path)
        if not self._path.absolute().parent.is_dir():
            raise InvalidInputError(f"snapshot_to: expected a file in an existing folder, got {str(path)!r}")
        if not interval_s >= 0:
            raise InvalidInputError(f"snapshot_interval_s: expected seconds from 0, got {interval_s!r}")
        self._interval_s = interval_s
        self._saved_s = time.monotonic()
        self._saved_events = 0

    def load(self) -> Checkpoint | None:
        """The checkpoint of an earlier process; None if there is none.

        :raises InvalidInputError: the file is no checkpoint of this version of fitsense.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        with self.explained():
            checkpoint: Checkpoint = unpack(content).states({"checkpoint": Checkpoint})["checkpoint"]
        return checkpoint

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Context manager: errors about the checkpoint name the file and the remedy."""
        try:
            yield
        except InvalidInputError as error:
            raise InvalidInputError(
                f"snapshot_to: {self._path}: {error}; remove the file to begin a new session"
            ) from error

    def is_due(self, events: int) -> bool:
        """True if it is time to save.

        :param events: number of events that this process has yielded.
        """
        return time.monotonic() - self._saved_s >= self._interval_s or events - self._saved_events >= MAX_EVENTS

    def save(self, checkpoint: Checkpoint, events: int) -> None:
        """Replace the file.

        :param events: as for :meth:`is_due`.
        """
        with atomic_path(self._path) as path:
            path.write_bytes(pack({"checkpoint": checkpoint}))
        self._saved_s, self._saved_events = time.monotonic(), events

    def clear(self) -> None:
        """Remove the file: the session has ended."""
        self._path.unlink(missing_ok=True)


def source_digest(address: str) -> str:
    """Identify a camera or stream without its address, which may contain a password."""
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def snapshot_array(snapshot: bytes) -> UInt8Array:
    """A session's snapshot as an array, uint8 (bytes,)."""
    return np.frombuffer(snapshot, dtype=np.uint8)
