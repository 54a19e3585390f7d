"""Reading and writing of safetensors files as numpy arrays, without further packages."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.atomic import atomic_path

Tensors = Mapping[str, NDArray[Any]]

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_MAX_HEADER_BYTES = 100 << 20


@attrs.frozen
class Place:
    """Place of a tensor in its file.

    :param offset: of its first byte, from the start of the file.
    :param length: number of bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def places(path: Path) -> dict[str, Place]:
    """Place of each tensor by name.

    :raises ValueError: the file is not a safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (size,)
        if length > min(size - 8, _MAX_HEADER_BYTES):
            raise ValueError(f"{path}: expected a safetensors file, got a header of {length} bytes")
        document = json.loads(file.read(length))
    try:
        found = {name: _place(entry, 8 + length, size) for name, entry in document.items() if name != "__metadata__"}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a safetensors file, got another header: {error!r}") from error
    return found


def _place(entry: Mapping[str, Any], start: int, size: int) -> Place:
    """Place of a tensor by its entry in the header.

    :param start: of the tensors in the file.
    :param size: of the file.
    """
    begin, end = entry["data_offsets"]
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    expected = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize if dtype in _DTYPES else end - begin
    if min(shape, default=0) < 0 or not 0 <= begin <= end or end - begin != expected or start + end > size:
        raise ValueError(f"expected {expected} bytes of shape {shape} in the file, got {begin} to {end}")
    return Place(dtype, shape, start + begin, end - begin)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors by name.

    :raises ValueError: the file is not a safetensors file, or has a tensor of another type than numpy's.
    """
    content = path.read_bytes()
    tensors = {}
    for name, place in places(path).items():
        if place.dtype not in _DTYPES:
            raise ValueError(f"{path}: tensor {name}: expected one of {', '.join(_DTYPES)}, got {place.dtype}")
        data = np.frombuffer(content, _DTYPES[place.dtype], math.prod(place.shape), place.offset)
        tensors[name] = data.reshape(place.shape).copy()
    return tensors


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a file atomically, with the largest types first so that each tensor is aligned."""
    header: dict[str, Any] = {}
    arrays, at = [], 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        array = np.ascontiguousarray(tensors[name])
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
        arrays.append(array)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in arrays:
            file.write(array.tobytes())
