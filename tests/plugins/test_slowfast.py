"""SlowFast as a plugin."""

from __future__ import annotations

import pytest
import torch

import fitsense
from fitsense.nn.branch import build_backbone


@pytest.fixture(scope="module")
def plugins() -> fitsense.PluginManager:
    return fitsense.PluginManager.discover()


@pytest.mark.parametrize("ratio", range(4, 17))
@pytest.mark.parametrize("name", ["r50", "small"])
def test_slowfast_any_ratio_runs(plugins: fitsense.PluginManager, name: str, ratio: int) -> None:
    spec = plugins.backbone(f"slowfast/{name}")
    # The stages' arithmetic is what can fail; small pictures and few frames exercise it as well.
    config = spec.config(channel_reduction_ratio=ratio, frames=8, size=32, short_side=32)
    with torch.inference_mode():
        features = build_backbone(spec, config)(torch.zeros((1, 8, 32, 32, 3), dtype=torch.uint8))
    assert features.shape == (1, spec.feature_dim(config))


def test_slowfast_feature_dim_matches_paper(plugins: fitsense.PluginManager) -> None:
    for name, depth in (("r50", 50), ("r101", 101)):
        spec = plugins.backbone(f"slowfast/{name}")
        config = spec.config()
        assert (config.depth, config.alpha, config.channel_reduction_ratio) == (depth, 4, 8)
        assert spec.feature_dim(config) == 2304
        assert spec.clip(config).shape == (32, 256, 256, 3)
    assert spec.feature_dim(spec.config(channel_reduction_ratio=10)) == 2048 + 204


def test_slowfast_r101_runs(plugins: fitsense.PluginManager) -> None:
    spec = plugins.backbone("slowfast/r101")
    config = spec.config(frames=8, size=32, short_side=32)
    with torch.inference_mode():
        assert build_backbone(spec, config)(torch.zeros((1, 8, 32, 32, 3), dtype=torch.uint8)).shape == (1, 2304)


@pytest.mark.parametrize("alpha", [2, 4, 8])
def test_slowfast_slow_pathway_takes_every_alpha_th_frame(plugins: fitsense.PluginManager, alpha: int) -> None:
    spec = plugins.backbone("slowfast/small")
    module = build_backbone(spec, spec.config(alpha=alpha, frames=16, size=32, short_side=32))
    seen: list[tuple[int, int]] = []
    stem = module.get_submodule("network.blocks.0")
    stem.register_forward_pre_hook(
        lambda _, arguments: seen.append((arguments[0][0].shape[2], arguments[0][1].shape[2]))
    )
    with torch.inference_mode():
        module(torch.zeros((1, 16, 32, 32, 3), dtype=torch.uint8))
    assert seen == [(16 // alpha, 16)]


def test_slowfast_leaves_input_unchanged(plugins: fitsense.PluginManager) -> None:
    spec = plugins.backbone("slowfast/small")
    module = build_backbone(spec, spec.config())
    clip = torch.randint(0, 256, (2, 16, 128, 128, 3), dtype=torch.uint8)
    before = clip.clone()
    with torch.inference_mode():
        first, second = module(clip), module(clip)
        alone = module(clip[1:])
    assert torch.equal(clip, before)
    assert torch.equal(first, second)
    torch.testing.assert_close(alone[0], first[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_reduction_ratio": 3}, "expected 4 to 16, got 3"),
        ({"channel_reduction_ratio": 17}, "expected 4 to 16, got 17"),
        ({"frames": 30}, r"expected a multiple of alpha \(4\), got 30"),
        ({"depth": 34}, "depth"),
        ({"width": 4}, "expected at least channel_reduction_ratio"),
    ],
)
def test_slowfast_invalid_config_is_refused(
    plugins: fitsense.PluginManager, changes: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plugins.backbone("slowfast/r50").config(**changes)


@pytest.mark.slow
def test_slowfast_small_learns(plugins: fitsense.PluginManager) -> None:
    """A few training steps separate bright clips from dark ones."""
    torch.manual_seed(0)
    spec = plugins.backbone("slowfast/small")
    config = spec.config(frames=8, size=64, short_side=64)
    network = torch.nn.Sequential(build_backbone(spec, config), torch.nn.Linear(spec.feature_dim(config), 2)).train()
    clips = torch.cat([torch.randint(0, 90, (4, 8, 64, 64, 3)), torch.randint(150, 256, (4, 8, 64, 64, 3))])
    clips, labels = clips.to(torch.uint8), torch.tensor([0] * 4 + [1] * 4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(network(clips), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
