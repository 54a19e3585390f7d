"""Frames with a bright spot, an estimator that takes it for a body, and a bundle with a branch on its poses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry, Labels, ObservationEntry
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.plugins import BackboneSpec, ObservationSpec, PluginManager, PoseEstimatorSpec
from fitsense.pose.landmarks import REQUIRED
from fitsense.types import FloatArray, Frame, UInt8Array
from tests.helpers import tiny_models
from tests.testing.contracts.broken import plugin_of

TORSO = fitsense.LandmarkSet("torso", REQUIRED, [REQUIRED[:2], REQUIRED[2:]], [])
SIZE = (96, 48)
RATE_HZ = 10.0
LABELS = Labels(("no_exercise", "squat"), ("quads", "glutes"))


class BrightSpot:
    """Finds the body around the brightest pixels; nobody in a dark picture. It counts what it is asked."""

    def __init__(self) -> None:
        self.detections = 0
        self.estimates = 0

    def detect(self, picture: UInt8Array) -> Sequence[fitsense.BodyDetection]:
        self.detections += 1
        spot = _spot(picture)
        return [] if spot is None else [fitsense.BodyDetection(fitsense.BodyRegion(*spot, 0.5), 0.95)]

    def estimate(
        self, pictures: Sequence[UInt8Array], regions: Sequence[fitsense.BodyRegion]
    ) -> Sequence[fitsense.Pose | None]:
        self.estimates += len(pictures)
        return [self.pose(picture) for picture in pictures]

    def pose(self, picture: UInt8Array) -> fitsense.Pose | None:
        """The body's pose: shoulders above hips."""
        spot = _spot(picture)
        if spot is None:
            return None
        height, width, _ = picture.shape
        longer = max(height, width)
        landmarks = np.zeros((4, 6), np.float32)
        landmarks[:, 0] = spot[0] + np.array([0.05, -0.05, 0.05, -0.05]) * longer / width
        landmarks[:, 1] = spot[1] + np.array([-0.1, -0.1, 0.1, 0.1]) * longer / height
        landmarks[:, 2:5] = [[0.1, -0.5, 0], [-0.1, -0.5, 0], [0.1, 0, 0], [-0.1, 0, 0]]
        landmarks[:, 5] = 1.0
        return fitsense.Pose(landmarks, 0.99, fitsense.BodyRegion(*spot, 0.5))


def _spot(picture: UInt8Array) -> tuple[float, float] | None:
    level = picture[..., 0]
    if level.max() < 100:
        return None
    rows, columns = np.nonzero(level > 0.8 * level.max())
    return (columns.mean() + 0.5) / level.shape[1], (rows.mean() + 0.5) / level.shape[0]


def spot_frames(count: int = 60, dark: Sequence[int] = ()) -> list[Frame]:
    """A spot that moves slowly to the right; in frames that are `dark` there is none."""
    made = []
    for index in range(count):
        rgb = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        if index not in dark:
            left = 30 + index // 6
            rgb[20:28, left : left + 8] = 250
        made.append(Frame(rgb, index / RATE_HZ))
    return made


def loaded(spot: BrightSpot | None = None) -> LoadedPoseEstimator:
    return LoadedPoseEstimator("mutants/spot", TORSO, spot or BrightSpot())


@attrs.frozen
class NoConfig:
    pass


def _places(config: Any, poses: FloatArray) -> FloatArray:
    """Middle of the landmarks in the picture, and their visibility, float32 (clips, frames, 3)."""
    return np.asarray(np.nan_to_num(poses.mean(axis=2)[..., [0, 1, 5]]), dtype=np.float32)


def _shown(config: Any, places: FloatArray) -> FloatArray:
    """Share of the frames of each clip with a spot, float32 (clips,)."""
    return np.asarray((places[..., 2] > 0).mean(axis=1), dtype=np.float32)


def spot_plugins(spot: BrightSpot) -> PluginManager:
    """Plugins with the estimator ``mutants/spot`` and the backbone ``mutants/places`` on its poses."""
    config = tiny_models.TinyConfig
    backbone = BackboneSpec(
        name="places",
        config=config,
        clip=lambda config: fitsense.ClipSpec(config.frames, config.rate_hz, 48, 24, fit="pad"),
        feature_dim=config.feature_dim,
        build=tiny_models.build_observing,
        observation=ObservationSpec(
            config.observation, from_poses=_places, pose_estimator="mutants/spot", evidence=_shown
        ),
    )
    estimator = PoseEstimatorSpec("spot", NoConfig, TORSO, lambda config, files, threads: spot)
    plugins = PluginManager.discover()
    plugin = plugin_of(backbones=[backbone], pose_estimators=[estimator])
    assert plugins.register(plugin).status == "loaded"
    return plugins


def spot_bundle(folder: Path, plugins: PluginManager) -> Bundle:
    """A bundle of one untrained branch on poses, ``places``."""
    import torch

    config, spec = tiny_models.TinyConfig(), plugins.backbone("mutants/places")
    torch.manual_seed(0)
    entry = BranchEntry(
        name="places",
        backbone="mutants/places",
        config={},
        clip=spec.clip(config),
        feature_dim=config.feature_dim(),
        graph="places.onnx",
        weights="places.safetensors",
        heads=(),
        observation=ObservationEntry(config.observation(), {}),
    )
    return tiny_models.bundle_of(folder, tiny_models.build_observing(config), entry, LABELS)
