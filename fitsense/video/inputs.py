"""Validation of sources before they are opened."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeGuard

import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.types import Frame

Source = str | Path | BinaryIO | Iterable[Frame]
"""A file's path, a URL, ``camera:0``, ``-`` for standard input, a binary file object, or frames."""

_EXPECTED = "source: expected a file's path, a URL, camera:0, a binary file object or an iterable of fitsense.Frame"


def checked_source(source: object) -> Source:
    """Validate a source; a path-like object becomes a Path.

    :raises InvalidInputError: it cannot be analysed. :func:`checked_frames` checks the items of an iterator.
    """
    if isinstance(source, str):
        if not source:
            raise InvalidInputError(f"{_EXPECTED}, got an empty str")
        return source
    if isinstance(source, os.PathLike):
        path = os.fspath(source)
        if isinstance(path, str):
            return Path(path)
    if is_file(source):
        if isinstance(source, io.TextIOBase):
            raise InvalidInputError(f'{_EXPECTED}, got a file opened as text; open it by open(path, "rb")')
        return source
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray, memoryview, np.ndarray, Mapping)):
        if isinstance(source, (Sequence, set, frozenset)):
            for number, item in enumerate(source):
                _checked_frame(item, number)
        return source
    raise InvalidInputError(f"{_EXPECTED}, got {_describe(source)}")


def checked_frames(frames: Iterable[object]) -> Iterator[Frame]:
    """Yield the frames, checking each.

    :raises InvalidInputError: an item is not a frame.
    """
    for number, item in enumerate(frames):
        yield _checked_frame(item, number)


def is_file(source: object) -> TypeGuard[BinaryIO]:
    """True if `source` is a file object, with a ``read`` method."""
    return callable(getattr(source, "read", None))


def _checked_frame(item: object, number: int) -> Frame:
    if not isinstance(item, Frame):
        raise InvalidInputError(
            f"source: expected an iterable of fitsense.Frame(rgb, time_s), got {_describe(item)} as item {number}"
        )
    return item


def _describe(value: object) -> str:
    """Type of a value, with a hint at the likely mistake."""
    kind = type(value).__name__
    if isinstance(value, (bool, int, np.integer)):
        return f"{kind} {value}; a camera is called camera:{int(value)}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{kind}; a video in memory is io.BytesIO(data), a path is a str"
    if isinstance(value, np.ndarray):
        return f"ndarray of shape {value.shape}; a picture is fitsense.Frame(rgb, time_s)"
    if isinstance(value, AsyncIterable):
        return f"{kind}; fitsense.analyze_async takes frames from an asynchronous iterator"
    if isinstance(value, Frame):
        return "a single Frame; several are a list of them"
    return kind
