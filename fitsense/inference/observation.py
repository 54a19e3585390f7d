"""Observations: inputs of branches that are computed from pictures, or from the poses of the person in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import BundleError, PluginError
from fitsense.inference.base import EVIDENCE, BranchRunner, check_batch
from fitsense.inference.person_tracking import follow_person
from fitsense.inference.pose_estimator import LoadedPoseEstimator, load_pose_estimator
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, WeightsRef
from fitsense.types import FloatArray, UInt8Array

Observer = Callable[[UInt8Array], FloatArray]
Evidence = Callable[[FloatArray], FloatArray]
"""Function from observations to the share of each clip that shows what the branch looks for, float32 (clips,)."""


class ObservedBranch:
    """A branch on pictures whose graph takes observations."""

    def __init__(self, branch: BranchEntry, observe: Observer, run: BranchRunner, evidence: Evidence | None) -> None:
        self._branch = branch
        self._observe = observe
        self._run = run
        self._evidence = evidence

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        check_batch(clips, f"clip of {self._branch.name}", self._branch.clip.shape, "uint8")
        return self._outputs(self._observe(clips))

    def _outputs(self, observations: FloatArray) -> Mapping[str, FloatArray]:
        outputs = self._run(observations)
        return outputs if self._evidence is None else {**outputs, EVIDENCE: self._evidence(observations)}


class PoseBranch(ObservedBranch):
    """A branch whose graph takes observations of poses; also runs on pictures, in which it finds the poses first."""

    def __init__(
        self, branch: BranchEntry, observer: PoseObserver, run: BranchRunner, evidence: Evidence | None
    ) -> None:
        super().__init__(branch, observer, run, evidence)
        self._observer = observer

    @property
    def estimator(self) -> LoadedPoseEstimator:
        """The estimator whose poses it takes."""
        return self._observer.estimator

    def run_on_poses(self, poses: FloatArray) -> Mapping[str, FloatArray]:
        """Run a batch of poses, float32 (clips, frames, landmarks, 6), see :class:`ObservationSpec`."""
        shape = (self._branch.clip.frames, len(self.estimator.landmark_set), 6)
        check_batch(poses, f"poses of {self._branch.name}", shape, "float32")
        return self._outputs(self._observer.from_poses(poses))


class PoseObserver:
    """Computes observations of clips from the poses of the person in them.

    :param rate_hz: frames a second of the clips.
    :param from_poses: function of poses, see :class:`ObservationSpec`.
    """

    def __init__(
        self, estimator: LoadedPoseEstimator, rate_hz: float, from_poses: Callable[[FloatArray], FloatArray]
    ) -> None:
        self.estimator = estimator
        self.from_poses = from_poses
        self._rate_hz = rate_hz

    def __call__(self, clips: UInt8Array) -> FloatArray:
        poses = np.empty((*clips.shape[:2], len(self.estimator.landmark_set), 6), np.float32)
        for into, clip in zip(poses, clips, strict=True):
            into[:] = follow_person(self.estimator, clip, self._rate_hz)
        return self.from_poses(poses)


def load_observer(
    branch: BranchEntry,
    plugins: PluginManager,
    threads: int | None = None,
    *,
    estimator: LoadedPoseEstimator | None = None,
) -> Observer:
    """Load the function that computes a branch's observations, from uint8 (clips, frames, size, size, 3) to float32
    (clips, *shape).

    :param estimator: the pose estimator of a branch on poses, where it is loaded already.
    :returns: for a branch on poses, a :class:`PoseObserver`.
    :raises WeightsError: it needs third-party files that cannot be fetched.
    """
    from fitsense.bundles.first_use import asset_files

    spec = plugins.backbone(branch.backbone)
    if spec.observation is None or branch.observation is None:
        raise PluginError(f"backbone {branch.backbone} looks at pictures, so that it has no observations")
    offered = {name: ref.sha256 for name, ref in observation_assets(spec, plugins).items()}
    if offered != dict(branch.observation.assets):
        raise BundleError(
            f"branch {branch.name} was trained with other files than {branch.backbone} uses now: expected "
            f"{dict(branch.observation.assets)}, got {offered}"
        )
    config = config_from_json(spec.config, branch.config, branch.backbone)
    if (from_poses := spec.observation.from_poses) is not None:
        estimator = estimator or load_pose_estimator(spec.observation.pose_estimator, plugins, threads=threads)
        return PoseObserver(estimator, branch.clip.rate_hz, lambda poses: from_poses(config, poses))
    assert spec.observation.load is not None
    return spec.observation.load(config, asset_files(spec.assets, plugins), threads)


def load_evidence(branch: BranchEntry, plugins: PluginManager) -> Evidence | None:
    """The function that says how much of a clip a branch's observations show; None if they show all of each clip."""
    spec = plugins.backbone(branch.backbone)
    if spec.observation is None or (evidence := spec.observation.evidence) is None:
        return None
    config = config_from_json(spec.config, branch.config, branch.backbone)
    return lambda observations: evidence(config, observations)


def observation_assets(spec: BackboneSpec, plugins: PluginManager) -> Mapping[str, WeightsRef]:
    """Third-party files that a backbone's observations depend on, by name: its own and those of its pose estimator."""
    if spec.observation is None or not spec.observation.pose_estimator:
        return spec.assets
    return {**plugins.pose_estimator(spec.observation.pose_estimator).assets, **spec.assets}
