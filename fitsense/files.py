"""Files that are there whole or not at all, and what tells two files apart."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EDGE_BYTES = 1 << 16


def fingerprint(path: Path) -> str:
    """What stands for a video's contents, wherever it lies and whenever it was copied.

    Its size, its beginning and its end are looked at, where containers say what is in them: hashing all of a data set
    takes as long as reading it.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - _EDGE_BYTES)):
            stream.seek(start)
            digest.update(stream.read(_EDGE_BYTES))
    return digest.hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which becomes it once all is written.

    Whoever is interrupted leaves `path` as it was; whoever writes the same at the same time does no harm.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
