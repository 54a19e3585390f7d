"""The heads keep the laws of plugins."""

from __future__ import annotations

from typing import Any

import pytest

import fitsense_heads
from fitsense.testing.contracts import DerivedHeadContract, HeadContract, PluginContract


class TestHeads(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_heads


class TestLinear(HeadContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_heads

    @pytest.fixture(params=["linear_exercise", "linear_muscles", "discriminant", "network", "network_muscles", "ridge"])
    def name(self, request: pytest.FixtureRequest) -> Any:
        return request.param


class TestLookup(DerivedHeadContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_heads

    @pytest.fixture
    def name(self) -> str:
        return "lookup_muscles"
