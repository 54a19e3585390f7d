"""fitsense: exercises and muscle activation from video, as a stream of events.

Public names are resolved when they are first used, so that importing fitsense stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitsense.analysis import Analysis as Analysis
    from fitsense.analysis import analyze as analyze
    from fitsense.bundle import BranchEntry as BranchEntry
    from fitsense.bundle import Bundle as Bundle
    from fitsense.bundle import Calibration as Calibration
    from fitsense.bundle import DerivedEntry as DerivedEntry
    from fitsense.bundle import FileEntry as FileEntry
    from fitsense.bundle import FusionEntry as FusionEntry
    from fitsense.bundle import HeadEntry as HeadEntry
    from fitsense.bundle import Labels as Labels
    from fitsense.bundle import Manifest as Manifest
    from fitsense.bundle import ObservationEntry as ObservationEntry
    from fitsense.bundle import StreamEntry as StreamEntry
    from fitsense.catalogue import Catalogue as Catalogue
    from fitsense.catalogue import Exercise as Exercise
    from fitsense.catalogue import MuscleGroup as MuscleGroup
    from fitsense.catalogue import load_catalogue as load_catalogue
    from fitsense.decisions import DecisionConfig as DecisionConfig
    from fitsense.emitter import Emitter as Emitter
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
    from fitsense.events import ExerciseEnded as ExerciseEnded
    from fitsense.events import ExerciseStarted as ExerciseStarted
    from fitsense.events import ExerciseTotal as ExerciseTotal
    from fitsense.events import ExerciseUpdated as ExerciseUpdated
    from fitsense.events import ModelInfo as ModelInfo
    from fitsense.events import MusclesActivated as MusclesActivated
    from fitsense.events import RepetitionCompleted as RepetitionCompleted
    from fitsense.events import SessionEnded as SessionEnded
    from fitsense.events import SessionStarted as SessionStarted
    from fitsense.events import SessionWarning as SessionWarning
    from fitsense.events import SetSummary as SetSummary
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
    from fitsense.multisession import MultiSeen as MultiSeen
    from fitsense.multisession import MultiSession as MultiSession
    from fitsense.networks import clip_normaliser as clip_normaliser
    from fitsense.networks import pytorchvideo_models as pytorchvideo_models
    from fitsense.people import PeopleSession as PeopleSession
    from fitsense.plugins import PluginReport as PluginReport
    from fitsense.plugins import Plugins as Plugins
    from fitsense.regions import Region as Region
    from fitsense.repetitions import RepetitionConfig as RepetitionConfig
    from fitsense.runtime.core import openvino_core as openvino_core
    from fitsense.runtime.detection import load_detector as load_detector
    from fitsense.runtime.streaming import StepRunner as StepRunner
    from fitsense.runtime.streaming import Stream as Stream
    from fitsense.scene import Notice as Notice
    from fitsense.scene import SceneConfig as SceneConfig
    from fitsense.session import Seen as Seen
    from fitsense.session import Session as Session
    from fitsense.session import SessionConfig as SessionConfig
    from fitsense.sinks import Delivery as Delivery
    from fitsense.sinks import DeliveryConfig as DeliveryConfig
    from fitsense.sinks import DeliveryCounts as DeliveryCounts
    from fitsense.sinks import open_sink as open_sink
    from fitsense.streaming import StreamRun as StreamRun
    from fitsense.streaming import StreamState as StreamState
    from fitsense.streaming import Stretch as Stretch
    from fitsense.streams import StreamOptions as StreamOptions
    from fitsense.streams import Streams as Streams
    from fitsense.types import Clip as Clip
    from fitsense.types import ClipSpec as ClipSpec
    from fitsense.types import Frame as Frame
    from fitsense.types import Prediction as Prediction
    from fitsense.types import Scores as Scores
    from fitsense.types import activate as activate
    from fitsense.types import deactivate as deactivate
    from fitsense.video.live import LiveConfig as LiveConfig
    from fitsense.watching import Watch as Watch
    from fitsense.watching import watch as watch
    from fitsense.windows import ClockReset as ClockReset
    from fitsense.windows import Gap as Gap
    from fitsense.windows import LateFrame as LateFrame
    from fitsense.windows import RunEnd as RunEnd
    from fitsense.windows import Window as Window

__version__ = "0.1.0"

# The module of each public name; a test holds it to the imports above.
_HOMES = {
    "analysis": ("Analysis", "analyze"),
    "bundle": (
        "BranchEntry",
        "Bundle",
        "Calibration",
        "DerivedEntry",
        "FileEntry",
        "FusionEntry",
        "HeadEntry",
        "Labels",
        "Manifest",
        "ObservationEntry",
        "StreamEntry",
    ),
    "catalogue": ("Catalogue", "Exercise", "MuscleGroup", "load_catalogue"),
    "decisions": ("DecisionConfig",),
    "emitter": ("Emitter",),
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
    "events": (
        "Event",
        "ExerciseEnded",
        "ExerciseStarted",
        "ExerciseTotal",
        "ExerciseUpdated",
        "ModelInfo",
        "MusclesActivated",
        "RepetitionCompleted",
        "SessionEnded",
        "SessionStarted",
        "SessionWarning",
        "SetSummary",
    ),
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
    "multisession": ("MultiSeen", "MultiSession"),
    "networks": ("clip_normaliser", "pytorchvideo_models"),
    "people": ("PeopleSession",),
    "plugins": ("PluginReport", "Plugins"),
    "regions": ("Region",),
    "repetitions": ("RepetitionConfig",),
    "runtime.core": ("openvino_core",),
    "runtime.detection": ("load_detector",),
    "runtime.streaming": ("StepRunner", "Stream"),
    "scene": ("Notice", "SceneConfig"),
    "session": ("Seen", "Session", "SessionConfig"),
    "sinks": ("Delivery", "DeliveryConfig", "DeliveryCounts", "open_sink"),
    "streaming": ("StreamRun", "StreamState", "Stretch"),
    "streams": ("StreamOptions", "Streams"),
    "types": ("Clip", "ClipSpec", "Frame", "Prediction", "Scores", "activate", "deactivate"),
    "video.live": ("LiveConfig",),
    "watching": ("Watch", "watch"),
    "windows": ("ClockReset", "Gap", "LateFrame", "RunEnd", "Window"),
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
