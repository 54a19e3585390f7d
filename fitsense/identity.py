"""Names sources in events, so that no two recordings share CloudEvents' ``source`` and ``id``."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

# A file up to this size is read as a whole; of a larger one, this much at its beginning, middle and end.
_MOST_BYTES = 3 << 20
_PIECE_BYTES = 1 << 20
_DIGITS = 12


def file_uri(path: str | Path) -> str:
    """The source of a file: its name without a folder, which means nothing elsewhere, and a digest of its content.

    The same content under the same name has the same source, on every machine. What cannot be read has no digest; what
    is no regular file, such as a pipe, has a new one each time.
    """
    name = f"file:{quote(os.fsencode(Path(path).name))}"
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            return f"{name};id={uuid.uuid4().hex[:_DIGITS]}"
        return f"{name};digest={_digest(path, status.st_size)}"
    except (OSError, ValueError):
        return name


def stream_uri(address: str) -> str:
    """The source of one session of a camera or a network stream, new each time.

    Of the address, only the host or the camera is in it: the rest may hold a password.
    """
    try:
        where = urlsplit(address).hostname if "://" in address else Path(address).name
    except ValueError:
        where = None
    return ":".join(["urn:fitsense:stream", *([quote(where)] if where else []), uuid.uuid4().hex])


def _digest(path: str | Path, size: int) -> str:
    found = hashlib.sha256(size.to_bytes(8, "big"))
    with Path(path).open("rb") as file:
        if size <= _MOST_BYTES:
            found.update(file.read(_MOST_BYTES))
        else:
            for at in (0, (size - _PIECE_BYTES) // 2, size - _PIECE_BYTES):
                file.seek(at)
                found.update(file.read(_PIECE_BYTES))
    return found.hexdigest()[:_DIGITS]
