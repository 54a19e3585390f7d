"""Motion keeps the laws of plugins, though it has no network."""

from __future__ import annotations

from typing import Any

import pytest

import fitsense_motion
from fitsense.testing.contracts import BackboneContract, PluginContract


class TestMotion(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_motion


class TestFlow(BackboneContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_motion

    @pytest.fixture
    def name(self) -> str:
        return "flow"
