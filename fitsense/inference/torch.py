"""Runs a branch as torch modules: where a GPU is, or while a plugin is being developed."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError
from fitsense.inference.base import BranchRunner, check_input, input_of
from fitsense.inference.streaming import inputs_of_step, stream_of
from fitsense.plugins._manager import PluginManager
from fitsense.types import FloatArray, UInt8Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# The first call compiles, the second records CUDA graphs, and the third plays them.
_CALLS_TO_BE_READY = 3


def devices() -> tuple[str, ...]:
    """What torch can compute on here: ``cpu``, and a GPU or the like, by its type and with its number."""
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return ("cpu",)
    return ("cpu", found.type, *(f"{found.type}:{number}" for number in range(torch.accelerator.device_count())))


def run_module(module: nn.Module) -> BranchRunner:
    """A network as it is, ready to run on arrays: on a GPU, if there is one."""
    device = _device(None)
    return _Function(module.eval().to(device), device)


class TorchBranch:
    """A branch's network with the bundle's weights.

    :param threads: CPU threads of this process's torch; None to leave them as they are.
    :param bf16: whether to compute in bfloat16, by torch's autocast; None for float32.
    :param device: one of :func:`devices`; None for CUDA's, if there is one, and the CPU otherwise.
    :param compile: as of :func:`fitsense.inference.loading.load_branch`.
    """

    def __init__(
        self,
        bundle: Bundle,
        branch: BranchEntry,
        *,
        threads: int | None = None,
        bf16: bool | None = None,
        plugins: PluginManager | None = None,
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        self._branch = branch
        module, on = _load(bundle, branch, threads, plugins, device)
        self._run = _Function(module, on, bf16=bool(bf16), compile=compile)
        if compile:
            _, shape, dtype = input_of(branch)
            _make_ready(self._run, branch, np.zeros((1, *shape), dtype))

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_input(clips, self._branch)
        outputs: Mapping[str, FloatArray] = self._run(clips)
        return outputs


class TorchStep:
    """By what a streaming branch goes on by a frame; otherwise as :class:`TorchBranch`."""

    def __init__(
        self,
        bundle: Bundle,
        branch: BranchEntry,
        *,
        threads: int | None = None,
        bf16: bool | None = None,
        plugins: PluginManager | None = None,
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        state = stream_of(branch).state
        module, on = _load(bundle, branch, threads, plugins, device)
        self._run = _Function(module.step, on, bf16=bool(bf16), compile=compile)
        if compile:
            shape, dtype = inputs_of_step(branch)["frame"]
            start = {name: np.zeros((1, *size), np.float32) for name, size in state.items()}
            _make_ready(self._run, branch, np.zeros((1, *shape), dtype), start)

    def __call__(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[Mapping[str, FloatArray], Mapping[str, FloatArray]]:
        outputs, remembered = self._run(frame, state)
        return outputs, remembered


class _Function:
    """A function of a network: from arrays, or mappings of them, to mappings of float32 arrays, or a pair of those.

    :param function: on tensors, of a network that is on the device.
    """

    def __init__(
        self, function: Callable[..., Any], device: torch.device, *, bf16: bool = False, compile: bool = False
    ) -> None:
        self.device = device
        self._function = function
        self._bf16 = bf16
        self._compiled = _compile(function) if compile else None
        # In which torch keeps the settings of whoever loads it.
        self._context = contextvars.copy_context()

    def __call__(self, clips: NDArray[Any], *more: Any) -> Any:
        # There is nothing to record of an empty batch.
        if self._compiled is None or not len(clips):
            return self._run(self._function, clips, *more)
        return _thread().submit(self._context.run, self._run, self._compiled, clips, *more).result()

    def _run(self, function: Callable[..., Any], *inputs: Any) -> Any:
        import torch

        precision = torch.autocast(self.device.type, torch.bfloat16) if self._bf16 else contextlib.nullcontext()
        with torch.inference_mode(), precision:
            outputs = function(*map(self._tensors, inputs))
            # Before the next run, since CUDA graphs write to the same place again.
            return tuple(map(_arrays, outputs)) if isinstance(outputs, tuple) else _arrays(outputs)

    def _tensors(self, given: NDArray[Any] | Mapping[str, NDArray[Any]]) -> Tensor | dict[str, Tensor]:
        import torch

        if isinstance(given, Mapping):
            return {name: torch.from_numpy(array.copy()).to(self.device) for name, array in given.items()}
        return torch.from_numpy(given.copy()).to(self.device)


@functools.cache
def _thread() -> ThreadPoolExecutor:
    """The one thread in which compiled networks run: sessions ask from many, and torch records CUDA graphs for each."""
    return ThreadPoolExecutor(1, thread_name_prefix="torch compiled")


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    """It, as torch compiles it: each size of its inputs by itself, since branches differ in theirs and share code."""
    import torch

    try:
        compiled: Callable[..., Any] = torch.compile(  # type: ignore[call-overload]  # not in its overloads yet
            function, mode="reduce-overhead", dynamic=False, isolate_recompiles=True
        )
        return compiled
    except TypeError as error:
        raise FitsenseError(
            f"compile: expected torch 2.13 or later, got {torch.__version__}: upgrade it, or leave out `compile`"
        ) from error


def _make_ready(run: _Function, branch: BranchEntry, *inputs: Any) -> None:
    try:
        for _ in range(_CALLS_TO_BE_READY):
            run(*inputs)
    except Exception as error:
        # torch tells what happened in the first paragraph, and how to learn more in the others.
        reason = " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__
        raise FitsenseError(
            f"{branch.name} cannot be compiled for {run.device}: {reason}. Are a C++ compiler and, for a GPU, triton "
            "there? Install what is missing, or leave out `compile`"
        ) from error


def _load(
    bundle: Bundle, branch: BranchEntry, threads: int | None, plugins: PluginManager | None, device: str | None
) -> tuple[Any, torch.device]:
    """The network with its weights, and the device that it is on."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("the torch runtime", "torch", error) from error
    from fitsense.bundles.weights import load_state, read_state
    from fitsense.nn.branch import build_branch

    on = _device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    module = build_branch(plugins or PluginManager.discover(), branch, bundle.manifest.labels)
    state = {name: value.float() for name, value in read_state(bundle.path(branch.weights)).items()}
    load_state(module, state, origin=f"{bundle.manifest.name}: {branch.weights}")
    _count_in_python(module)
    return module.eval().to(on), on


def _count_in_python(module: nn.Module) -> None:
    """Make numpy's integers Python's: pytorchvideo leaves some among its layers' sizes, and torch cannot compile across
    them."""
    for layer in module.modules():
        for name, value in vars(layer).items():
            if isinstance(value, tuple) and any(isinstance(number, np.integer) for number in value):
                setattr(layer, name, tuple(map(int, value)))


def _device(name: str | None) -> torch.device:
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in devices():
        raise InvalidInputError(f"device: expected one that torch finds here, {' or '.join(devices())}, got {name!r}")
    return torch.device(name)


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, FloatArray]:
    return {name: value.float().cpu().numpy() for name, value in tensors.items()}
