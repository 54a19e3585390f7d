"""Runtimes: from a branch of a bundle to a callable on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from numpy.typing import NDArray

from fitsense.bundles.bundle import BranchEntry, Bundle
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import Plugins
from fitsense.types import FloatArray

if TYPE_CHECKING:
    from fitsense.inference.streaming import Stream

RuntimeName = Literal["openvino", "torch"]
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "torch")


class BranchRunner(Protocol):
    """A branch that is ready to run."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        """Outputs of a batch of clips.

        :param clips: uint8 of shape (clips, frames, size, size, 3); for a branch that looks at observations, which
            come from :func:`fitsense.inference.observation.load_observer`, float32 of shape (clips, *observation).
        :returns: ``features``, float32 (clips, feature_dim), and each head's logits, float32 (clips, labels),
            by its task.
        """
        ...


class JointRunner(Protocol):
    """Branches that take the same clips, ready to run together."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Each branch's outputs of a batch of clips, by its name; as :class:`BranchRunner`."""
        ...


def load_joint(
    bundle: Bundle,
    branches: Sequence[BranchEntry],
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: Plugins | None = None,
    device: str | None = None,
    compiled: bool = False,
) -> JointRunner:
    """Make branches that take the same clips ready to run together: as :func:`load_branch` makes each, but ``openvino``
    computes once what the graphs of several share.
    """
    _check(runtime, device, compiled)
    if runtime == "openvino" and all(branch.observation is None for branch in branches):
        from fitsense.inference.openvino import OpenVinoBranches

        return OpenVinoBranches(bundle, branches, threads=threads, bf16=bf16)
    runners = {
        branch.name: load_branch(
            bundle,
            branch,
            runtime,
            threads=threads,
            bf16=bf16,
            plugins=plugins,
            device=device,
            compiled=compiled,
        )
        for branch in branches
    }
    return lambda clips: {name: run(clips) for name, run in runners.items()}


def load_branch(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: Plugins | None = None,
    device: str | None = None,
    compiled: bool = False,
) -> BranchRunner:
    """Make a branch ready to run on pictures.

    :param runtime: ``openvino`` runs the graph on the CPU; ``torch`` runs the network itself, on a GPU if there
        is one, and needs ``fitsense[torch]``.
    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it, which for
        ``torch`` is nowhere.
    :param plugins: who builds the network, for ``torch``, and who computes observations.
    :param device: for ``torch``: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or the like; None for CUDA's, if there is one,
        and the CPU otherwise.
    :param compiled: for ``torch``: whether ``torch.compile`` makes the network faster, in its mode ``reduce-overhead``,
        with CUDA graphs on a GPU. Loading then takes up to minutes, and so does the first batch of each other number of
        clips; after eight numbers, a further one is run as it is. Batches are run one after the other, whatever the
        threads that ask.
    :raises InvalidInputError: the runtime or the device is not there, or the runtime has no use for what is asked for.
    :raises FitsenseError: it cannot be compiled here.
    :raises WeightsError: the branch needs files of others, which have not been fetched.
    """
    from fitsense.inference.observation import ObservedBranch, load_observer

    run = load_graph(
        bundle, branch, runtime, threads=threads, bf16=bf16, plugins=plugins, device=device, compiled=compiled
    )
    if branch.observation is None:
        return run
    return ObservedBranch(branch, load_observer(branch, plugins or Plugins.discover(), threads), run)


def load_graph(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: Plugins | None = None,
    device: str | None = None,
    compiled: bool = False,
) -> BranchRunner:
    """As :func:`load_branch`, but what it gives takes observations where the branch's graph does."""
    _check(runtime, device, compiled)
    if runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoBranch

        return OpenVinoBranch(bundle, branch, threads=threads, bf16=bf16)
    from fitsense.inference.torch import TorchBranch

    return TorchBranch(bundle, branch, threads=threads, bf16=bf16, plugins=plugins, device=device, compiled=compiled)


def load_stream(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: Plugins | None = None,
    device: str | None = None,
    compiled: bool = False,
) -> Stream:
    """Make a branch that streams ready to go on frame by frame; otherwise as :func:`load_branch`.

    :raises InvalidInputError: it does not stream.
    """
    from fitsense.inference.streaming import Stream

    _check(runtime, device, compiled)
    if runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoStep

        return Stream(branch, OpenVinoStep(bundle, branch, threads=threads, bf16=bf16))
    from fitsense.inference.torch import TorchStep

    step = TorchStep(bundle, branch, threads=threads, bf16=bf16, plugins=plugins, device=device, compiled=compiled)
    return Stream(branch, step)


def input_of(branch: BranchEntry) -> tuple[str, tuple[int, ...], str]:
    """Name, shape without the batch, and dtype of what a branch's graph takes."""
    if branch.observation is None:
        return "clip", branch.clip.shape, "uint8"
    return "observation", branch.observation.shape, "float32"


def check_input(clips: NDArray[Any], branch: BranchEntry) -> None:
    """Raise :class:`InvalidInputError` unless `clips` is a batch that the branch's graph takes."""
    name, shape, dtype = input_of(branch)
    check_batch(clips, f"{name} of {branch.name}", shape, dtype)


def check_batch(batch: NDArray[Any], what: str, shape: tuple[int, ...], dtype: str) -> None:
    """Raise :class:`InvalidInputError` unless `batch` is of shape (clips, *shape) and of `dtype`."""
    if batch.ndim != len(shape) + 1 or batch.shape[1:] != shape or batch.dtype.name != dtype:
        raise InvalidInputError(
            f"{what}: expected {dtype} of shape (clips, {', '.join(map(str, shape))}), "
            f"got {batch.dtype.name} of shape {batch.shape}"
        )


def _check(runtime: str, device: str | None, compiled: bool) -> None:
    if runtime not in RUNTIMES:
        raise InvalidInputError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {runtime!r}")
    if runtime == "openvino" and (device is not None or compiled):
        asked = f"device {device!r}" if device is not None else "compiled"
        raise InvalidInputError(
            f"{asked}: expected the runtime 'torch', got 'openvino', which computes on the CPU and compiles what it "
            "runs: leave it out, or ask for 'torch'"
        )
