"""SlowFast keeps the laws of plugins; its networks do at a small size, since the laws are the same for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import fitsense_slowfast
from fitsense.testing.contracts import BackboneContract, PluginContract
from fitsense_slowfast.config import SmallConfig


class TestSlowFast(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_slowfast


class TestBackbone(BackboneContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_slowfast

    @pytest.fixture
    def name(self) -> str:
        return "small"

    @pytest.fixture
    def config(self) -> SmallConfig:
        return SmallConfig(frames=8, size=64, short_side=64)

    @pytest.fixture
    def published(self, module: Any, torch: Any) -> Mapping[str, Any]:
        state = {name.removeprefix("network."): value for name, value in module.state_dict().items()}
        return state | {"blocks.6.proj.weight": torch.zeros(1)}
