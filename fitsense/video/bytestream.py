"""Byte streams of pipes and file objects, with the interface that FFmpeg needs."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from fitsense.errors import InvalidInputError, SourceError

STANDARD_INPUT = "-"
# Size of the head that is inspected first: the first boxes of an .mp4, the first line of a playlist.
_HEAD_BYTES = 4096
# Paths of files that the process has open.
_OPENED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def is_pipe(source: object) -> bool:
    """True if a source can be read only once, like standard input or a FIFO."""
    if source == STANDARD_INPUT and isinstance(source, str):
        return True
    try:
        mode = Path(str(source)).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and is_opened(str(source)))


def is_opened(source: str) -> bool:
    """True if a path refers to an open file of this process, like ``/dev/stdin``."""
    return source.startswith(_OPENED)


class ByteStream:
    """Reads a binary file object, from its beginning if it is seekable, else from its current position.

    :param file: the file object.
    :param name: name for messages.
    :param owned: whether :meth:`close` closes the file.
    :raises InvalidInputError: the file does not return bytes.
    :raises SourceError: the file is empty, or cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, *, owned: bool = False) -> None:
        self.name = name
        # An exception that FFmpeg's callback must not raise, since it would only be printed.
        self.interrupted: BaseException | None = None
        self._file = file
        self._owned = owned
        self._read = file.read
        try:
            self._seekable = bool(getattr(file, "seekable", lambda: hasattr(file, "seek"))())
            if self._seekable:
                file.seek(0)
            else:
                # Returns available bytes instead of waiting for `size` bytes.
                self._read = getattr(file, "read1", file.read)
            self.head = self._peek()
        except InvalidInputError:
            raise
        except (OSError, ValueError) as error:
            raise SourceError(f"{name}: cannot be read: {error}") from error
        self._left = self.head
        if self._seekable:
            file.seek(0)
            self._left = b""
            # FFmpeg's reader looks for these attributes.
            self.seek, self.tell = file.seek, file.tell

    @classmethod
    def of_pipe(cls, source: str) -> ByteStream:
        """Open standard input, or a FIFO by its path.

        :raises SourceError: it cannot be opened, is a terminal, or is empty.
        """
        if source != STANDARD_INPUT:
            try:
                return cls._unless_terminal(Path(source).open("rb", buffering=0), source, owned=True)
            except OSError as error:
                raise SourceError(f"{source}: cannot be read: {error.strerror or error}") from error
        if sys.stdin is None:
            raise SourceError("standard input: is closed; pipe a video into it")
        return cls._unless_terminal(sys.stdin.buffer, "standard input", owned=False)

    @classmethod
    def _unless_terminal(cls, file: BinaryIO | io.FileIO, name: str, *, owned: bool) -> ByteStream:
        if file.isatty():
            raise SourceError(f"{name}: expected a video piped into it, got a terminal")
        return cls(file, name, owned=owned)

    def seekable(self) -> bool:
        """True if the stream can seek."""
        return self._seekable

    def readable(self) -> bool:
        """Always True; FFmpeg's reader requires it."""
        return True

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the end."""
        if self._left:
            given, self._left = self._left[:size], self._left[size:]
            return given
        try:
            return self._some(size)
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        except BaseException as error:
            self.interrupted = error
            return b""

    def rewind(self) -> None:
        """Seek to the beginning."""
        self.seek(0)

    def close(self) -> None:
        """Close the file if it is owned."""
        if self._owned:
            self._file.close()

    def _some(self, size: int) -> bytes:
        data = self._read(size)
        if data is None:
            raise BlockingIOError("expected a file object that waits for data, got one that does not")
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InvalidInputError(f"source: expected a file object that gives bytes, got {type(data).__name__}")
        return bytes(data)

    def _peek(self) -> bytes:
        head = b""
        while len(head) < _HEAD_BYTES and (data := self._some(_HEAD_BYTES - len(head))):
            head += data
        if not head:
            raise SourceError(f"{self.name}: is empty (0 bytes)")
        return head


def has_late_index(head: bytes) -> bool:
    """True if a file begins like an .mp4 or .mov whose index follows the pictures."""
    at = 0
    while at + 8 <= len(head):
        length, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"mdat":
            return True
        if length < 8 or kind in (b"moov", b"moof") or not kind.isalnum():
            break
        at += length
    return False


def file_name(file: object) -> str:
    """Name of a file object in messages."""
    name = getattr(file, "name", None)
    return str(Path(name)) if isinstance(name, str) and name else f"a {type(file).__name__}"
