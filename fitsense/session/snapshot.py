"""Snapshots: component states as bytes, and back.

A snapshot is a zip file of ``state.json`` and the arrays that it refers to, as ``.npy`` files. Nothing in it is ever
executed.
"""

from __future__ import annotations

import functools
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

import attrs
import cattrs
import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.session.snapshot_checks import check_numbers

StateT = TypeVar("StateT")

_STATE = "state.json"
# Far more than any session keeps; a larger snapshot is an attempt to exhaust memory.
_MAX_UNPACKED_BYTES = 1 << 30
# All members have the same date, so that the same state gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

_arrays: ContextVar[Sequence[np.ndarray[Any, Any]]] = ContextVar("_arrays")
"""The arrays of the snapshot whose states are being structured."""


def pack(states: Mapping[str, Any]) -> bytes:
    """Serialise states, instances of attrs classes, by name."""
    arrays: list[np.ndarray[Any, Any]] = []
    indices: dict[int, int] = {}

    def refer(array: Any) -> dict[str, int]:
        # Branches with the same clip share their pictures.
        if id(array) not in indices:
            indices[id(array)] = len(arrays)
            arrays.append(array)
        return {"array": indices[id(array)]}

    converter = _writer()
    document = {name: converter.unstructure(state) for name, state in states.items()}
    stream = io.BytesIO()
    # Compression halves the size and takes twenty times as long, while the session waits.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_STATE, _DATE), json.dumps(document, default=refer))
        for index, array in enumerate(arrays):
            contents = io.BytesIO()
            np.save(contents, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{index}.npy", _DATE), contents.getvalue())
    return stream.getvalue()


@attrs.frozen(eq=False)
class Unpacked:
    """A snapshot that was read; states are structured on request."""

    _document: Mapping[str, Any]
    _arrays: Sequence[np.ndarray[Any, Any]]

    def states(self, types: Mapping[str, type[Any]]) -> dict[str, Any]:
        """Structure states that :func:`pack` serialised.

        :param types: the states' classes, by name.
        :raises InvalidInputError: a state is missing, is of another version of fitsense, or has a number that is not
            finite or too large.
        """
        converter, given = _reader(), _arrays.set(self._arrays)
        try:
            states = {name: converter.structure(self._document[name], type_) for name, type_ in types.items()}
        except Exception as error:
            raise InvalidInputError(f"snapshot: expected one of this version of fitsense: {error}") from error
        finally:
            _arrays.reset(given)
        check_numbers(states)
        return states


def unpack(snapshot: bytes) -> Unpacked:
    """Read the result of :func:`pack`.

    :raises InvalidInputError: not a snapshot.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(snapshot)) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
            if total > _MAX_UNPACKED_BYTES:
                raise ValueError(f"it unpacks to {total} bytes, more than any session keeps")
            document = json.loads(archive.read(_STATE))
            arrays = [_array(archive.read(f"{index}.npy")) for index in range(len(archive.namelist()) - 1)]
    except Exception as error:
        # An untrusted zip file can make zipfile, its decompressors and numpy raise nearly any exception.
        raise InvalidInputError(
            f"snapshot: expected what a session's snapshot() gave, got something else: {error}"
        ) from error
    return Unpacked(document, arrays)


def _array(contents: bytes) -> np.ndarray[Any, Any]:
    """Read a numeric array in the format of np.save; its header must not claim more bytes than there are."""
    # Its length is in front of it.
    end = 10 + int.from_bytes(contents[8:10], "little")
    shape, fortran, dtype = _header(contents[:end])
    numbers = contents[end:]
    if dtype.kind not in "biuf" or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"expected {len(numbers)} bytes of numbers, got an array of {dtype} of shape {shape}")
    array = np.frombuffer(numbers, dtype).reshape(shape, order="F" if fortran else "C")
    return array.copy()


@functools.lru_cache(maxsize=64)
def _header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of an array by its header, which most arrays of a snapshot have in common."""
    stream = io.BytesIO(header)
    if (version := np.lib.format.read_magic(stream)) != (1, 0):
        raise ValueError(f"expected an array in format 1.0, got {version}")
    return np.lib.format.read_array_header_1_0(stream)


@functools.cache
def _writer() -> cattrs.Converter:
    """A converter that leaves arrays as they are. It is shared, because it compiles code for each class."""
    converter = _converter()
    converter.register_unstructure_hook_func(_is_array, lambda array: array)
    return converter


@functools.cache
def _reader() -> cattrs.Converter:
    """A converter that finds arrays among :data:`_arrays`. It is shared, because it compiles code for each class."""
    converter = _converter()
    converter.register_structure_hook_func(_is_array, lambda value, _: _arrays.get()[value["array"]])
    return converter


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    return converter


def _is_array(type_: Any) -> bool:
    return getattr(type_, "__origin__", type_) is np.ndarray
