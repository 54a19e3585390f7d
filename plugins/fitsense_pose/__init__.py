"""BlazePose (arXiv 2006.10204) for fitsense: a backbone on body landmarks, and a detector of people."""

from collections.abc import Iterable

from fitsense.plugins import BackboneSpec, DetectorSpec, ObservationSpec, PluginInfo, hookimpl
from fitsense_pose import people
from fitsense_pose.assets import ASSETS
from fitsense_pose.config import PoseConfig
from fitsense_pose.network import build
from fitsense_pose.observe import load


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
        observation=ObservationSpec(shape=PoseConfig.observation, load=load),
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
