"""Runs a branch's ONNX graph with OpenVINO on the CPU."""

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
from fitsense.types import FloatArray


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
        if bf16 is None:
            bf16 = bundle.manifest.allow_bf16 and cpu_computes_bf16(self._core)
        self._properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        if threads is not None:
            self._properties["INFERENCE_NUM_THREADS"] = threads
        try:
            self._model = self._core.read_model(bundle.path(branch.graph))
            self._compiled = {1: self._compile(1)}
        except RuntimeError as error:
            raise BundleError(f"branch {branch.name}: {branch.graph} is not a graph that runs: {error}") from error
        self._check_outputs(bundle)

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

    def _check_outputs(self, bundle: Bundle) -> None:
        labels = bundle.manifest.labels
        expected = {"features": self._branch.feature_dim}
        expected |= {head.task: len(getattr(labels, head.task)) for head in self._branch.heads}
        actual = {port.any_name: int(port.shape[1]) for port in self._compiled[1].outputs}
        if actual != expected:
            raise BundleError(
                f"branch {self._branch.name}: expected {self._branch.graph} to have the outputs and widths {expected}, "
                f"got {actual}"
            )

    def _compile(self, batch: int) -> ov.CompiledModel:
        model = self._model.clone()
        name, shape, _ = input_of(self._branch)
        model.reshape({name: [batch, *shape]})
        return self._core.compile_model(model, "CPU", self._properties)


def cpu_computes_bf16(core: ov.Core | None = None) -> bool:
    """Whether this CPU has instructions for bfloat16."""
    capabilities = (core or ov.Core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
