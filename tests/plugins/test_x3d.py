"""X3D as a plugin."""

from __future__ import annotations

import pytest
import torch

import fitsense
from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.nn.branch import build_backbone


@pytest.mark.parametrize(
    ("name", "shape"),
    [("xs", (4, 160, 160, 3)), ("s", (13, 160, 160, 3)), ("m", (16, 224, 224, 3)), ("l", (16, 312, 312, 3))],
)
def test_x3d_sizes_match_paper(name: str, shape: tuple[int, ...]) -> None:
    spec = fitsense.PluginManager.discover().backbone(f"x3d/{name}")
    config = spec.config()
    assert spec.clip(config).shape == shape
    module = build_backbone(spec, config)
    clip = torch.randint(0, 256, (1, *shape), dtype=torch.uint8)
    before = clip.clone()
    with torch.inference_mode():
        features = module(clip)
    assert features.shape == (1, 2048) == (1, spec.feature_dim(config))
    assert features.dtype == torch.float32
    assert torch.equal(clip, before)
    assert not module.training


def test_x3d_features_precede_projection() -> None:
    """Features are those before the projection: not negative, as after ReLU, and without the sum 1."""
    spec = fitsense.PluginManager.discover().backbone("x3d/xs")
    module = build_backbone(spec, spec.config())
    with torch.inference_mode():
        features = module(torch.randint(0, 256, (2, 4, 160, 160, 3), dtype=torch.uint8))
    assert (features >= 0).all()
    assert not torch.allclose(features.sum(dim=1), torch.ones(2))


def test_x3d_wrong_clip_is_refused_with_shapes() -> None:
    spec = fitsense.PluginManager.discover().backbone("x3d/xs")
    module = build_backbone(spec, spec.config())
    with pytest.raises(fitsense.InvalidInputError, match=r"got uint8 of shape \(1, 5, 160, 160, 3\)"):
        module(torch.zeros((1, 5, 160, 160, 3), dtype=torch.uint8))


def test_x3d_config_json_round_trips_and_refuses_unknown_keys() -> None:
    spec = fitsense.PluginManager.discover().backbone("x3d/l")
    config = spec.config(frames=8)
    assert config_from_json(spec.config, config_to_json(config), "x3d/l") == config
    with pytest.raises(fitsense.InvalidInputError, match=r"configuration of x3d/l: .*depth"):
        config_from_json(spec.config, {"depth": 3}, "x3d/l")
