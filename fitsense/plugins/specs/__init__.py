"""Specs: the contributions that hooks return, one module for each kind.

Specs contain callables. A callable that needs torch imports it in its body, so that registering a plugin is fast.
"""

from __future__ import annotations

from fitsense.plugins.specs.backbone import BackboneSpec, LandmarkSpec, ObservationSpec, StreamingSpec
from fitsense.plugins.specs.detector import DetectorSpec
from fitsense.plugins.specs.event import EventSchema, PluginEvent
from fitsense.plugins.specs.fusion import Cascade, FusionSpec
from fitsense.plugins.specs.head import DerivedHeadSpec, HeadExamples, HeadSpec
from fitsense.plugins.specs.info import API_VERSION, PluginInfo
from fitsense.plugins.specs.pose_estimator import PoseEstimator, PoseEstimatorSpec
from fitsense.plugins.specs.sink import Sink, SinkSpec
from fitsense.plugins.specs.weights import WeightsRef

__all__ = [
    "API_VERSION",
    "BackboneSpec",
    "Cascade",
    "DerivedHeadSpec",
    "DetectorSpec",
    "EventSchema",
    "FusionSpec",
    "HeadExamples",
    "HeadSpec",
    "LandmarkSpec",
    "ObservationSpec",
    "PluginEvent",
    "PluginInfo",
    "PoseEstimator",
    "PoseEstimatorSpec",
    "Sink",
    "SinkSpec",
    "StreamingSpec",
    "WeightsRef",
]
