"""Locks on folders, which the operating system releases when the process ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_LOCK = "lock"


def lock_folder(folder: Path, *, create: bool) -> int | None:
    """Lock a folder by a file in it.

    :param create: whether to create the file if it is missing.
    :return: descriptor of the lock file, for :func:`os.close`; None if another process holds the lock or has just
        removed the folder.
    """
    path = folder / _LOCK
    try:
        file = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        return None
    try:
        _lock(file)
        # A lock on a removed file locks nothing.
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
