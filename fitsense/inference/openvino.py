"""Runs a branch's ONNX graphs with OpenVINO on the CPU."""

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

from fitsense._internal.openvino_core import openvino_core
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import BundleError
from fitsense.inference.base import check_input, input_of
from fitsense.inference.compile_cache import compiled
from fitsense.inference.graph_merge import join
from fitsense.inference.streaming import inputs_of_step, next_of, stream_of
from fitsense.types import FloatArray, UInt8Array


class OpenVinoBranches:
    """The graphs of branches that take the same, compiled for low latency as one that computes what they share once.

    They are compiled anew for each size of batch that is asked for.

    :param branches: of the same input; at least one.
    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    """

    def __init__(
        self,
        bundle: Bundle,
        branches: Sequence[BranchEntry],
        *,
        threads: int | None = None,
        bf16: bool | None = None,
    ) -> None:
        self._bundle = bundle
        self._branches = tuple(branches)
        self._core = openvino_core()
        self._lock = threading.Lock()
        self._properties = _properties(self._core, bundle, threads, bf16)
        # Outputs by their place: what branches share goes by the names of all of them.
        places = itertools.count()
        self._places = {branch.name: {name: next(places) for name in _widths(bundle, branch)} for branch in branches}
        self._compiled = {1: self._compile(1)}
        for branch in branches:
            outputs = {name: self._compiled[1].output(at) for name, at in self._places[branch.name].items()}
            _check_outputs(outputs, branch, branch.graph, _widths(bundle, branch))

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Each branch's outputs, by its name; what it takes and gives is a :class:`BranchRunner`'s."""
        for branch in self._branches:
            check_input(clips, branch)
        # One at a time: a window takes every core anyhow, and a compiled model has one request.
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
    """A branch's graph by itself, as :class:`OpenVinoBranches`."""

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, *, threads: int | None = None, bf16: bool | None = None
    ) -> None:
        self._name = branch.name
        self._run = OpenVinoBranches(bundle, [branch], threads=threads, bf16=bf16)

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        return self._run(clips)[self._name]


class OpenVinoStep:
    """The graph by which a streaming branch goes on by a frame of one stream, compiled for low latency.

    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    """

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, *, threads: int | None = None, bf16: bool | None = None
    ) -> None:
        stream = stream_of(branch)
        core = openvino_core()
        self._lock = threading.Lock()
        self._state = dict(stream.state)
        inputs = {name: [1, *shape] for name, (shape, _) in inputs_of_step(branch).items()}
        properties = _properties(core, bundle, threads, bf16)

        def make() -> ov.Model:
            model = core.read_model(bundle.path(stream.graph))
            model.reshape(inputs)
            return model

        with _runs(branch.name, stream.graph):
            self._compiled = compiled(core, _key(bundle, (stream.graph, inputs)), properties, make)
        widths = _widths(bundle, branch)
        self._outputs = tuple(widths)
        remembered = {next_of(name): tuple(shape) for name, shape in self._state.items()}
        outputs = {port.any_name: port for port in self._compiled.outputs}
        _check_outputs(outputs, branch, stream.graph, {**widths, **remembered})

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


def _key(bundle: Bundle, what: Any) -> Any:
    """Says which graph of a bundle, and which of its contents, is compiled; None of a bundle that does not say what it
    contains, such as one that is being made."""
    files = [(file.path, file.sha256) for file in bundle.manifest.files]
    return (files, what) if files else None


def _read(core: ov.Core, bundle: Bundle, branch: BranchEntry) -> ov.Model:
    """A branch's graph for any number of clips, its outputs in the order of :func:`_widths`."""
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
    """Blame the bundle for what OpenVINO cannot read or compile."""
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
    """Whether this CPU has instructions for bfloat16."""
    capabilities = (core or openvino_core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
