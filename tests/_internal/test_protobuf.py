"""The wire format of protocol buffers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from fitsense._internal import protobuf
from fitsense._internal.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field

NUMBERS = st.integers(1, 1 << 20)
FIELDS = st.one_of(
    st.builds(Field, NUMBERS, st.just(VARINT), st.integers(0, (1 << 64) - 1)),
    st.builds(Field, NUMBERS, st.just(BYTES), st.binary(max_size=300)),
    st.builds(Field, NUMBERS, st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.builds(Field, NUMBERS, st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(FIELDS))
def test_parse_of_serialised_fields_gives_them_back(fields: list[Field]) -> None:
    assert protobuf.parse(protobuf.serialise(fields)) == fields


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_integers_packed_or_single_give_the_values(values: list[int]) -> None:
    assert protobuf.integers([protobuf.packed(7, values)], 7) == values
    assert protobuf.integers([protobuf.integer(7, value) for value in values], 7) == values


@given(st.binary(max_size=60))
def test_parse_of_any_bytes_gives_fields_or_value_error(content: bytes) -> None:
    try:
        fields = protobuf.parse(content)
    except ValueError:
        return
    assert protobuf.parse(protobuf.serialise(fields)) == fields


def test_serialise_of_an_onnx_model_keeps_every_byte() -> None:
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["clips", 2])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["clips", 3])],
        [weight],
    )
    content = helper.make_model(graph).SerializeToString()

    assert protobuf.serialise(protobuf.parse(content)) == content


@pytest.mark.parametrize("content", [b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x0b"])
def test_parse_of_a_damaged_message_raises_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        protobuf.parse(content)
