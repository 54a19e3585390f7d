"""The state directory of a server: sessions on disk, so that the next process continues them after a crash.

Each session has a folder: ``record`` describes the session, ``events.ndjson`` has the events that clients may have
received, and ``snapshot`` the state of the analysis. A file is replaced as a whole or appended to, so that a process
that is killed at any moment leaves what the next one can read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import attrs

from fitsense._internal.atomic import atomic_path
from fitsense.errors import InvalidInputError
from fitsense.server.api.requests import SessionRequest
from fitsense.server.engine.folder_lock import lock_folder
from fitsense.server.log import LOGGER, fields
from fitsense.session.snapshot import pack, unpack
from fitsense.session.summary import Reason
from fitsense.types import UInt8Array

_RECORD, _SNAPSHOT, _EVENTS = "record", "snapshot", "events.ndjson"
_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_END_TYPE = "fitsense.session.ended"


@attrs.frozen
class SessionRecord:
    """A session without its analysis.

    :param bundle: name of its bundle.
    :param started_at: wall-clock time of media time 0; None if the first frame dates it.
    :param opened_at: the same of a live source; None for others.
    :param restarts: how many times a server continued it after a crash.
    :param reason: reason of the end; None for an open session.
    :param ended_at: wall-clock time of the end; None also if the process was killed just then.
    :param frames: number of analysed frames, of an ended session.
    :param dropped: number of dropped frames, of an ended session.
    """

    id: str
    mode: str
    request: SessionRequest
    bundle: str
    created_at: datetime
    started_at: datetime | None = None
    opened_at: datetime | None = None
    restarts: int = 0
    reason: Reason | None = None
    ended_at: datetime | None = None
    frames: int = 0
    dropped: int = 0


@attrs.frozen(eq=False)
class SavedAnalysis:
    """The analysis of a session at one moment.

    :param frames: number of analysed frames.
    :param items: number of analysed frames and warnings of the source.
    :param dropped: number of dropped frames.
    :param time_s: media time of the newest frame, in seconds.
    :param next_event: number of the next event.
    :param session: the session's snapshot, uint8 (bytes,).
    """

    frames: int
    items: int
    dropped: int
    time_s: float
    next_event: int
    session: UInt8Array


@attrs.frozen(eq=False)
class SavedSession:
    """A session as another process left it.

    :param events: the newest events, each as one line of JSON without its line end.
    :param analysis: None if no frame was analysed, or the session has ended.
    """

    record: SessionRecord
    events: Sequence[str]
    analysis: SavedAnalysis | None


class SessionFiles:
    """The files of one session. One thread at a time may use it.

    :param folder: created if it is missing.
    :param max_events: how many of the newest events stay in any case.
    """

    def __init__(self, folder: Path, max_events: int) -> None:
        self._folder = folder
        self._max_events = max_events
        folder.mkdir(mode=0o700, exist_ok=True)
        self._log = _open_log(folder / _EVENTS)
        self._lines = 0

    def save_record(self, record: SessionRecord) -> None:
        """Replace the record.

        :raises OSError: it cannot be written.
        """
        _replace(self._folder / _RECORD, pack({"record": record}))

    def save_analysis(self, analysis: SavedAnalysis) -> None:
        """Replace the snapshot.

        :raises OSError: it cannot be written.
        """
        _replace(self._folder / _SNAPSHOT, pack({"analysis": analysis}))

    def append(self, lines: Sequence[str]) -> None:
        """Append events; it returns when they survive the end of the process.

        :param lines: each event as one line of JSON without its line end.
        :raises OSError: they cannot be written.
        """
        content = memoryview("".join(line + "\n" for line in lines).encode())
        while content:
            content = content[os.write(self._log, content) :]
        self._lines += len(lines)
        if self._lines > 2 * self._max_events:
            self._compact()

    def drop_analysis(self) -> None:
        """Remove the snapshot, which holds pictures: the session has ended."""
        with contextlib.suppress(OSError):
            (self._folder / _SNAPSHOT).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files, which stay."""
        if self._log >= 0:
            os.close(self._log)
        self._log = -1

    def remove(self) -> None:
        """Close and remove the files."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def load(self) -> SavedSession:
        """Read the session that another process left. An event that was not written to its end was never sent: it is
        removed.

        :raises InvalidInputError: the files are incomplete, or of another version of fitsense.
        :raises OSError: they cannot be read.
        """
        for unfinished in self._folder.glob(".*"):
            unfinished.unlink(missing_ok=True)
        record: SessionRecord = unpack((self._folder / _RECORD).read_bytes()).states({"record": SessionRecord})[
            "record"
        ]
        lines = self._read_log()
        if lines and (ended := json.loads(lines[-1])).get("type") == _END_TYPE and record.reason is None:
            # The process was killed between the event and the record.
            record = attrs.evolve(record, reason=ended["data"]["reason"])
        analysis = None
        if record.reason is None and (self._folder / _SNAPSHOT).exists():
            content = (self._folder / _SNAPSHOT).read_bytes()
            analysis = unpack(content).states({"analysis": SavedAnalysis})["analysis"]
        return SavedSession(record, lines, analysis)

    def _read_log(self) -> list[str]:
        path = self._folder / _EVENTS
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            os.truncate(path, len(complete))
        # Not splitlines(), which also splits at characters that JSON does not escape.
        lines = complete.decode().split("\n")[:-1]
        self._lines = len(lines)
        return lines[-self._max_events :]

    def _compact(self) -> None:
        path = self._folder / _EVENTS
        with path.open("rb") as file:
            kept = deque(file, maxlen=self._max_events)
        _replace(path, b"".join(kept))
        os.close(self._log)
        self._log = _open_log(path)
        self._lines = len(kept)


class StateFolder:
    """The state directory. One process at a time may use it.

    :param folder: created if it is missing.
    :param max_events: number of events that are kept of each session.
    :raises InvalidInputError: the folder cannot be used, or another process uses it.
    """

    def __init__(self, folder: Path, max_events: int) -> None:
        self._folder = folder / "sessions"
        self._max_events = max_events
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(
                f"state_dir: expected a folder that can be written, got {folder}: {error}"
            ) from error
        lock = lock_folder(folder, create=True)
        if lock is None:
            raise InvalidInputError(
                f"state_dir: {folder}: expected a folder that this process can lock; another server uses it, or it "
                "cannot be written"
            )
        self._lock: int | None = lock
        self._logger = logging.getLogger(LOGGER)

    def new(self, id: str) -> SessionFiles:
        """Create the files of a session.

        :raises OSError: they cannot be created.
        """
        return SessionFiles(self._folder / id, self._max_events)

    def load(self) -> Iterator[tuple[SavedSession, SessionFiles]]:
        """The sessions of an earlier process, oldest first. Sessions that cannot be read are logged and removed."""
        found = []
        for folder in self._folder.iterdir():
            if folder.is_symlink() or not folder.is_dir() or not _ID.fullmatch(folder.name):
                continue
            files = SessionFiles(folder, self._max_events)
            try:
                saved = files.load()
                if saved.record.id != folder.name:
                    raise InvalidInputError(f"expected the record of {folder.name}, got that of {saved.record.id}")
            except (OSError, ValueError, KeyError, InvalidInputError) as error:
                self._logger.error(
                    "a saved session cannot be read", extra=fields(session=folder.name, error=str(error))
                )
                files.remove()
                continue
            found.append((saved, files))
        yield from sorted(found, key=lambda one: one[0].record.created_at)

    def close(self) -> None:
        """Let another process use the folder."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None


def _open_log(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file so that it has the old or the new content, also after a power failure."""
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
