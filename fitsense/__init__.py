"""fitsense: exercises and muscle activation from video, as a stream of events.

Public names are imported on first use, so that importing fitsense is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitsense import client as client
    from fitsense import coach as coach
    from fitsense import nn as nn
    from fitsense import plugins as plugins
    from fitsense._internal.backoff import BackoffConfig as BackoffConfig
    from fitsense._internal.progress import ProgressBar as ProgressBar
    from fitsense.bundles.bundle import Bundle as Bundle
    from fitsense.bundles.manifest import BranchEntry as BranchEntry
    from fitsense.bundles.manifest import Calibration as Calibration
    from fitsense.bundles.manifest import DerivedEntry as DerivedEntry
    from fitsense.bundles.manifest import FileEntry as FileEntry
    from fitsense.bundles.manifest import FusionEntry as FusionEntry
    from fitsense.bundles.manifest import HeadEntry as HeadEntry
    from fitsense.bundles.manifest import Labels as Labels
    from fitsense.bundles.manifest import Manifest as Manifest
    from fitsense.bundles.manifest import ObservationEntry as ObservationEntry
    from fitsense.bundles.manifest import StreamEntry as StreamEntry
    from fitsense.bundles.manifest import TaskEntry as TaskEntry
    from fitsense.bundles.manifest import TaughtEntry as TaughtEntry
    from fitsense.bundles.manifest import TeachingEntry as TeachingEntry
    from fitsense.camera.framing import FramingConfig as FramingConfig
    from fitsense.camera.monitor import CameraConfig as CameraConfig
    from fitsense.camera.monitor import CameraWarning as CameraWarning
    from fitsense.catalogue import Catalogue as Catalogue
    from fitsense.catalogue import Exercise as Exercise
    from fitsense.catalogue import MuscleGroup as MuscleGroup
    from fitsense.catalogue import load_catalogue as load_catalogue
    from fitsense.data.manifest import Skipped as Skipped
    from fitsense.decisions.config import DecisionConfig as DecisionConfig
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
    from fitsense.events.log import EventLog as EventLog
    from fitsense.events.model import Event as Event
    from fitsense.events.model import EventData as EventData
    from fitsense.events.model import ExerciseEnded as ExerciseEnded
    from fitsense.events.model import ExerciseStarted as ExerciseStarted
    from fitsense.events.model import ExerciseTotal as ExerciseTotal
    from fitsense.events.model import ExerciseUpdated as ExerciseUpdated
    from fitsense.events.model import ModelInfo as ModelInfo
    from fitsense.events.model import MusclesActivated as MusclesActivated
    from fitsense.events.model import PersonBox as PersonBox
    from fitsense.events.model import PersonEntered as PersonEntered
    from fitsense.events.model import PersonLeft as PersonLeft
    from fitsense.events.model import RepetitionCompleted as RepetitionCompleted
    from fitsense.events.model import RepetitionPhases as RepetitionPhases
    from fitsense.events.model import SessionEnded as SessionEnded
    from fitsense.events.model import SessionProgress as SessionProgress
    from fitsense.events.model import SessionStarted as SessionStarted
    from fitsense.events.model import SessionUpdated as SessionUpdated
    from fitsense.events.model import SessionWarning as SessionWarning
    from fitsense.events.model import SetSummary as SetSummary
    from fitsense.events.plugin_data import PluginData as PluginData
    from fitsense.expectation import Expectation as Expectation
    from fitsense.geometry import Detection as Detection
    from fitsense.geometry import Region as Region
    from fitsense.inference.config import RuntimeOptions as RuntimeOptions
    from fitsense.inference.detector import load_detector as load_detector
    from fitsense.inference.model import Model as Model
    from fitsense.inference.model import load_model as load_model
    from fitsense.inference.people import load_people as load_people
    from fitsense.inference.pose_estimator import LoadedPoseEstimator as LoadedPoseEstimator
    from fitsense.inference.streaming import StepRunner as StepRunner
    from fitsense.inference.streaming import StreamingBranch as StreamingBranch
    from fitsense.pipeline.analysis import Analysis as Analysis
    from fitsense.pipeline.analysis import analyze as analyze
    from fitsense.pipeline.asynchronous import AsyncAnalysis as AsyncAnalysis
    from fitsense.pipeline.asynchronous import analyze_async as analyze_async
    from fitsense.pipeline.options import AnalysisOptions as AnalysisOptions
    from fitsense.pipeline.source_group import SourceGroup as SourceGroup
    from fitsense.plugins._manager import PluginManager as PluginManager
    from fitsense.plugins._report import PluginReport as PluginReport
    from fitsense.plugins.hookspecs import hookimpl as hookimpl
    from fitsense.plugins.specs import Cascade as Cascade
    from fitsense.pose.landmarks import BodyDetection as BodyDetection
    from fitsense.pose.landmarks import BodyRegion as BodyRegion
    from fitsense.pose.landmarks import LandmarkSet as LandmarkSet
    from fitsense.pose.landmarks import Pose as Pose
    from fitsense.pose.recording import PoseRecording as PoseRecording
    from fitsense.pose.recording import TimedPose as TimedPose
    from fitsense.repetitions.config import RepetitionConfig as RepetitionConfig
    from fitsense.session.config import PoseConfig as PoseConfig
    from fitsense.session.config import SessionConfig as SessionConfig
    from fitsense.session.emitter import Emitter as Emitter
    from fitsense.session.multi import MultiSession as MultiSession
    from fitsense.session.multi import PendingFrames as PendingFrames
    from fitsense.session.pending import PendingFrame as PendingFrame
    from fitsense.session.session import Session as Session
    from fitsense.session.tracked import TrackedSession as TrackedSession
    from fitsense.sinks.delivery import Delivery as Delivery
    from fitsense.sinks.delivery import DeliveryConfig as DeliveryConfig
    from fitsense.sinks.outbox import DeliveryCounts as DeliveryCounts
    from fitsense.sinks.settings import open_sink as open_sink
    from fitsense.tabular.tables import Tables as Tables
    from fitsense.tabular.tables import tables as tables
    from fitsense.teaching.run import Teaching as Teaching
    from fitsense.teaching.run import teach as teach
    from fitsense.tracking import TrackerConfig as TrackerConfig
    from fitsense.types import Clip as Clip
    from fitsense.types import ClipSpec as ClipSpec
    from fitsense.types import Frame as Frame
    from fitsense.types import Prediction as Prediction
    from fitsense.types import Scores as Scores
    from fitsense.types import to_logits as to_logits
    from fitsense.types import to_probabilities as to_probabilities
    from fitsense.video.live import LiveConfig as LiveConfig
    from fitsense.windowing.frame_clock import ClockReset as ClockReset
    from fitsense.windowing.frame_clock import Gap as Gap
    from fitsense.windowing.frame_clock import LateFrame as LateFrame
    from fitsense.windowing.sampler import RunEnd as RunEnd
    from fitsense.windowing.sampler import Window as Window
    from fitsense.windowing.stream_state import NewFrames as NewFrames
    from fitsense.windowing.stream_state import StreamProgress as StreamProgress
    from fitsense.windowing.stream_state import StreamState as StreamState

__version__ = "0.1.0"

# Public packages: for users of the server and for coaching, and for plugin authors.
_PACKAGES = ("client", "coach", "nn", "plugins")

# Public names by module; a test compares them with the imports above.
_HOMES = {
    "_internal.backoff": ("BackoffConfig",),
    "_internal.progress": ("ProgressBar",),
    "bundles.bundle": ("Bundle",),
    "bundles.manifest": (
        "BranchEntry",
        "Calibration",
        "DerivedEntry",
        "FileEntry",
        "FusionEntry",
        "HeadEntry",
        "Labels",
        "Manifest",
        "ObservationEntry",
        "StreamEntry",
        "TaskEntry",
        "TaughtEntry",
        "TeachingEntry",
    ),
    "camera.framing": ("FramingConfig",),
    "camera.monitor": ("CameraConfig", "CameraWarning"),
    "catalogue": ("Catalogue", "Exercise", "MuscleGroup", "load_catalogue"),
    "data.manifest": ("Skipped",),
    "decisions.config": ("DecisionConfig",),
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
    "events.log": ("EventLog",),
    "events.model": (
        "Event",
        "EventData",
        "ExerciseEnded",
        "ExerciseStarted",
        "ExerciseTotal",
        "ExerciseUpdated",
        "ModelInfo",
        "MusclesActivated",
        "PersonBox",
        "PersonEntered",
        "PersonLeft",
        "RepetitionCompleted",
        "RepetitionPhases",
        "SessionEnded",
        "SessionProgress",
        "SessionStarted",
        "SessionUpdated",
        "SessionWarning",
        "SetSummary",
    ),
    "events.plugin_data": ("PluginData",),
    "expectation": ("Expectation",),
    "geometry": ("Detection", "Region"),
    "inference.config": ("RuntimeOptions",),
    "inference.detector": ("load_detector",),
    "inference.model": ("Model", "load_model"),
    "inference.people": ("load_people",),
    "inference.pose_estimator": ("LoadedPoseEstimator",),
    "inference.streaming": ("StepRunner", "StreamingBranch"),
    "pipeline.analysis": ("Analysis", "analyze"),
    "pipeline.asynchronous": ("AsyncAnalysis", "analyze_async"),
    "pipeline.options": ("AnalysisOptions",),
    "pipeline.source_group": ("SourceGroup",),
    "plugins._manager": ("PluginManager",),
    "plugins._report": ("PluginReport",),
    "plugins.hookspecs": ("hookimpl",),
    "plugins.specs": ("Cascade",),
    "repetitions.config": ("RepetitionConfig",),
    "pose.landmarks": (
        "BodyDetection",
        "BodyRegion",
        "LandmarkSet",
        "Pose",
    ),
    "pose.recording": ("PoseRecording", "TimedPose"),
    "session.config": ("PoseConfig", "SessionConfig"),
    "session.emitter": ("Emitter",),
    "session.multi": ("MultiSession", "PendingFrames"),
    "session.pending": ("PendingFrame",),
    "session.session": ("Session",),
    "session.tracked": ("TrackedSession",),
    "sinks.delivery": ("Delivery", "DeliveryConfig"),
    "sinks.outbox": ("DeliveryCounts",),
    "sinks.settings": ("open_sink",),
    "tabular.tables": ("Tables", "tables"),
    "teaching.run": ("Teaching", "teach"),
    "tracking": ("TrackerConfig",),
    "types": ("Clip", "ClipSpec", "Frame", "Prediction", "Scores", "to_logits", "to_probabilities"),
    "video.live": ("LiveConfig",),
    "windowing.frame_clock": ("ClockReset", "Gap", "LateFrame"),
    "windowing.sampler": ("RunEnd", "Window"),
    "windowing.stream_state": ("NewFrames", "StreamProgress", "StreamState"),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"fitsense.{name}")
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"fitsense.{home}"), name)
            globals()[name] = value
            return value
    hint = ""
    # Programs ask for private names to find out what an object is.
    if not name.startswith("_"):
        from fitsense._internal.suggestions import suggestion

        hint = suggestion(name, [*__all__, *_PACKAGES])
    raise AttributeError(f"module 'fitsense' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
