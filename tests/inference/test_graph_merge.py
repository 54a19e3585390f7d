"""Branches that share a trunk are computed together, and say what each says alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import fitsense
from fitsense._internal.openvino_core import openvino_core
from fitsense.inference.graph_merge import join
from fitsense.types import FloatArray, UInt8Array

WIDTH = 4

# Of each layer: from which seed its weights are, and what comes after it.
Layer = tuple[int, str]
LAYERS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["relu", "sigmoid", "none"])), max_size=5)


def network(layers: Sequence[Layer]) -> ov.Model:
    """Layers on uint8 (clips, WIDTH); outputs of the first and the last."""
    given_ = ops.parameter([-1, WIDTH], np.uint8, name="clip")
    given_.output(0).set_names({"clip"})
    value = ops.convert(given_, np.float32)
    outputs = {"features": ops.multiply(value, np.float32(0.01))}
    for seed, activation in layers:
        weights = np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)).astype(np.float32)
        value = ops.matmul(value, ops.constant(weights), False, False)
        if activation != "none":
            value = ops.relu(value) if activation == "relu" else ops.sigmoid(value)
    outputs["exercise"] = ops.add(value, np.float32(0.5))
    results = []
    for name, node in outputs.items():
        node.output(0).set_names({name})
        results.append(ops.result(node))
    return ov.Model(results, [given_], "network")


def compute(model: ov.Model, clips: UInt8Array) -> list[FloatArray]:
    """Compute every output of a graph."""
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(clips)
    return [np.array(results[at]) for at in range(len(compiled.outputs))]


def layers_of(model: ov.Model) -> int:
    return Counter(node.get_type_name() for node in model.get_ops())["MatMul"]


def shared(first: Sequence[Layer], second: Sequence[Layer]) -> int:
    """Count the layers that two networks share, from the input on."""
    count = 0
    while count < min(len(first), len(second)) and first[count][0] == second[count][0]:
        count += 1
        if first[count - 1] != second[count - 1]:
            break
    return count


@pytest.mark.slow
@settings(max_examples=20)
@given(first=LAYERS, second=LAYERS)
def test_merge_shared_layers_are_computed_once_with_equal_outputs(first: list[Layer], second: list[Layer]) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (3, WIDTH), dtype=np.uint8)
    joint = join([network(first), network(second)])
    assert layers_of(joint) == len(first) + len(second) - shared(first, second)
    together = compute(joint, clips)
    apart = [values for layers in (first, second) for values in compute(network(layers), clips)]
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_equal_bytes_are_not_equal_constants_nor_equal_inputs_equal_operations() -> None:
    def flat(weights: NDArray[Any], transposed: bool) -> ov.Model:
        taken = ops.parameter([-1, WIDTH], np.uint8, name="clip")
        constant = ops.convert(ops.constant(weights), np.float32)
        value = ops.matmul(ops.convert(taken, np.float32), constant, False, transposed)
        value.output(0).set_names({"features"})
        return ov.Model([ops.result(value)], [taken], "flat")

    square = np.arange(WIDTH * WIDTH, dtype=np.float32).reshape(WIDTH, WIDTH)
    cases: list[tuple[NDArray[Any], bool]] = [
        (square, False),
        (square, True),
        (square.astype(np.float16), False),
        (np.zeros((WIDTH, 2), np.float32), False),
        (np.zeros((2, WIDTH), np.float32), True),
    ]
    clips = np.random.default_rng(1).integers(0, 256, (2, WIDTH), dtype=np.uint8)
    joint = join([flat(*case) for case in cases])
    assert layers_of(joint) == len(cases)
    for ours, case in zip(compute(joint, clips), cases, strict=True):
        np.testing.assert_array_equal(ours, compute(flat(*case), clips)[0])


def test_random_numbers_stay_apart() -> None:
    def noise() -> ov.Model:
        taken = ops.parameter([-1, WIDTH], np.uint8, name="clip")
        low, high = np.float32(0), np.float32(1)
        shape = ops.shape_of(taken)
        drawn = ops.random_uniform(shape, ops.constant(low), ops.constant(high), "f32", 0, 0)
        drawn.output(0).set_names({"features"})
        return ov.Model([ops.result(drawn)], [taken], "noise")

    joint = join([noise(), noise()])
    assert Counter(node.get_type_name() for node in joint.get_ops())["RandomUniform"] == 2


def test_merge_included_bundle_computes_its_trunk_once(model: fitsense.Model) -> None:
    names = ("x3d_s", "x3d_bodies")
    branches = [branch for branch in model.manifest.branches if branch.name in names]
    graphs = [openvino_core().read_model(model.bundle.path(branch.graph)) for branch in branches]
    separate = sum(convolutions(graph) for graph in graphs)
    assert convolutions(join(graphs)) < 0.6 * separate


def convolutions(model: ov.Model) -> int:
    return sum("Convolution" in node.get_type_name() for node in model.get_ops())
