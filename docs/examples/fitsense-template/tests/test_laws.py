"""The laws of all plugins. A law that needs a missing fixture fails with its name."""

import pytest
from fitsense.testing.contracts import (
    BackboneContract,
    FusionContract,
    HeadContract,
    ObserverContract,
    PluginContract,
    TaskContract,
)

import fitsense_template
from fitsense_template.backbone import ShiftConfig


class Ours:
    @pytest.fixture
    def plugin(self):
        return fitsense_template


class TestPlugin(Ours, PluginContract):
    pass


class TestBackbone(Ours, BackboneContract):
    @pytest.fixture
    def name(self):
        return "shift"

    @pytest.fixture
    def config(self):
        # Laws run faster on a small network.
        return ShiftConfig(size=32, short_side=32)


class TestHead(Ours, HeadContract):
    @pytest.fixture
    def name(self):
        return "mlp"


class TestFusion(Ours, FusionContract):
    @pytest.fixture
    def name(self):
        return "pool"


class TestObserver(Ours, ObserverContract):
    pass


class TestTask(Ours, TaskContract):
    @pytest.fixture
    def name(self):
        return "form_quality"


class TestFormHead(Ours, HeadContract):
    @pytest.fixture
    def name(self):
        return "form"
