"""Pose keeps the laws of plugins. Those of looking at pictures need BlazePose's files, and are skipped without."""

from __future__ import annotations

from typing import Any

import pytest

import fitsense_pose
from fitsense.testing.contracts import BackboneContract, DetectorContract, PluginContract, PoseEstimatorContract
from fitsense_pose.config import PoseConfig


class TestPose(PluginContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_pose


class TestStatistics(BackboneContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_pose

    @pytest.fixture
    def name(self) -> str:
        return "statistics"

    @pytest.fixture
    def config(self) -> PoseConfig:
        return PoseConfig(frames=4, width=16)


class TestPeople(DetectorContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_pose

    @pytest.fixture
    def name(self) -> str:
        return "people"


class TestBlazePose(PoseEstimatorContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return fitsense_pose

    @pytest.fixture
    def name(self) -> str:
        return "blazepose"
