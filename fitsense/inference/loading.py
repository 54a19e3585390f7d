"""Loading of branches: from a bundle's entry to a callable on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry
from fitsense.inference.base import BranchRunner, JointRunner
from fitsense.inference.config import RuntimeConfig
from fitsense.plugins._manager import PluginManager

if TYPE_CHECKING:
    from fitsense.inference.pose_estimator import LoadedPoseEstimator
    from fitsense.inference.streaming import StreamingBranch


def load_joint(
    bundle: Bundle,
    branches: Sequence[BranchEntry],
    config: RuntimeConfig | None = None,
    *,
    plugins: PluginManager | None = None,
) -> JointRunner:
    """Load branches that take the same clips, each as :func:`load_branch` does; ``openvino`` computes the parts that
    several graphs share only once.
    """
    config = config or RuntimeConfig()
    if config.runtime == "openvino" and all(branch.observation is None for branch in branches):
        from fitsense.inference.openvino import OpenVinoBranches

        return OpenVinoBranches(bundle, branches, config)
    runners = {branch.name: load_branch(bundle, branch, config, plugins=plugins) for branch in branches}
    return lambda clips: {name: run(clips) for name, run in runners.items()}


def load_branch(
    bundle: Bundle,
    branch: BranchEntry,
    config: RuntimeConfig | None = None,
    *,
    plugins: PluginManager | None = None,
    estimator: LoadedPoseEstimator | None = None,
) -> BranchRunner:
    """Load a branch for clips.

    :param config: None for the defaults.
    :param estimator: the pose estimator of a branch on poses, where it is loaded already.
    :param plugins: plugins that build networks for ``torch`` and compute observations; None for the installed ones.
    :raises InvalidInputError: the device is missing.
    :raises FitsenseError: the network cannot be compiled here.
    :raises WeightsError: the branch needs third-party files that cannot be fetched.
    """
    from fitsense.inference.observation import ObservedBranch, PoseBranch, PoseObserver, load_evidence, load_observer

    config = config or RuntimeConfig()
    run = load_graph(bundle, branch, config, plugins=plugins)
    if branch.observation is None:
        return run
    plugins = plugins or PluginManager.discover()
    observer = load_observer(branch, plugins, config.threads, estimator=estimator)
    evidence = load_evidence(branch, plugins)
    if isinstance(observer, PoseObserver):
        return PoseBranch(branch, observer, run, evidence)
    return ObservedBranch(branch, observer, run, evidence)


def load_graph(
    bundle: Bundle,
    branch: BranchEntry,
    config: RuntimeConfig | None = None,
    *,
    plugins: PluginManager | None = None,
) -> BranchRunner:
    """Load a branch as :func:`load_branch` does, but for observations if the branch's graph takes them."""
    config = config or RuntimeConfig()
    if config.runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoBranch

        return OpenVinoBranch(bundle, branch, config)
    from fitsense.inference.torch import TorchBranch

    return TorchBranch(bundle, branch, config, plugins=plugins)


def load_stream(
    bundle: Bundle,
    branch: BranchEntry,
    config: RuntimeConfig | None = None,
    *,
    plugins: PluginManager | None = None,
) -> StreamingBranch:
    """Load a streaming branch, for single frames; otherwise as :func:`load_branch`.

    :raises InvalidInputError: the branch does not stream.
    """
    from fitsense.inference.streaming import StreamingBranch

    config = config or RuntimeConfig()
    if config.runtime == "openvino":
        from fitsense.inference.openvino import OpenVinoStep

        return StreamingBranch(branch, OpenVinoStep(bundle, branch, config))
    from fitsense.inference.torch import TorchStep

    return StreamingBranch(branch, TorchStep(bundle, branch, config, plugins=plugins))
