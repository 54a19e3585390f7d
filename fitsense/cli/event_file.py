"""The file of ``--events``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

_PIECE_BYTES = 1 << 16


def open_event_file(path: Path, *, continued: bool) -> IO[str]:
    """Open a file for events.

    :param continued: whether to keep the complete lines of an earlier process that was killed.
    """
    if continued and path.exists():
        with path.open("r+b") as file:
            file.truncate(_end_of_lines(file))
        return path.open("a", encoding="utf-8")
    return path.open("w", encoding="utf-8")


def _end_of_lines(file: IO[bytes]) -> int:
    """Position after the last line end."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        file.seek(start)
        if (at := file.read(end - start).rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0
