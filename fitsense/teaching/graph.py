"""One more row in the heads of an ONNX graph, without ONNX's own package.

A graph refers to the safetensors file for its weights (docs/adr/0001). When a head has one more row, the places of all
weights in that file change, and so do the shapes of the head's weights, the bounds at which its scores are sliced, and
the shape of its output. Nothing else in the graph depends on the number of rows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from fitsense._internal import protobuf
from fitsense._internal.protobuf import BYTES, Field
from fitsense._internal.tensor_file import Place, places
from fitsense.errors import BundleError

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 1, 5, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP = 1, 2, 4
_TENSOR_DIMS, _TENSOR_INT64, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_EXTERNAL = 1, 7, 8, 9, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE = 1, 2, 1, 1

_STORED = ".float16"
_ROW_AXIS = 1
_END = (1 << 31) - 1


@attrs.frozen
class _Node:
    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def add_row(graph: bytes, weights: Path, grown: Mapping[str, int]) -> bytes:
    """The graph for a file of weights in which some heads have one more row.

    :param graph: serialised ONNX model.
    :param weights: the new safetensors file.
    :param grown: position of the new row, by the name of each tensor that has one more.
    :raises BundleError: the graph is not one that fitsense exports.
    """
    try:
        model = protobuf.parse(graph)
        at = next(index for index, field in enumerate(model) if field.number == _MODEL_GRAPH)
        model[at] = protobuf.message(_MODEL_GRAPH, _edited(protobuf.parse(model[at].content), places(weights), grown))
    except (ValueError, StopIteration, KeyError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{weights.name}: expected a graph that refers to it, got one that does not: {error}"
        ) from error
    return protobuf.serialise(model)


def _edited(fields: list[Field], where: Mapping[str, Place], grown: Mapping[str, int]) -> list[Field]:
    """Fields of the graph with the new shapes and places."""
    nodes = [_node(protobuf.parse(field.content)) for field in fields if field.number == _GRAPH_NODE]
    reached, bounds = _downstream(nodes, grown, _constants(fields))
    result = []
    for field in fields:
        if field.number == _GRAPH_INITIALIZER:
            tensor = protobuf.parse(field.content)
            name = _name(tensor, _TENSOR_NAME)
            if name in bounds:
                tensor = _moved(tensor, bounds[name])
            elif any(part.number == _TENSOR_EXTERNAL for part in tensor):
                tensor = _placed(tensor, where[name.removesuffix(_STORED)])
            field = protobuf.message(_GRAPH_INITIALIZER, tensor)
        elif field.number == _GRAPH_OUTPUT:
            value = protobuf.parse(field.content)
            if _name(value, _VALUE_NAME) in reached:
                field = protobuf.message(_GRAPH_OUTPUT, _widened(value))
        elif field.number == _GRAPH_VALUE_INFO and _name(protobuf.parse(field.content), _VALUE_NAME) in reached:
            # Shapes of values within the graph are notes, which any reader computes anew.
            continue
        result.append(field)
    return result


def _downstream(
    nodes: Iterable[_Node], grown: Mapping[str, int], constants: Mapping[str, list[int]]
) -> tuple[set[str], dict[str, int]]:
    """Values that depend on a grown tensor; and constants that are bounds of slices of its rows, with the position of
    the new row."""
    reached: set[str] = set()
    # Values that still have one column for each row.
    rows = {**grown, **{f"{name}{_STORED}": position for name, position in grown.items()}}
    bounds: dict[str, int] = {}
    others: set[str] = set()
    for node in nodes:
        at = next((rows[name] for name in node.inputs if name in rows), None)
        if at is None and reached.isdisjoint(node.inputs):
            others.update(node.inputs)
            continue
        reached.update(node.outputs)
        if node.operation == "Slice" and at is not None and constants.get(node.inputs[3]) == [_ROW_AXIS]:
            # start and end
            bounds.update(dict.fromkeys(node.inputs[1:3], at))
            others.update(node.inputs[3:])
            continue
        others.update(name for name in node.inputs if name not in rows)
        if at is not None and node.operation in ("Cast", "Gemm", "Slice"):
            rows.update(dict.fromkeys(node.outputs, at))
    if shared := sorted(bounds.keys() & others):
        raise ValueError(f"the bounds {', '.join(shared)} serve other nodes, too")
    return reached, bounds


def _constants(fields: Iterable[Field]) -> dict[str, list[int]]:
    """Integers of the graph's own initializers, by name."""
    found = {}
    for field in fields:
        if field.number == _GRAPH_INITIALIZER:
            tensor = protobuf.parse(field.content)
            if not any(part.number == _TENSOR_EXTERNAL for part in tensor):
                found[_name(tensor, _TENSOR_NAME)] = _values(tensor)
    return found


def _values(tensor: Iterable[Field]) -> list[int]:
    tensor = list(tensor)
    raw = next((part.content for part in tensor if part.number == _TENSOR_RAW), None)
    if raw is None:
        return protobuf.integers(tensor, _TENSOR_INT64)
    # Constants of other types are no bounds.
    return protobuf.int64s(raw) if len(raw) % 8 == 0 else []


def _moved(tensor: Iterable[Field], position: int) -> list[Field]:
    """A bound of a slice, one further if it is at the new row or beyond it."""
    values = [value + (position <= value < _END) for value in _values(tensor)]
    kept = [part for part in tensor if part.number not in (_TENSOR_RAW, _TENSOR_INT64)]
    return [*kept, Field(_TENSOR_RAW, BYTES, struct.pack(f"<{len(values)}q", *values))]


def _placed(tensor: Iterable[Field], place: Place) -> list[Field]:
    """An initializer with its shape and place in the file of weights."""
    kept = [part for part in tensor if part.number != _TENSOR_DIMS]
    result = [protobuf.integer(_TENSOR_DIMS, size) for size in place.shape]
    stated = {"offset": place.offset, "length": place.length}
    for part in kept:
        if part.number == _TENSOR_EXTERNAL:
            entry = protobuf.parse(part.content)
            key = _name(entry, _ENTRY_KEY)
            if key in stated:
                entry = [protobuf.text(_ENTRY_KEY, key), protobuf.text(_ENTRY_VALUE, str(stated[key]))]
                part = protobuf.message(_TENSOR_EXTERNAL, entry)
        result.append(part)
    return result


def _widened(value: Iterable[Field]) -> list[Field]:
    """An output with one more column."""
    return _within(value, (_VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE))


def _within(fields: Iterable[Field], path: tuple[int, ...]) -> list[Field]:
    """Fields in which the message at a path of field numbers is a shape with one more column."""
    if not path:
        dims = [protobuf.parse(field.content) for field in fields]
        last = dims[_ROW_AXIS]
        dims[_ROW_AXIS] = [
            protobuf.integer(_DIM_VALUE, part.value + 1)
            if part.number == _DIM_VALUE and isinstance(part.value, int)
            else part
            for part in last
        ]
        return [protobuf.message(_SHAPE_DIM, dim) for dim in dims]
    first, *rest = path
    return [
        protobuf.message(first, _within(protobuf.parse(field.content), tuple(rest))) if field.number == first else field
        for field in fields
    ]


def _node(fields: Iterable[Field]) -> _Node:
    fields = list(fields)
    return _Node(
        _name(fields, _NODE_OP),
        tuple(field.text for field in fields if field.number == _NODE_INPUT),
        tuple(field.text for field in fields if field.number == _NODE_OUTPUT),
    )


def _name(fields: Iterable[Field], number: int) -> str:
    return next((field.text for field in fields if field.number == number), "")
