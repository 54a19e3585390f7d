"""URIs of sources in events: no two recordings share CloudEvents' ``source`` and ``id``."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

# Files up to this size are read completely; of larger ones, a piece at the beginning, middle and end.
_MAX_BYTES = 3 << 20
_PIECE_BYTES = 1 << 20
_DIGITS = 12


def file_uri(path: str | Path) -> str:
    """URI of a file: its name without the folder, and a digest of its content.

    Equal content under the same name has the same URI on every machine. A file that cannot be read has no digest; a
    pipe or other special file gets a new identifier each time.
    """
    name = f"file:{quote(os.fsencode(Path(path).name))}"
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            return f"{name};id={uuid.uuid4().hex[:_DIGITS]}"
        with Path(path).open("rb") as file:
            return f"{name};digest={_digest(file, status.st_size)}"
    except (OSError, ValueError):
        return name


def object_uri(file: BinaryIO) -> str:
    """URI of a file object: as for a file if it is seekable, else with a new identifier each time."""
    given = getattr(file, "name", None)
    name = f"file:{quote(os.fsencode(Path(given).name))}" if isinstance(given, (str, os.PathLike)) else "file:object"
    if not getattr(file, "seekable", lambda: False)():
        return f"{name};id={uuid.uuid4().hex[:_DIGITS]}"
    at = file.tell()
    try:
        return f"{name};digest={_digest(file, file.seek(0, os.SEEK_END))}"
    finally:
        file.seek(at)


def stream_uri(address: str) -> str:
    """URI of one session of a camera or network stream, new each time.

    It contains only the host or camera of the address: the rest may contain a password.
    """
    try:
        where = urlsplit(address).hostname if "://" in address else Path(address).name
    except ValueError:
        where = None
    return ":".join(["urn:fitsense:stream", *([quote(where)] if where else []), uuid.uuid4().hex])


def _digest(file: BinaryIO, size: int) -> str:
    found = hashlib.sha256(size.to_bytes(8, "big"))
    pieces = (0, (size - _PIECE_BYTES) // 2, size - _PIECE_BYTES)
    for at, length in [(0, size)] if size <= _MAX_BYTES else [(at, _PIECE_BYTES) for at in pieces]:
        file.seek(at)
        found.update(file.read(length))
    return found.hexdigest()[:_DIGITS]
