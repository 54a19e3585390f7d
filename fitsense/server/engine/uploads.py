"""Temporary storage of uploads: one folder per process, removed at its end or by the next process.

A killed process cannot remove its folder, whose videos show people. So a process holds a lock on a file in its folder,
which the operating system releases when the process ends: a folder without a lock is a leftover.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from fitsense.server.engine.folder_lock import lock_folder
from fitsense.server.log import LOGGER, fields

_PREFIX = "fitsense-uploads-"
_ATTEMPTS = 10


class Uploads:
    """The upload folder of this process.

    :param parent: parent of the folders of all processes; None for the temporary folder.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._folder: Path | None = None
        self._lock: int | None = None
        self._logger = logging.getLogger(LOGGER)

    def open(self) -> None:
        """Create the folder, and remove the folders of processes that have ended.

        :raises OSError: no folder can be created.
        """
        for _ in range(_ATTEMPTS):
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            self._lock = lock_folder(folder, create=True)
            if self._lock is not None:
                self._folder = folder
                break
            # Another process has removed the folder as a leftover before it was locked.
        else:
            raise OSError(
                f"{self._parent}: expected a folder for uploads, got only folders that other processes removed"
            )
        self._remove_leftovers()

    def new(self) -> tempfile.TemporaryDirectory[str]:
        """Create a folder for one upload.

        :raises OSError: no folder can be created.
        """
        assert self._folder is not None
        return tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True)

    def close(self) -> None:
        """Remove the folder with its contents."""
        if self._folder is None or self._lock is None:
            return
        # Remove the folder before releasing the lock, so that no other process removes it concurrently.
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)
        # Some systems cannot remove the open lock file before.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._lock = None

    def _remove_leftovers(self) -> None:
        for folder in self._parent.glob(f"{_PREFIX}*"):
            if folder == self._folder or not _is_ours(folder):
                continue
            lock = lock_folder(folder, create=False)
            if lock is None:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)
            self._logger.warning(
                "removed the uploads of a server that ended without doing so", extra=fields(folder=str(folder))
            )


def _is_ours(folder: Path) -> bool:
    """True if a path is a folder, not a link, and belongs to the user of this process."""
    with contextlib.suppress(OSError):
        status = folder.lstat()
        return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
    return False
