"""Public namespace for plugin authors: hooks, specs and the plugin host."""

from __future__ import annotations

from fitsense._internal.compile_cache import compiled
from fitsense._internal.openvino_core import openvino_core
from fitsense.plugins._manager import PluginManager
from fitsense.plugins._observers import ObserverReply
from fitsense.plugins._report import PluginReport
from fitsense.plugins.hookspecs import hookimpl
from fitsense.plugins.specs import (
    API_VERSION,
    BackboneSpec,
    Cascade,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadExamples,
    HeadSpec,
    HeadTeaching,
    LabelExamples,
    LandmarkSpec,
    ObservationSpec,
    PluginEvent,
    PluginInfo,
    PoseEstimator,
    PoseEstimatorSpec,
    Sink,
    SinkSpec,
    StreamingSpec,
    WeightsRef,
)
from fitsense.plugins.tasks import EXERCISE, MUSCLES, TaskSpec
from fitsense.types import CustomActivation

__all__ = [
    "API_VERSION",
    "EXERCISE",
    "MUSCLES",
    "BackboneSpec",
    "Cascade",
    "CustomActivation",
    "DerivedHeadSpec",
    "DetectorSpec",
    "EventSchema",
    "FusionSpec",
    "HeadExamples",
    "HeadSpec",
    "HeadTeaching",
    "LabelExamples",
    "LandmarkSpec",
    "ObservationSpec",
    "ObserverReply",
    "PluginEvent",
    "PluginInfo",
    "PluginManager",
    "PluginReport",
    "PoseEstimator",
    "PoseEstimatorSpec",
    "Sink",
    "SinkSpec",
    "StreamingSpec",
    "TaskSpec",
    "WeightsRef",
    "compiled",
    "hookimpl",
    "openvino_core",
]
