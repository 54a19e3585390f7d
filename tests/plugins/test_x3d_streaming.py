"""Streaming X3D compared with X3D on clips."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fitsense
from fitsense.nn.branch import build_backbone

SMALL = {"size": 32, "short_side": 32, "depth_factor": 0.4}


def network(name: str, **config: Any) -> tuple[fitsense.plugins.BackboneSpec, Any, Any]:
    spec = fitsense.PluginManager.discover().backbone(f"x3d/{name}")
    made = spec.config(**config)
    torch.manual_seed(0)
    return spec, made, build_backbone(spec, made)


def test_x3d_streaming_has_parameters_of_x3d() -> None:
    _, _, plain = network("s")
    _, _, streaming = network("streaming")
    shapes = {name.removeprefix("1."): value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in streaming.state_dict().items()} == shapes


def test_x3d_streaming_static_clip_equals_x3d() -> None:
    _, _, plain = network("s", frames=4, **SMALL)
    _, _, streaming = network("streaming", frames=4, **SMALL)
    with torch.no_grad():
        for value in plain.parameters():
            if value.ndim == 5 and value.shape[2] > 1:
                middle = value.shape[2] // 2
                value[:, :, [at for at in range(value.shape[2]) if at != middle]] = 0
    streaming.load_state_dict({name.removeprefix("1."): value for name, value in plain.state_dict().items()})
    picture = torch.randint(0, 256, (2, 1, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(
            streaming(picture.expand(-1, 4, -1, -1, -1)), plain(picture.expand(-1, 4, -1, -1, -1))
        )


def test_x3d_streaming_static_frames_keep_features() -> None:
    """From the first frame on: a stream does not begin with blackness."""
    spec, config, module = network("streaming", frames=4, **SMALL)
    assert spec.streaming is not None
    state: Any = {name: torch.zeros(1, *shape) for name, shape in spec.streaming.state(config).items()}
    picture = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        first, state = spec.streaming.step(module, picture, state)
        for _ in range(6):
            features, state = spec.streaming.step(module, picture, state)
    torch.testing.assert_close(features, first)


def test_x3d_streaming_features_depend_on_order() -> None:
    _, _, module = network("streaming", frames=4, **SMALL)
    clip = torch.randint(0, 256, (1, 4, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        forwards, backwards = module(clip), module(clip.flip(1))
    assert not torch.allclose(forwards, backwards, rtol=1e-3)


@pytest.mark.parametrize(("depth_factor", "frames", "expected"), [(2.2, 13, 221), (0.4, 4, 24)])
def test_x3d_streaming_receptive_field_follows_from_depth(depth_factor: float, frames: int, expected: int) -> None:
    spec = fitsense.PluginManager.discover().backbone("x3d/streaming")
    assert spec.streaming is not None
    assert spec.streaming.receptive_field(spec.config(depth_factor=depth_factor, frames=frames)) == expected
