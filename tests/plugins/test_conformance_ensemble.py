"""The weighted ensemble keeps the laws of plugins, of logits and of probabilities."""

from __future__ import annotations

from typing import Any

import pytest

import fitsense_ensemble
from fitsense.testing.contracts import FusionContract, PluginContract
from fitsense_ensemble.weighted import WeightedConfig


class TestEnsemble(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_ensemble


class TestWeighted(FusionContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_ensemble

    @pytest.fixture
    def name(self) -> str:
        return "weighted"

    @pytest.fixture(params=["logits", "probabilities"])
    def config(self, request: pytest.FixtureRequest) -> WeightedConfig:
        return WeightedConfig(space=request.param)
