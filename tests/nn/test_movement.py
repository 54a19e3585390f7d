"""Statistics of movement: their number, what they ignore, and their export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from fitsense.bundles.bundle import save
from fitsense.bundles.manifest import (
    BranchEntry,
    Calibration,
    FusionEntry,
    HeadEntry,
    Labels,
    Manifest,
    ObservationEntry,
)
from fitsense.export.onnx import export_branch
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_graph
from fitsense.nn.branch import join
from fitsense.nn.landmarks import LANDMARKS, NUM_FEATURES, landmark_features, window_statistics
from fitsense.nn.movement import (
    NUM_MOVEMENT_FEATURES,
    NUM_MOVEMENT_SIGNALS,
    movement_features,
    movement_signals,
)
from fitsense_heads import discriminant, network
from fitsense_heads.discriminant import DiscriminantConfig
from fitsense_heads.network import NetworkConfig
from fitsense_pose.config import PoseConfig
from fitsense_pose.network import build
from tests.nn.test_landmarks import bodies


@pytest.mark.parametrize("frames", [2, 7, 16])
def test_movement_features_have_the_stated_number_and_are_finite(frames: int) -> None:
    found = movement_features(bodies(0, frames=frames))
    assert found.shape == (2, NUM_MOVEMENT_FEATURES)
    assert found.isfinite().all()


def test_movement_features_begin_with_the_landmark_features() -> None:
    one = bodies(1)
    torch.testing.assert_close(movement_features(one)[:, :NUM_FEATURES], landmark_features(one))


@pytest.mark.parametrize("frames", [2, 16])
def test_movement_signals_are_those_that_the_statistics_are_of(frames: int) -> None:
    one = bodies(2, frames=frames)
    signals = movement_signals(one)
    assert signals.shape == (len(one), frames, NUM_MOVEMENT_SIGNALS)
    described = NUM_FEATURES // 5
    torch.testing.assert_close(window_statistics(signals[:, :, :described]), landmark_features(one))


def test_movement_features_of_nobody_are_nearly_zero() -> None:
    assert movement_features(torch.zeros(1, 5, len(LANDMARKS), 6)).abs().max() <= 1e-3 + 1e-6


def test_turned_places_do_not_depend_on_the_heading() -> None:
    one = bodies(3)
    turn = torch.tensor([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    other = torch.cat([one[..., :2], one[..., 2:5] @ turn.T, one[..., 5:]], dim=-1)
    # The statistics of turned places come right after the landmark features: five of two axes of each landmark.
    turned = slice(NUM_FEATURES, NUM_FEATURES + 5 * 2 * len(LANDMARKS))
    torch.testing.assert_close(
        movement_features(one)[:, turned], movement_features(other)[:, turned], atol=2e-3, rtol=2e-3
    )


# Exporting so many small steps takes long.
@pytest.mark.slow
@pytest.mark.parametrize("layer", ["none", "signals"])
def test_movement_features_by_openvino_are_those_of_torch(layer: Literal["none", "signals"], tmp_path: Path) -> None:
    config = PoseConfig(layer=layer)
    backbone = build(config)
    assert not list(backbone.parameters())
    found = torch.zeros(3, config.frames, 33, 6)
    found[:, :, list(LANDMARKS)] = bodies(4, clips=3, frames=config.frames)
    entry = BranchEntry(
        name="pose",
        backbone="pose/statistics",
        config={"layer": layer},
        clip=config.clip(),
        feature_dim=config.feature_dim(),
        graph="pose.onnx",
        weights="pose.safetensors",
        heads=(HeadEntry("exercise", "heads/discriminant", {}, "softmax"),),
        observation=ObservationEntry(config.observation(), {}),
    )
    labels = Labels(("push_up", "squat"), ("quads",))
    if layer == "none":
        head = discriminant.build(DiscriminantConfig(), config.feature_dim(), labels.exercise)
        torch.nn.init.normal_(head.get_parameter("scores.layer.weight"), std=0.01)
    else:
        # Over time, as signals are for it.
        head = network.build(NetworkConfig(hidden=16, frames=16), config.feature_dim(), labels.exercise)
        torch.nn.init.normal_(head.get_parameter("discriminant.scores.layer.weight"), std=0.1)
    module = join(backbone, {"exercise": head})
    with torch.inference_mode():
        expected = module(found)
    export_branch(module, entry, tmp_path)
    manifest = Manifest(
        "pose",
        "0",
        "MIT",
        labels,
        (entry,),
        {"exercise": FusionEntry("ensemble/weighted", {})},
        Calibration(1, 0.5, 0.5),
    )
    actual = load_graph(save(tmp_path, manifest), entry, RuntimeConfig(bf16=False))(found.numpy())
    np.testing.assert_allclose(actual["features"], expected["features"], atol=5e-3)
    # Weights are stored in float16.
    np.testing.assert_allclose(actual["exercise"], expected["exercise"], atol=2e-2)
