"""Runs branches as torch modules: on a GPU, or during the development of a plugin."""

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
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.streaming import inputs_of_step, stream_of
from fitsense.plugins._manager import PluginManager
from fitsense.types import FloatArray, UInt8Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# The first call compiles, the second records CUDA graphs, and the third replays them.
_WARM_UP_CALLS = 3


def devices() -> tuple[str, ...]:
    """Devices of this machine for torch: ``cpu``, and accelerators by type and by type and index."""
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return ("cpu",)
    return ("cpu", found.type, *(f"{found.type}:{number}" for number in range(torch.accelerator.device_count())))


def run_module(module: nn.Module) -> BranchRunner:
    """Wrap a network to run on arrays: on a GPU, if there is one."""
    device = _device(None)
    return _Function(module.eval().to(device), device)


class TorchBranch:
    """Network of a branch with the bundle's weights.

    :param config: `threads` applies to torch in the whole process, and None leaves it unchanged; `bf16` uses torch's
        autocast; `device` is one of :func:`devices`.
    """

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, config: RuntimeConfig, *, plugins: PluginManager | None = None
    ) -> None:
        self._branch = branch
        module, on = _load(bundle, branch, config, plugins)
        self._run = _Function(module, on, bf16=bool(config.bf16), compile=config.compile)
        if config.compile:
            _, shape, dtype = input_of(branch)
            _warm_up(self._run, branch, np.zeros((1, *shape), dtype))

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_input(clips, self._branch)
        outputs: Mapping[str, FloatArray] = self._run(clips)
        return outputs


class TorchStep:
    """Runs one step of a streaming branch. Arguments as for :class:`TorchBranch`."""

    def __init__(
        self, bundle: Bundle, branch: BranchEntry, config: RuntimeConfig, *, plugins: PluginManager | None = None
    ) -> None:
        state = stream_of(branch).state
        module, on = _load(bundle, branch, config, plugins)
        self._run = _Function(module.step, on, bf16=bool(config.bf16), compile=config.compile)
        if config.compile:
            shape, dtype = inputs_of_step(branch)["frame"]
            start = {name: np.zeros((1, *size), np.float32) for name, size in state.items()}
            _warm_up(self._run, branch, np.zeros((1, *shape), dtype), start)

    def __call__(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[Mapping[str, FloatArray], Mapping[str, FloatArray]]:
        outputs, remembered = self._run(frame, state)
        return outputs, remembered


class _Function:
    """Wraps a network's function: from arrays or mappings of them to mappings of float32 arrays or a pair of those.

    :param function: function on tensors, of a network on the device.
    """

    def __init__(
        self, function: Callable[..., Any], device: torch.device, *, bf16: bool = False, compile: bool = False
    ) -> None:
        self.device = device
        self._function = function
        self._bf16 = bf16
        self._compiled = _compile(function) if compile else None
        # Context variables in which torch keeps the settings of the thread that loads the network.
        self._context = contextvars.copy_context()

    def __call__(self, clips: NDArray[Any], *more: Any) -> Any:
        # An empty batch has nothing to record.
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
    """The one thread for compiled networks: sessions call from many, and torch records CUDA graphs for each thread."""
    return ThreadPoolExecutor(1, thread_name_prefix="torch compiled")


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with torch; each input size separately, since branches share code and differ in sizes."""
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


def _warm_up(run: _Function, branch: BranchEntry, *inputs: Any) -> None:
    try:
        for _ in range(_WARM_UP_CALLS):
            run(*inputs)
    except Exception as error:
        # The first paragraph of torch's message gives the cause, the others hints for debugging.
        reason = " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__
        raise FitsenseError(
            f"{branch.name} cannot be compiled for {run.device}: {reason}. Are a C++ compiler and, for a GPU, triton "
            "there? Install what is missing, or leave out `compile`"
        ) from error


def _load(
    bundle: Bundle, branch: BranchEntry, config: RuntimeConfig, plugins: PluginManager | None
) -> tuple[Any, torch.device]:
    """The network with its weights, and its device."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("the torch runtime", "torch", error) from error
    from fitsense.bundles.weights import load_state, read_state
    from fitsense.nn.branch import build_branch

    on = _device(config.device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    module = build_branch(plugins or PluginManager.discover(), branch, bundle.manifest.labels)
    state = {name: value.float() for name, value in read_state(bundle.path(branch.weights)).items()}
    load_state(module, state, origin=f"{bundle.manifest.name}: {branch.weights}")
    _convert_numpy_integers(module)
    return module.eval().to(on), on


def _convert_numpy_integers(module: nn.Module) -> None:
    """Convert NumPy integers to Python's: pytorchvideo leaves some among its layers' sizes, and torch cannot compile
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
