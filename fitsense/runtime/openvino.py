"""Runs a branch's ONNX graphs with OpenVINO on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from fitsense.bundle import BranchEntry, Bundle
from fitsense.errors import BundleError
from fitsense.runtime import check_input, input_of
from fitsense.runtime.streaming import inputs_of_step, next_of, stream_of
from fitsense.types import FloatArray, UInt8Array


class OpenVinoBranch:
    """A branch's graph, compiled for low latency; once for each size of batch that is asked for.

    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    """

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, *, threads: int | None = None, bf16: bool | None = None
    ) -> None:
        self._branch = branch
        self._core = ov.Core()
        self._lock = threading.Lock()
        self._properties = _properties(self._core, bundle, threads, bf16)
        try:
            self._model = self._core.read_model(bundle.path(branch.graph))
            self._compiled = {1: self._compile(1)}
        except RuntimeError as error:
            raise BundleError(f"branch {branch.name}: {branch.graph} is not a graph that runs: {error}") from error
        _check_outputs(self._compiled[1], branch, branch.graph, _widths(bundle, branch))

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_input(clips, self._branch)
        if len(clips) == 0:
            return {port.any_name: np.zeros((0, int(port.shape[1])), np.float32) for port in self._compiled[1].outputs}
        # One at a time: a window takes every core anyhow, and a compiled model has one request.
        with self._lock:
            if len(clips) not in self._compiled:
                self._compiled[len(clips)] = self._compile(len(clips))
            results = self._compiled[len(clips)]({input_of(self._branch)[0]: np.ascontiguousarray(clips)})
            # Results live in OpenVINO's own buffers, which the next call overwrites.
            return {port.any_name: np.array(results[port], dtype=np.float32) for port in results}

    def _compile(self, batch: int) -> ov.CompiledModel:
        model = self._model.clone()
        name, shape, _ = input_of(self._branch)
        model.reshape({name: [batch, *shape]})
        return self._core.compile_model(model, "CPU", self._properties)


class OpenVinoStep:
    """The graph by which a streaming branch goes on by a frame of one stream, compiled for low latency.

    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    """

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, *, threads: int | None = None, bf16: bool | None = None
    ) -> None:
        stream = stream_of(branch)
        core = ov.Core()
        self._lock = threading.Lock()
        self._state = dict(stream.state)
        inputs = {name: [1, *shape] for name, (shape, _) in inputs_of_step(branch).items()}
        try:
            model = core.read_model(bundle.path(stream.graph))
            model.reshape(inputs)
            self._compiled = core.compile_model(model, "CPU", _properties(core, bundle, threads, bf16))
        except RuntimeError as error:
            raise BundleError(f"branch {branch.name}: {stream.graph} is not a graph that steps: {error}") from error
        widths = _widths(bundle, branch)
        self._outputs = tuple(widths)
        remembered = {next_of(name): tuple(shape) for name, shape in self._state.items()}
        _check_outputs(self._compiled, branch, stream.graph, {**widths, **remembered})

    def __call__(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        given = {"frame": frame, **{f"state.{name}": array for name, array in state.items()}}
        with self._lock:
            results = self._compiled({name: np.ascontiguousarray(array) for name, array in given.items()})
            # Results live in OpenVINO's own buffers, which the next call overwrites.
            found = {port.any_name: np.array(results[port], dtype=np.float32) for port in results}
        return {name: found[name] for name in self._outputs}, {name: found[next_of(name)] for name in self._state}


def _properties(core: ov.Core, bundle: Bundle, threads: int | None, bf16: bool | None) -> dict[str, Any]:
    if bf16 is None:
        bf16 = bundle.manifest.allow_bf16 and cpu_computes_bf16(core)
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }
    if threads is not None:
        properties["INFERENCE_NUM_THREADS"] = threads
    return properties


def _widths(bundle: Bundle, branch: BranchEntry) -> dict[str, tuple[int, ...]]:
    """Shapes of what a branch's graphs give for a clip, by name."""
    heads = {str(head.task): (len(getattr(bundle.manifest.labels, head.task)),) for head in branch.heads}
    return {"features": (branch.feature_dim,), **heads}


def _check_outputs(
    compiled: ov.CompiledModel, branch: BranchEntry, graph: str, expected: Mapping[str, tuple[int, ...]]
) -> None:
    actual = {port.any_name: tuple(port.shape)[1:] for port in compiled.outputs}
    if actual != expected:
        raise BundleError(
            f"branch {branch.name}: expected {graph} to have outputs of the shapes {expected}, got {actual}"
        )


def cpu_computes_bf16(core: ov.Core | None = None) -> bool:
    """Whether this CPU has instructions for bfloat16."""
    capabilities = (core or ov.Core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
