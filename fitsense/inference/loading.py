"""Loading of branches: from a branch of a bundle to a callable on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import InvalidInputError
from fitsense.inference.base import RUNTIMES, BranchRunner, JointRunner, RuntimeName
from fitsense.plugins._manager import PluginManager

if TYPE_CHECKING:
    from fitsense.inference.streaming import StreamingBranch


def load_joint(
    bundle: Bundle,
    branches: Sequence[BranchEntry],
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: PluginManager | None = None,
    device: str | None = None,
    compile: bool = False,
) -> JointRunner:
    """Make branches that take the same clips ready to run together: as :func:`load_branch` makes each, but ``openvino``
    computes once what the graphs of several share.
    """
    _check(runtime, device, compile)
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
            compile=compile,
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
    plugins: PluginManager | None = None,
    device: str | None = None,
    compile: bool = False,
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
    :param compile: for ``torch``: whether ``torch.compile`` makes the network faster, in its mode ``reduce-overhead``,
        with CUDA graphs on a GPU. Loading then takes up to minutes, and so does the first batch of each other number of
        clips; after eight numbers, a further one is run as it is. Batches are run one after the other, whatever the
        threads that ask.
    :raises InvalidInputError: the runtime or the device is not there, or the runtime has no use for what is asked for.
    :raises FitsenseError: it cannot be compiled here.
    :raises WeightsError: the branch needs files of others, which have not been fetched.
    """
    from fitsense.inference.observation import ObservedBranch, load_observer

    run = load_graph(
        bundle, branch, runtime, threads=threads, bf16=bf16, plugins=plugins, device=device, compile=compile
    )
    if branch.observation is None:
        return run
    return ObservedBranch(branch, load_observer(branch, plugins or PluginManager.discover(), threads), run)


def load_graph(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: PluginManager | None = None,
    device: str | None = None,
    compile: bool = False,
) -> BranchRunner:
    """As :func:`load_branch`, but what it gives takes observations where the branch's graph does."""
    _check(runtime, device, compile)
    if runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoBranch

        return OpenVinoBranch(bundle, branch, threads=threads, bf16=bf16)
    from fitsense.inference.torch import TorchBranch

    return TorchBranch(bundle, branch, threads=threads, bf16=bf16, plugins=plugins, device=device, compile=compile)


def load_stream(
    bundle: Bundle,
    branch: BranchEntry,
    runtime: RuntimeName = "openvino",
    *,
    threads: int | None = None,
    bf16: bool | None = None,
    plugins: PluginManager | None = None,
    device: str | None = None,
    compile: bool = False,
) -> StreamingBranch:
    """Make a branch that streams ready to go on frame by frame; otherwise as :func:`load_branch`.

    :raises InvalidInputError: it does not stream.
    """
    from fitsense.inference.streaming import StreamingBranch

    _check(runtime, device, compile)
    if runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoStep

        return StreamingBranch(branch, OpenVinoStep(bundle, branch, threads=threads, bf16=bf16))
    from fitsense.inference.torch import TorchStep

    step = TorchStep(bundle, branch, threads=threads, bf16=bf16, plugins=plugins, device=device, compile=compile)
    return StreamingBranch(branch, step)


def _check(runtime: str, device: str | None, compile: bool) -> None:
    if runtime not in RUNTIMES:
        raise InvalidInputError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {runtime!r}")
    if runtime == "openvino" and (device is not None or compile):
        asked = f"device {device!r}" if device is not None else "compile"
        raise InvalidInputError(
            f"{asked}: expected the runtime 'torch', got 'openvino', which computes on the CPU and compiles what it "
            "runs: leave it out, or ask for 'torch'"
        )
