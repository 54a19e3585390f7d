"""Observations: inputs of branches that are computed from pictures, such as body landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import BundleError, PluginError
from fitsense.inference.base import BranchRunner, check_batch
from fitsense.plugins._manager import PluginManager
from fitsense.types import FloatArray, UInt8Array

Observer = Callable[[UInt8Array], FloatArray]


class ObservedBranch:
    """A branch on pictures whose graph takes observations."""

    def __init__(self, branch: BranchEntry, observe: Observer, run: BranchRunner) -> None:
        self._branch = branch
        self._observe = observe
        self._run = run

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_batch(clips, f"clip of {self._branch.name}", self._branch.clip.shape, "uint8")
        return self._run(self._observe(clips))


def load_observer(branch: BranchEntry, plugins: PluginManager, threads: int | None = None) -> Observer:
    """Load the function that computes a branch's observations, from uint8 (clips, frames, size, size, 3) to float32
    (clips, *shape).

    :raises WeightsError: it needs third-party files that have not been fetched.
    """
    from fitsense.bundles.weights import resolve

    spec = plugins.backbone(branch.backbone)
    if spec.observation is None or branch.observation is None:
        raise PluginError(f"backbone {branch.backbone} looks at pictures, so that it has no observations")
    offered = {name: ref.sha256 for name, ref in spec.assets.items()}
    if offered != dict(branch.observation.assets):
        raise BundleError(
            f"branch {branch.name} was trained with other files than {branch.backbone} uses now: expected "
            f"{dict(branch.observation.assets)}, got {offered}"
        )
    config = config_from_json(spec.config, branch.config, branch.backbone)
    files = {
        name: resolve(ref, plugins, fetch=False, assets_name=spec.assets_name) for name, ref in spec.assets.items()
    }
    return spec.observation.load(config, files, threads)
