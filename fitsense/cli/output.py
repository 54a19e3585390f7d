"""Standard output of the commands that run plugins: it carries results alone.

What plugins and libraries print meanwhile goes to standard error, also where C code prints it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STDOUT, _STDERR = 1, 2

_results: list[TextIO] = []


def results() -> TextIO:
    """Where a command writes its results: what standard output was when the command began."""
    return _results[-1] if _results else sys.stdout


@contextlib.contextmanager
def results_only() -> Iterator[None]:
    """Keep standard output for :func:`results`; also a decorator of commands."""
    before = sys.stdout
    before.flush()
    stream = _detached(before)
    _results.append(stream)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        _results.pop()
        sys.stdout = before
        if stream is not before:
            _reattach(stream, before)


def _detached(before: TextIO) -> TextIO:
    """A stream of its own to where the process's standard output leads, which then leads to standard error.

    Streams that are not the process's, as tests set them, stay what they are: only ``sys.stdout`` is replaced.
    """
    try:
        if before.fileno() != _STDOUT:
            return before
    except OSError:
        return before
    buffering = 1 if before.isatty() else -1
    stream = os.fdopen(os.dup(_STDOUT), "w", buffering, encoding=before.encoding, errors=before.errors)
    os.dup2(_STDERR, _STDOUT)
    return stream


def _reattach(stream: TextIO, before: TextIO) -> None:
    # What is still buffered was printed by others and belongs to standard error.
    before.flush()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
    os.dup2(stream.fileno(), _STDOUT)
    # Results are flushed as they are written. Where their reader is gone, that was raised there.
    with contextlib.suppress(BrokenPipeError):
        stream.close()
