"""Runtimes: from a branch of a bundle to a callable on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from fitsense.bundle import BranchEntry, Bundle
from fitsense.errors import InvalidInputError
from fitsense.plugins import Plugins
from fitsense.types import FloatArray, UInt8Array

RuntimeName = Literal["openvino", "torch"]
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "torch")


class BranchRunner(Protocol):
    """A branch that is ready to run."""

    def __call__(self, clips: UInt8Array) -> Mapping[str, FloatArray]:
        """Outputs of a batch of clips.

        :param clips: uint8 of shape (clips, frames, size, size, 3).
        :returns: ``features``, float32 (clips, feature_dim), and each head's logits, float32 (clips, labels),
            by its task.
        """
        ...


def load_branch(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: Plugins | None = None,
) -> BranchRunner:
    """Make a branch ready to run.

    :param runtime: ``openvino`` runs the graph on the CPU; ``torch`` runs the network itself, on a GPU if there
        is one, and needs ``fitsense[torch]``.
    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    :param plugins: who builds the network, for ``torch``.
    """
    if runtime == "openvino":
        from fitsense.runtime.openvino import OpenVinoBranch

        return OpenVinoBranch(bundle, branch, threads=threads, bf16=bf16)
    if runtime == "torch":
        from fitsense.runtime.torch import TorchBranch

        return TorchBranch(bundle, branch, threads=threads, plugins=plugins)
    raise InvalidInputError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {runtime!r}")


def check_clips(clips: UInt8Array, branch: BranchEntry) -> None:
    """Raise :class:`InvalidInputError` unless `clips` is a batch that `branch` takes."""
    if clips.ndim != 5 or clips.shape[1:] != branch.clip.shape or clips.dtype.name != "uint8":
        raise InvalidInputError(
            f"clips of {branch.name}: expected uint8 of shape (clips, {', '.join(map(str, branch.clip.shape))}), "
            f"got {clips.dtype.name} of shape {clips.shape}"
        )
