"""Results of a plugin's pose estimator are validated before use."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.inference.pose_estimator import (
    LoadedPoseEstimator,
    PoseEstimators,
    landmark_estimator,
    load_pose_estimator,
)
from fitsense.plugins import ObservationSpec, PluginManager, PoseEstimatorSpec
from fitsense.pose.landmarks import REQUIRED
from tests.helpers.spot_bodies import BrightSpot, spot_bundle, spot_plugins
from tests.testing.contracts.broken import plugin_of

SET = fitsense.LandmarkSet("torso", REQUIRED, [REQUIRED[:2], REQUIRED[2:]], [])
PICTURE = np.zeros((4, 4, 3), np.uint8)
REGION = fitsense.BodyRegion(0.5, 0.5, 1.0)


@attrs.frozen
class Config:
    rows: int = len(REQUIRED)


class Estimator:
    """Gives poses with so many landmarks, and something else where `found` says so."""

    def __init__(self, config: Config, found: Any = None) -> None:
        self.config = config
        self.found = found

    def detect(self, picture: Any) -> Any:
        return [fitsense.BodyDetection(REGION, 0.9)] if self.found is None else self.found

    def estimate(self, pictures: Any, regions: Any) -> Any:
        pose = fitsense.Pose(np.zeros((self.config.rows, 6)), 0.5)
        return [pose for _ in regions] if self.found is None else self.found


def host(found: Any = None) -> PluginManager:
    plugins = PluginManager()
    spec = PoseEstimatorSpec("torso", Config, SET, lambda config, files, threads: Estimator(config, found))
    assert plugins.register(plugin_of(pose_estimators=[spec])).status == "loaded"
    return plugins


def load(found: Any = None, **config: Any) -> LoadedPoseEstimator:
    return load_pose_estimator("torso", host(found), config=config)


def test_load_pose_estimator_by_short_name_gives_what_the_plugin_offers() -> None:
    estimator = load()
    assert (estimator.name, estimator.landmark_set) == ("mutants/torso", SET)
    assert estimator.detect(PICTURE) == (fitsense.BodyDetection(REGION, 0.9),)
    assert len(estimator.estimate([PICTURE] * 2, [REGION] * 2)) == 2
    assert estimator.estimate([], []) == ()


def test_load_pose_estimator_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(fitsense.UnknownNameError, match="unknown pose estimator 'x'; available: mutants/torso"):
        load_pose_estimator("x", host())


@pytest.mark.parametrize(("threads", "used"), [(None, 1), (3, 3)])
def test_models_find_landmarks_on_one_thread_unless_told_otherwise(threads: int | None, used: int) -> None:
    asked = list[int | None]()

    def record(config: Config, files: Any, threads: int | None) -> Estimator:
        asked.append(threads)
        return Estimator(config)

    plugins = PluginManager()
    plugins.register(plugin_of(pose_estimators=[PoseEstimatorSpec("torso", Config, SET, record)]))
    PoseEstimators(plugins, threads).load("torso")
    assert asked == [used]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "expected estimate to give 1 poses, got 0"),
        ([1], "expected estimate to give Pose or None, got int"),
        ([fitsense.Pose(np.zeros((3, 6)), 0.5)], "expected 4 landmarks, as its landmark set has, got 3"),
    ],
)
def test_estimate_of_wrong_poses_is_refused(found: Any, message: str) -> None:
    with pytest.raises(fitsense.PluginError, match=message):
        load(found).estimate([PICTURE], [REGION])


def test_detect_of_wrong_values_is_refused() -> None:
    with pytest.raises(fitsense.PluginError, match="expected detect to give BodyDetection, got int"):
        load([1]).detect(PICTURE)


def test_estimate_without_a_picture_for_each_region_is_refused() -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected a picture for each of 1 regions, got 0"):
        load().estimate([], [REGION])


def test_branch_on_poses_states_the_share_of_frames_with_a_person(tmp_path: Path) -> None:
    plugins = spot_plugins(BrightSpot())
    model = fitsense.Model(spot_bundle(tmp_path, plugins), plugins=plugins)
    (clip,) = model.clips.values()
    pictures = np.zeros((2, *clip.shape), np.uint8)
    pictures[0, :, 10:20, 10:20] = 250
    pictures[1, : clip.frames // 2, 10:20, 10:20] = 250
    outputs = model.run({"places": pictures})["places"]
    np.testing.assert_allclose(outputs["evidence"], [1.0, (clip.frames // 2) / clip.frames])


def test_landmark_estimator_of_several_estimators_is_refused(tmp_path: Path) -> None:
    plugins = spot_plugins(BrightSpot())
    bundle = spot_bundle(tmp_path, plugins)
    assert landmark_estimator(bundle.manifest, plugins) == "mutants/spot"
    other = types.ModuleType("others")
    observation = ObservationSpec(lambda config: (4, 3), from_poses=lambda config, poses: poses, pose_estimator="a/b")
    places = attrs.evolve(plugins.backbone("mutants/places"), observation=observation)
    info = fitsense.plugins.PluginInfo(name="others", version="1.0")
    for name, offer in (("fitsense_plugin", lambda: info), ("fitsense_backbones", lambda: [places])):
        setattr(other, name, fitsense.hookimpl(offer))
    assert plugins.register(other).status == "loaded"
    (branch,) = bundle.manifest.branches
    two = attrs.evolve(branch, name="two", backbone="others/places")
    manifest = attrs.evolve(bundle.manifest, branches=(branch, two))
    with pytest.raises(fitsense.BundleError, match="places takes those of mutants/spot, two takes those of a/b"):
        landmark_estimator(manifest, plugins)


def test_landmark_estimator_of_a_branch_on_the_person_is_the_only_one(tmp_path: Path) -> None:
    plugins = spot_plugins(BrightSpot())
    bundle = spot_bundle(tmp_path, plugins)
    (branch,) = bundle.manifest.branches
    person = attrs.evolve(branch, observation=None, clip=attrs.evolve(branch.clip, size=16, fit="person"))
    manifest = attrs.evolve(bundle.manifest, branches=(person,))
    offered = list(plugins.pose_estimators())
    assert landmark_estimator(manifest, plugins) == (offered[0] if len(offered) == 1 else None)
    assert landmark_estimator(manifest, host()) == "mutants/torso"
    centre = attrs.evolve(person, clip=attrs.evolve(person.clip, fit="crop"))
    assert landmark_estimator(attrs.evolve(manifest, branches=(centre,)), host()) is None
