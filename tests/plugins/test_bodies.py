"""X3D that predicts body landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import fitsense
from fitsense.bundles.weights import load_backbone
from fitsense.nn.branch import build_backbone
from fitsense_x3d import bodies


@pytest.fixture(scope="module")
def spec() -> fitsense.plugins.BackboneSpec:
    return fitsense.PluginManager.discover().backbone("x3d/bodies")


@pytest.fixture(scope="module")
def module(spec: fitsense.plugins.BackboneSpec) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(spec, spec.config())


def clips(seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (1, 13, 160, 160, 3), dtype=np.uint8))


def test_bodies_features_follow_from_landmarks(module: torch.nn.Module) -> None:
    with torch.inference_mode():
        features, landmarks = bodies.forward_with_landmarks(module, clips())
        torch.testing.assert_close(features, module(clips()))
    assert features.shape == (1, 256)
    assert landmarks.shape == (1, 13, len(fitsense.nn.landmarks.LANDMARKS), 6)
    assert landmarks[..., :2].abs().max() <= 0.5
    assert (landmarks[..., 5] == 1).all()


def test_bodies_feature_gradient_does_not_reach_landmarks(module: torch.nn.Module) -> None:
    features, _ = bodies.forward_with_landmarks(module, clips())
    features.sum().backward()  # type: ignore[no-untyped-call]
    decoder = module.get_submodule("body.decoder")
    assert all(parameter.grad is None for parameter in decoder.parameters())
    module.zero_grad()


def test_bodies_adapt_weights_fills_stem_and_stages(spec: fitsense.plugins.BackboneSpec, tmp_path: Path) -> None:
    plain = fitsense.PluginManager.discover().backbone("x3d/s")
    torch.manual_seed(1)
    state = {
        name.removeprefix("1."): value for name, value in build_backbone(plain, plain.config()).state_dict().items()
    }
    save_file(state | {"blocks.5.proj.weight": torch.zeros(400, 2048)}, tmp_path / "zoo.safetensors")
    module = build_backbone(spec, spec.config())
    load_backbone(spec, module, tmp_path / "zoo.safetensors")
    torch.testing.assert_close(
        module.get_parameter("stages.1.res_blocks.0.branch2.conv_a.weight"),
        state["blocks.1.res_blocks.0.branch2.conv_a.weight"],
    )
    assert spec.layers is not None
    assert len(spec.layers(module)) == 6
