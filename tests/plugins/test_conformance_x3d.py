"""X3D keeps the laws of plugins; its networks do at a small size, since the laws are the same for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

import fitsense_x3d
from fitsense import PluginManager
from fitsense.plugins import BackboneSpec
from fitsense.testing.contracts import BackboneContract, PluginContract

PROJECTION = "blocks.5.proj.weight"


class TestX3D(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_x3d


# pytorchvideo's own, in the backward pass of its Swish
@pytest.mark.filterwarnings("ignore:.saved_variables:DeprecationWarning")
class TestBackbones(BackboneContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_x3d

    @pytest.fixture(params=["xs", pytest.param("bodies", marks=pytest.mark.slow), "streaming"])
    def name(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.fixture
    def config(self, spec: BackboneSpec) -> Any:
        config = attrs.evolve(spec.config(), frames=4, size=64, short_side=64, depth_factor=0.3)
        # Less that is remembered makes a stream short that is longer than its receptive field.
        return config if spec.streaming is None else attrs.evolve(config, size=32, short_side=32)

    @pytest.fixture
    def not_moved(self) -> tuple[str, ...]:
        return ("stem.", "stages.", "body.decoder")

    @pytest.fixture
    def published(self, plugins: PluginManager, config: Any, torch: Any) -> Mapping[str, Any]:
        plain = plugins.backbone("x3d/s")
        assert plain.build is not None
        state = plain.build(attrs.evolve(plain.config(), depth_factor=config.depth_factor)).state_dict()
        return {name.removeprefix("1."): value for name, value in state.items()} | {PROJECTION: torch.zeros(1)}
