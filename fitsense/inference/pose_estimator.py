"""A plugin's pose estimator, ready to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import Manifest
from fitsense.errors import BundleError, InvalidInputError, PluginError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import PoseEstimator
from fitsense.pose.landmarks import BodyDetection, BodyRegion, LandmarkSet, Pose
from fitsense.types import UInt8Array


class LoadedPoseEstimator:
    """An estimator whose answers are checked; from :func:`load_pose_estimator`.

    :param name: its full name, such as ``pose/blazepose``.
    :param landmark_set: the landmarks that it finds.
    """

    def __init__(self, name: str, landmark_set: LandmarkSet, estimator: PoseEstimator) -> None:
        self.name = name
        self.landmark_set = landmark_set
        self._estimator = estimator

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        """See :meth:`fitsense.plugins.PoseEstimator.detect`.

        :raises PluginError: the plugin gave something else.
        """
        found = tuple(self._estimator.detect(picture))
        for one in found:
            if not isinstance(one, BodyDetection):
                raise PluginError(f"{self.name}: expected detect to give BodyDetection, got {type(one).__name__}")
        return found

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        """See :meth:`fitsense.plugins.PoseEstimator.estimate`.

        :raises InvalidInputError: there are not as many pictures as regions.
        :raises PluginError: the plugin gave something else.
        """
        if len(pictures) != len(regions):
            raise InvalidInputError(
                f"estimate: expected a picture for each of {len(regions)} regions, got {len(pictures)}"
            )
        if not regions:
            return ()
        poses = tuple(self._estimator.estimate(pictures, regions))
        if len(poses) != len(regions):
            raise PluginError(f"{self.name}: expected estimate to give {len(regions)} poses, got {len(poses)}")
        for pose in poses:
            if pose is None:
                continue
            if not isinstance(pose, Pose):
                raise PluginError(f"{self.name}: expected estimate to give Pose or None, got {type(pose).__name__}")
            if len(pose.landmarks) != len(self.landmark_set):
                raise PluginError(
                    f"{self.name}: expected {len(self.landmark_set)} landmarks, as its landmark set has, "
                    f"got {len(pose.landmarks)}"
                )
        return poses


def landmark_estimator(manifest: Manifest, plugins: PluginManager) -> str | None:
    """Full name of the pose estimator whose landmarks branches of a bundle take; None if no branch takes any.

    Branches that see a square around the person may take those of any estimator, if only one is offered.

    :raises BundleError: branches take the landmarks of different estimators.
    """
    names: dict[str, str] = {}
    for branch in manifest.branches:
        observation = plugins.backbone(branch.backbone).observation if branch.observation else None
        if observation is not None and observation.pose_estimator:
            names[branch.name] = observation.pose_estimator
    if len(set(names.values())) > 1:
        wanted = ", ".join(f"{branch} takes those of {name}" for branch, name in names.items())
        raise BundleError(f"{manifest.name}: expected the landmarks of one pose estimator for all branches: {wanted}")
    offered = list(plugins.pose_estimators())
    if not names and len(offered) == 1 and any(branch.clip.fit == "person" for branch in manifest.branches):
        return offered[0]
    return next(iter(names.values()), None)


def load_pose_estimator(
    name: str,
    plugins: PluginManager | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> LoadedPoseEstimator:
    """Load an estimator of body landmarks in pictures.

    :param name: name of the estimator, in full (``pose/blazepose``) or, if it is unique, in short.
    :param plugins: None for the installed ones.
    :param config: fields of the estimator's configuration that differ from its defaults.
    :param threads: CPU threads; None for all cores.
    :raises UnknownNameError: no plugin provides the estimator.
    :raises WeightsError: the estimator needs third-party files that cannot be fetched.
    """
    from fitsense.bundles.first_use import asset_files

    plugins = plugins or PluginManager.discover()
    name = plugins.full_name("pose estimator", name)
    spec = plugins.pose_estimator(name)
    settings = config_from_json(spec.config, config or {}, name)
    files = asset_files(spec.assets, plugins)
    return LoadedPoseEstimator(name, spec.landmark_set, spec.load(settings, files, threads))


class PoseEstimators:
    """Loads pose estimators once, for all sessions of a model.

    :param plugins: plugins that provide the estimators.
    :param threads: CPU threads; None for one: another core decodes meanwhile, so that more threads save a session no
        time, and cost it CPU time.
    """

    def __init__(self, plugins: PluginManager, threads: int | None) -> None:
        self._plugins = plugins
        self._threads = threads
        self._loaded: dict[str, LoadedPoseEstimator] = {}

    def load(self, name: str) -> LoadedPoseEstimator:
        """Load a pose estimator, or return the one that is loaded.

        :param name: its name, such as ``pose/blazepose``.
        :raises UnknownNameError: no plugin offers it.
        :raises WeightsError: it needs third-party files that cannot be fetched.
        """
        if name not in self._loaded:
            self._loaded[name] = load_pose_estimator(name, self._plugins, threads=self._threads or 1)
        return self._loaded[name]
