"""Motion for fitsense: a backbone without a network, whose features are statistics of dense optical flow."""

from collections.abc import Iterable

from fitsense.plugins import BackboneSpec, ObservationSpec, PluginInfo, hookimpl
from fitsense_motion.config import FlowConfig
from fitsense_motion.flow import load


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="motion", version="1.0.0", summary="Optical flow, by OpenCV")


@hookimpl
def fitsense_backbones() -> Iterable[BackboneSpec]:
    yield BackboneSpec(
        name="flow",
        config=FlowConfig,
        clip=FlowConfig.clip,
        feature_dim=FlowConfig.feature_dim,
        observation=ObservationSpec(shape=FlowConfig.observation, load=load),
        paper="arXiv 1603.03590",
        summary="Statistics of dense optical flow, without a network",
    )
