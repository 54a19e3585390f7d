"""Safetensors files, compared with the package that defines them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from fitsense._internal.tensor_file import places, read_tensors, write_tensors

TENSORS: dict[str, NDArray[Any]] = {
    "heads.bias": np.arange(5, dtype=np.float32),
    "heads.weight": np.arange(10, dtype=np.float16).reshape(5, 2),
    "levels": np.arange(7, dtype=np.uint8),
    "counts": np.array([[-1, 2]], np.int64),
    "nothing": np.zeros((0, 3), np.float32),
}


def test_written_file_is_read_by_safetensors(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write_tensors(file, TENSORS)

    read = safetensors.numpy.load_file(file)
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read[name], tensor)


def test_file_of_safetensors_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    safetensors.numpy.save_file(TENSORS, file, {"made": "here"})

    read = read_tensors(file)
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(read[name], tensor)


def test_places_give_the_bytes_of_each_tensor(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write_tensors(file, TENSORS)
    content = file.read_bytes()

    for name, place in places(file).items():
        assert content[place.offset : place.offset + place.length] == TENSORS[name].tobytes()
        assert place.shape == TENSORS[name].shape


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 20,
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 5) + b"{bad}",
        *(
            struct.pack("<Q", len(text)) + text + b"\0" * 8
            for text in (
                json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).encode()
                for shape, offsets in (([2], [0, 4]), ([1 << 40], [0, 1 << 42]), ([2], [8, 16]), ([-2], [0, 8]))
            )
        ),
    ],
)
def test_damaged_file_raises_value_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(content)

    with pytest.raises(ValueError, match=r"safetensors|JSON|Expecting|decode"):
        read_tensors(file)
