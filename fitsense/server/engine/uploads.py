"""Where uploads are kept while they are read: a folder for each process, removed with it, or by the next one.

A process that is killed cannot remove its folder, whose videos show people. It holds a lock on a file in it, though,
which the operating system releases however the process ends: a folder whose lock can be had is a leftover.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from fitsense.server.log import LOGGER, fields

_PREFIX = "fitsense-uploads-"
_LOCK = "lock"
_ATTEMPTS = 10


class Uploads:
    """The folder of this process; made, and those of processes that are gone removed, by :meth:`open`.

    :param parent: where the folders of all processes are; None for the temporary folder.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._folder: Path | None = None
        self._lock: int | None = None
        self._logger = logging.getLogger(LOGGER)

    def open(self) -> None:
        """Make the folder, and remove what earlier processes left.

        :raises OSError: no folder can be made.
        """
        for _ in range(_ATTEMPTS):
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            self._lock = _locked(folder, create=True)
            if self._lock is not None:
                self._folder = folder
                break
            # Another process has taken it for a leftover before it was locked.
        else:
            raise OSError(f"{self._parent}: expected a folder for uploads, and each was removed at once")
        self._remove_leftovers()

    def new(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for one upload.

        :raises OSError: none can be made.
        """
        assert self._folder is not None
        return tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True)

    def close(self) -> None:
        """Remove the folder, with what is in it."""
        if self._folder is None or self._lock is None:
            return
        # Before the lock is released, so that nobody else removes it meanwhile.
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)
        # Where an open file cannot be removed.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._lock = None

    def _remove_leftovers(self) -> None:
        for folder in self._parent.glob(f"{_PREFIX}*"):
            if folder == self._folder or not _is_ours(folder):
                continue
            lock = _locked(folder, create=False)
            if lock is None:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)
            self._logger.warning(
                "removed the uploads of a server that ended without doing so", extra=fields(folder=str(folder))
            )


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, and no link to one, of the user who runs this process."""
    with contextlib.suppress(OSError):
        status = folder.lstat()
        return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
    return False


def _locked(folder: Path, *, create: bool) -> int | None:
    """A folder's lock as an open file, or None: another process holds it, or the folder has just been removed."""
    path = folder / _LOCK
    try:
        file = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        return None
    try:
        _lock(file)
        # A lock on a file that has been removed locks nothing.
        if os.fstat(file).st_ino == path.stat().st_ino:
            return file
    except OSError:
        pass
    os.close(file)
    return None


if sys.platform == "win32":

    def _lock(file: int) -> None:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:

    def _lock(file: int) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
