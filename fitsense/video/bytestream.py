"""Bytes of pipes and file objects, as FFmpeg reads them."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from fitsense.errors import InvalidInputError, SourceError

STANDARD_INPUT = "-"
# How much is looked at before anything else: the first boxes of an .mp4, the first line of a playlist.
_HEAD_BYTES = 4096
# Names of what the process has open already.
_OPENED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def is_pipe(source: object) -> bool:
    """Whether a source is standard input, a FIFO or the like: something that can be read once."""
    if source == STANDARD_INPUT and isinstance(source, str):
        return True
    try:
        mode = Path(str(source)).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and is_opened(str(source)))


def is_opened(source: str) -> bool:
    """Whether a path names something that this process has open, as ``/dev/stdin`` does."""
    return source.startswith(_OPENED)


class ByteStream:
    """A binary file object, read from its beginning if it is seekable and from where it stands if not.

    :param file: stays open when this is closed, unless it is `owned`.
    :param name: for messages.
    :raises InvalidInputError: it gives no bytes.
    :raises SourceError: there is nothing in it, or it cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, *, owned: bool = False) -> None:
        self.name = name
        # What a callback of FFmpeg must not raise, since it would be printed and forgotten.
        self.interrupted: BaseException | None = None
        self._file = file
        self._owned = owned
        self._read = file.read
        try:
            self._seekable = bool(getattr(file, "seekable", lambda: hasattr(file, "seek"))())
            if self._seekable:
                file.seek(0)
            else:
                # What has come, rather than to wait for more.
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
            # FFmpeg's reader asks for these.
            self.seek, self.tell = file.seek, file.tell

    @classmethod
    def of_pipe(cls, source: str) -> ByteStream:
        """Standard input, or a FIFO by its path.

        :raises SourceError: it cannot be opened, is a terminal, or ends at once.
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
        """Whether its beginning can be reached again."""
        return self._seekable

    def readable(self) -> bool:
        """True, for FFmpeg's reader."""
        return True

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""
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
        """Go back to the beginning of what is seekable."""
        self.seek(0)

    def close(self) -> None:
        """Close the file if it is this object's own."""
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
    """Whether the first bytes are those of an .mp4 or .mov whose pictures come before the index that finds them."""
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
    """How a file object is called in messages."""
    name = getattr(file, "name", None)
    return str(Path(name)) if isinstance(name, str) and name else f"a {type(file).__name__}"
