"""BlazePose (arXiv 2006.10204) for fitsense: a pose estimator, a backbone on its landmarks, and a detector."""

from collections.abc import Iterable

from fitsense.plugins import BackboneSpec, DetectorSpec, ObservationSpec, PluginInfo, PoseEstimatorSpec, hookimpl
from fitsense_pose import estimator, people
from fitsense_pose.assets import ASSETS
from fitsense_pose.config import PoseConfig
from fitsense_pose.network import build
from fitsense_pose.observe import from_poses, shown
from fitsense_pose.skeleton import BLAZEPOSE_33


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="pose", version="1.0.0", summary="Landmarks of a body, by BlazePose")


@hookimpl
def fitsense_backbones() -> Iterable[BackboneSpec]:
    yield BackboneSpec(
        name="statistics",
        config=PoseConfig,
        clip=PoseConfig.clip,
        feature_dim=PoseConfig.feature_dim,
        build=build,
        observation=ObservationSpec(
            shape=PoseConfig.observation, from_poses=from_poses, pose_estimator="pose/blazepose", evidence=shown
        ),
        assets=ASSETS,
        assets_name="blazepose",
        paper="arXiv 2006.10204",
        summary="A network on statistics of BlazePose's landmarks",
    )


@hookimpl
def fitsense_detectors() -> Iterable[DetectorSpec]:
    yield DetectorSpec(
        name="people",
        config=people.PeopleConfig,
        load=people.load,
        assets={"detector": ASSETS["detector"]},
        assets_name="blazepose",
        paper="arXiv 2006.10204",
        summary="Everybody in a picture, by BlazePose's detector",
    )


@hookimpl
def fitsense_pose_estimators() -> Iterable[PoseEstimatorSpec]:
    yield PoseEstimatorSpec(
        name="blazepose",
        config=estimator.BlazePoseConfig,
        landmark_set=BLAZEPOSE_33,
        load=estimator.load,
        assets=ASSETS,
        assets_name="blazepose",
        paper="arXiv 2006.10204",
        summary="33 landmarks of each body, by BlazePose",
    )
    yield PoseEstimatorSpec(
        name="people",
        config=estimator.PeopleConfig,
        landmark_set=BLAZEPOSE_33,
        load=estimator.load,
        assets=ASSETS,
        assets_name="blazepose",
        paper="arXiv 2006.10204",
        summary="33 landmarks of each of several people, by BlazePose",
    )
