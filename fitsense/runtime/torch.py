"""Runs a branch as torch modules: where a GPU is, or while a plugin is being developed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fitsense.bundle import BranchEntry, Bundle
from fitsense.errors import MissingExtraError
from fitsense.plugins import Plugins
from fitsense.runtime import BranchRunner, check_input
from fitsense.types import FloatArray, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor, nn


def run_module(module: nn.Module) -> BranchRunner:
    """A network as it is, ready to run on arrays: on a GPU, if there is one."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.eval().to(device)

    def run(clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(clips.copy()).to(device))
        return _arrays(outputs)

    return run


class TorchBranch:
    """A branch's network with the bundle's weights.

    :param threads: CPU threads of this process's torch; None to leave them as they are.
    """

    def __init__(
        self,
        bundle: Bundle,
        branch: BranchEntry,
        *,
        threads: int | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("the torch runtime", "torch", error) from error
        from fitsense.export.branch import build_branch
        from fitsense.weights import load_state, read_state

        if threads is not None:
            torch.set_num_threads(threads)
        self._branch = branch
        self._module: Any = build_branch(plugins or Plugins.discover(), branch, bundle.manifest.labels)
        state = {name: value.float() for name, value in read_state(bundle.path(branch.weights)).items()}
        load_state(self._module, state, origin=f"{bundle.manifest.name}: {branch.weights}")
        self._run = run_module(self._module)

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_input(clips, self._branch)
        return self._run(clips)

    def step(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[Mapping[str, FloatArray], Mapping[str, FloatArray]]:
        """Outputs after a frame of each stream, and what is remembered then; for a branch that streams."""
        import torch

        device = next(self._module.parameters()).device
        with torch.inference_mode():
            outputs, remembered = self._module.step(
                torch.from_numpy(frame.copy()).to(device),
                {name: torch.from_numpy(array.copy()).to(device) for name, array in state.items()},
            )
        return _arrays(outputs), _arrays(remembered)


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, FloatArray]:
    return {name: value.float().cpu().numpy() for name, value in tensors.items()}
