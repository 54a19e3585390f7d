"""fitsense: exercises and muscle activation from video, as a stream of events.

Public names are resolved when they are first used, so that importing fitsense stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitsense.analysis import analyze as analyze
    from fitsense.bundle import Bundle as Bundle
    from fitsense.catalogue import Catalogue as Catalogue
    from fitsense.catalogue import Exercise as Exercise
    from fitsense.catalogue import MuscleGroup as MuscleGroup
    from fitsense.catalogue import load_catalogue as load_catalogue
    from fitsense.decisions import DecisionConfig as DecisionConfig
    from fitsense.errors import AmbiguousNameError as AmbiguousNameError
    from fitsense.errors import BundleError as BundleError
    from fitsense.errors import DeliveryError as DeliveryError
    from fitsense.errors import FitsenseError as FitsenseError
    from fitsense.errors import InvalidInputError as InvalidInputError
    from fitsense.errors import MissingExtraError as MissingExtraError
    from fitsense.errors import PluginError as PluginError
    from fitsense.errors import SchemaError as SchemaError
    from fitsense.errors import SourceError as SourceError
    from fitsense.errors import UnknownNameError as UnknownNameError
    from fitsense.errors import WeightsError as WeightsError
    from fitsense.events import Event as Event
    from fitsense.following import Detection as Detection
    from fitsense.following import FollowingConfig as FollowingConfig
    from fitsense.hookspecs import API_VERSION as API_VERSION
    from fitsense.hookspecs import BackboneSpec as BackboneSpec
    from fitsense.hookspecs import Cascade as Cascade
    from fitsense.hookspecs import DerivedHeadSpec as DerivedHeadSpec
    from fitsense.hookspecs import DetectorSpec as DetectorSpec
    from fitsense.hookspecs import EventSchema as EventSchema
    from fitsense.hookspecs import FusionSpec as FusionSpec
    from fitsense.hookspecs import HeadSpec as HeadSpec
    from fitsense.hookspecs import ObservationSpec as ObservationSpec
    from fitsense.hookspecs import PluginInfo as PluginInfo
    from fitsense.hookspecs import Sink as Sink
    from fitsense.hookspecs import SinkSpec as SinkSpec
    from fitsense.hookspecs import StreamingSpec as StreamingSpec
    from fitsense.hookspecs import WeightsRef as WeightsRef
    from fitsense.hookspecs import hookimpl as hookimpl
    from fitsense.landmarks import BODY_LANDMARKS as BODY_LANDMARKS
    from fitsense.landmarks import BODY_STATISTICS as BODY_STATISTICS
    from fitsense.landmarks import body_statistics as body_statistics
    from fitsense.landmarks import mirrored_bodies as mirrored_bodies
    from fitsense.landmarks import varied_bodies as varied_bodies
    from fitsense.model import Model as Model
    from fitsense.model import load_model as load_model
    from fitsense.multisession import MultiSession as MultiSession
    from fitsense.networks import clip_normaliser as clip_normaliser
    from fitsense.networks import pytorchvideo_models as pytorchvideo_models
    from fitsense.plugins import PluginReport as PluginReport
    from fitsense.plugins import Plugins as Plugins
    from fitsense.regions import Region as Region
    from fitsense.runtime.core import openvino_core as openvino_core
    from fitsense.session import Session as Session
    from fitsense.session import SessionConfig as SessionConfig
    from fitsense.sinks import Delivery as Delivery
    from fitsense.sinks import DeliveryConfig as DeliveryConfig
    from fitsense.sinks import DeliveryCounts as DeliveryCounts
    from fitsense.sinks import open_sink as open_sink
    from fitsense.streams import Streams as Streams
    from fitsense.types import Clip as Clip
    from fitsense.types import ClipSpec as ClipSpec
    from fitsense.types import Frame as Frame
    from fitsense.types import Prediction as Prediction
    from fitsense.types import Scores as Scores
    from fitsense.types import activate as activate
    from fitsense.types import deactivate as deactivate
    from fitsense.video.live import LiveConfig as LiveConfig
    from fitsense.watching import watch as watch

__version__ = "0.1.0"

# The module of each public name; a test holds it to the imports above.
_HOMES = {
    "analysis": ("analyze",),
    "bundle": ("Bundle",),
    "catalogue": ("Catalogue", "Exercise", "MuscleGroup", "load_catalogue"),
    "decisions": ("DecisionConfig",),
    "errors": (
        "AmbiguousNameError",
        "BundleError",
        "DeliveryError",
        "FitsenseError",
        "InvalidInputError",
        "MissingExtraError",
        "PluginError",
        "SchemaError",
        "SourceError",
        "UnknownNameError",
        "WeightsError",
    ),
    "events": ("Event",),
    "following": ("Detection", "FollowingConfig"),
    "hookspecs": (
        "API_VERSION",
        "BackboneSpec",
        "Cascade",
        "DerivedHeadSpec",
        "DetectorSpec",
        "EventSchema",
        "FusionSpec",
        "HeadSpec",
        "ObservationSpec",
        "PluginInfo",
        "Sink",
        "SinkSpec",
        "StreamingSpec",
        "WeightsRef",
        "hookimpl",
    ),
    "landmarks": ("BODY_LANDMARKS", "BODY_STATISTICS", "body_statistics", "mirrored_bodies", "varied_bodies"),
    "model": ("Model", "load_model"),
    "multisession": ("MultiSession",),
    "networks": ("clip_normaliser", "pytorchvideo_models"),
    "plugins": ("PluginReport", "Plugins"),
    "regions": ("Region",),
    "runtime.core": ("openvino_core",),
    "session": ("Session", "SessionConfig"),
    "sinks": ("Delivery", "DeliveryConfig", "DeliveryCounts", "open_sink"),
    "streams": ("Streams",),
    "types": ("Clip", "ClipSpec", "Frame", "Prediction", "Scores", "activate", "deactivate"),
    "video.live": ("LiveConfig",),
    "watching": ("watch",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"fitsense.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'fitsense' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
