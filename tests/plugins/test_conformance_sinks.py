"""The sinks' plugin keeps the laws of plugins."""

from __future__ import annotations

from typing import Any

import pytest

import fitsense_sinks
from fitsense.testing.contracts import PluginContract


class TestSinks(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_sinks
