"""Runs the ONNX graphs of branches with OpenVINO on the CPU."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from fitsense._internal.compile_cache import compiled
from fitsense._internal.openvino_core import openvino_core
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import BundleError
from fitsense.inference.base import check_input, input_of
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.graph_merge import join
from fitsense.inference.streaming import inputs_of_step, next_of, stream_of
from fitsense.types import FloatArray, UInt8Array


class OpenVinoBranches:
    """Graphs of branches with the same input, merged so that shared parts run once, and compiled for low latency.

    They are compiled for each batch size that occurs.

    :param branches: branches with the same input; at least one.
    """

    def __init__(self, bundle: Bundle, branches: Sequence[BranchEntry], config: RuntimeConfig) -> None:
        self._bundle = bundle
        self._branches = tuple(branches)
        self._core = openvino_core()
        self._lock = threading.Lock()
        self._properties = _properties(self._core, bundle, config)
        # Outputs by position: a shared output has the names of all branches.
        places = itertools.count()
        self._places = {branch.name: {name: next(places) for name in _widths(bundle, branch)} for branch in branches}
        self._compiled = {1: self._compile(1)}
        for branch in branches:
            outputs = {name: self._compiled[1].output(at) for name, at in self._places[branch.name].items()}
            _check_outputs(outputs, branch, branch.graph, _widths(bundle, branch))

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Outputs of each branch by its name; inputs and outputs as for :class:`BranchRunner`."""
        for branch in self._branches:
            check_input(clips, branch)
        # One call at a time: a window uses every core, and a compiled model has one inference request.
        with self._lock:
            if len(clips) == 0:
                results = [np.zeros((0, *port.shape[1:])) for port in self._compiled[1].outputs]
            else:
                if len(clips) not in self._compiled:
                    self._compiled[len(clips)] = self._compile(len(clips))
                results = self._compiled[len(clips)]({0: np.ascontiguousarray(clips)})
            # Results live in OpenVINO's own buffers, which the next call overwrites.
            return {
                name: {output: np.array(results[at], dtype=np.float32) for output, at in places.items()}
                for name, places in self._places.items()
            }

    @functools.cached_property
    def _model(self) -> ov.Model:
        models = [_read(self._core, self._bundle, branch) for branch in self._branches]
        return join(models) if len(models) > 1 else models[0]

    def _compile(self, batch: int) -> ov.CompiledModel:
        shape = [batch, *input_of(self._branches[0])[1]]

        def make() -> ov.Model:
            model = self._model.clone()
            model.reshape(shape)
            return model

        names, graphs = (", ".join(getattr(branch, part) for branch in self._branches) for part in ("name", "graph"))
        with _runs(names, graphs):
            return compiled(self._core, _key(self._bundle, (graphs, self._places, shape)), self._properties, make)


class OpenVinoBranch:
    """Graph of one branch; see :class:`OpenVinoBranches`."""

    def __init__(self, bundle: Bundle, branch: BranchEntry, config: RuntimeConfig) -> None:
        self._name = branch.name
        self._run = OpenVinoBranches(bundle, [branch], config)

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        return self._run(clips)[self._name]


class OpenVinoStep:
    """Graph of one step of a streaming branch, for one frame of one stream, compiled for low latency."""

    def __init__(self, bundle: Bundle, branch: BranchEntry, config: RuntimeConfig) -> None:
        stream = stream_of(branch)
        core = openvino_core()
        self._lock = threading.Lock()
        self._state = dict(stream.state)
        inputs = {name: [1, *shape] for name, (shape, _) in inputs_of_step(branch).items()}
        properties = _properties(core, bundle, config)

        def make() -> ov.Model:
            model = core.read_model(bundle.path(stream.graph))
            model.reshape(inputs)
            return model

        with _runs(branch.name, stream.graph):
            self._compiled = compiled(core, _key(bundle, (stream.graph, inputs)), properties, make)
        widths = _widths(bundle, branch)
        self._outputs = tuple(widths)
        next_state = {next_of(name): tuple(shape) for name, shape in self._state.items()}
        outputs = {port.any_name: port for port in self._compiled.outputs}
        _check_outputs(outputs, branch, stream.graph, {**widths, **next_state})

    def __call__(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        given = {"frame": frame, **{f"state.{name}": array for name, array in state.items()}}
        with self._lock:
            results = self._compiled({name: np.ascontiguousarray(array) for name, array in given.items()})
            # Results live in OpenVINO's own buffers, which the next call overwrites.
            found = {port.any_name: np.array(results[port], dtype=np.float32) for port in results}
        return {name: found[name] for name in self._outputs}, {name: found[next_of(name)] for name in self._state}


def _properties(core: ov.Core, bundle: Bundle, config: RuntimeConfig) -> dict[str, Any]:
    bf16 = config.bf16
    if bf16 is None:
        bf16 = bundle.manifest.allow_bf16 and cpu_computes_bf16(core)
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }
    if config.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = config.threads
    return properties


def _widths(bundle: Bundle, branch: BranchEntry) -> dict[str, tuple[int, ...]]:
    """Output shapes of a branch's graphs for one clip, by name."""
    heads = {str(head.task): (len(bundle.manifest.labels.of(head.task)),) for head in branch.heads}
    return {"features": (branch.feature_dim,), **heads}


def _key(bundle: Bundle, what: Any) -> Any:
    """Cache key of a compiled graph; None if the bundle lists no files, as during training."""
    files = [(file.path, file.sha256) for file in bundle.manifest.files]
    return (files, what) if files else None


def _read(core: ov.Core, bundle: Bundle, branch: BranchEntry) -> ov.Model:
    """Graph of a branch for any batch size, with outputs in the order of :func:`_widths`."""
    name, shape, dtype = input_of(branch)
    with _runs(branch.name, branch.graph):
        model = core.read_model(bundle.path(branch.graph))
        model.reshape({name: [-1, *shape]})
    taken = {port.any_name: port.element_type.to_dtype().name for port in model.inputs}
    if taken != {name: dtype}:
        raise BundleError(f"branch {branch.name}: expected {branch.graph} to take {dtype} {name}, got {taken}")
    results = {port.any_name: port.get_node() for port in model.outputs}
    expected = list(_widths(bundle, branch))
    if set(results) != set(expected):
        raise BundleError(f"branch {branch.name}: expected {branch.graph} to give {expected}, got {list(results)}")
    return ov.Model([results[name] for name in expected], model.get_parameters(), branch.name)


@contextlib.contextmanager
def _runs(branch: str, graph: str) -> Iterator[None]:
    """Turn OpenVINO's errors on reading and compiling into :class:`BundleError`."""
    try:
        yield
    except RuntimeError as error:
        raise BundleError(f"branch {branch}: {graph} is not a graph that runs: {error}") from error


def _check_outputs(
    outputs: Mapping[str, ov.ConstOutput], branch: BranchEntry, graph: str, expected: Mapping[str, tuple[int, ...]]
) -> None:
    actual = {name: tuple(port.shape)[1:] for name, port in outputs.items()}
    if actual != expected:
        raise BundleError(
            f"branch {branch.name}: expected {graph} to have outputs of the shapes {expected}, got {actual}"
        )


def cpu_computes_bf16(core: ov.Core | None = None) -> bool:
    """True if this CPU has instructions for bfloat16."""
    capabilities = (core or openvino_core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
