"""X3D that imagines bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from safetensors.torch import save_file

import fitsense
from fitsense.bundle import BranchEntry
from fitsense.configs import config_to_json
from fitsense.export.branch import build_backbone, join
from fitsense.export.onnx import export_branch
from fitsense.weights import load_backbone


@pytest.fixture(scope="module")
def spec() -> fitsense.BackboneSpec:
    return fitsense.Plugins.discover().backbone("x3d/bodies")


@pytest.fixture(scope="module")
def module(spec: fitsense.BackboneSpec) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(spec, spec.config())


def clips(seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (1, 13, 160, 160, 3), dtype=np.uint8))


def test_landmarks_are_in_the_crop_and_features_follow_from_them(module: torch.nn.Module) -> None:
    with torch.inference_mode():
        features, landmarks = module.imagine(clips())  # type: ignore[operator]
        torch.testing.assert_close(features, module(clips()))
    assert features.shape == (1, 256)
    assert landmarks.shape == (1, 13, len(fitsense.BODY_LANDMARKS), 6)
    assert landmarks[..., :2].abs().max() <= 0.5
    assert (landmarks[..., 5] == 1).all()


def test_what_tells_exercises_apart_does_not_move_the_joints(module: torch.nn.Module) -> None:
    features, _ = module.imagine(clips())  # type: ignore[operator]
    features.sum().backward()
    decoder = module.get_submodule("body.decoder")
    assert all(parameter.grad is None for parameter in decoder.parameters())
    module.zero_grad()


def test_published_weights_fill_stem_and_stages(spec: fitsense.BackboneSpec, tmp_path: Path) -> None:
    plain = fitsense.Plugins.discover().backbone("x3d/s")
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


def test_the_graph_says_what_the_network_says(
    spec: fitsense.BackboneSpec, module: torch.nn.Module, tmp_path: Path
) -> None:
    config = spec.config()
    branch = BranchEntry(
        "b",
        "x3d/bodies",
        config_to_json(config),
        spec.clip(config),
        spec.feature_dim(config),
        "b.onnx",
        "b.safetensors",
        (),
    )
    export_branch(join(module, {}), branch, tmp_path)
    graph = ov.Core().read_model(tmp_path / "b.onnx")
    graph.reshape({"clip": [1, *branch.clip.shape]})
    run = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.inference_mode():
        expected = module(clips(2)).numpy()
    # The weights are stored as float16.
    np.testing.assert_allclose(run({"clip": clips(2).numpy()})[0], expected, atol=5e-3)
    assert expected.std() > 0.05
