"""Standard output of the commands that run plugins, which carries only results.

Output of plugins and libraries, also from C code, is redirected to standard error.
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
    """Stream for a command's results: the standard output from before the command began."""
    return _results[-1] if _results else sys.stdout


@contextlib.contextmanager
def results_only() -> Iterator[None]:
    """Reserve standard output for :func:`results`; also a decorator of commands."""
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
    """Duplicate the process's standard output, and redirect the original to standard error.

    Streams of tests, which are not the process's, are returned unchanged: only ``sys.stdout`` is replaced.
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
    # The buffer has output of plugins, which belongs to standard error.
    before.flush()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
    os.dup2(stream.fileno(), _STDOUT)
    # Results are flushed as they are written, which has already raised BrokenPipeError.
    with contextlib.suppress(BrokenPipeError):
        stream.close()
