"""Mutants show that each law of pose estimators can fail alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.pose.landmarks import REQUIRED
from fitsense.testing.contracts import PoseEstimatorContract
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

SET = fitsense.LandmarkSet(
    name="torso",
    landmarks=REQUIRED,
    mirror_pairs=[REQUIRED[:2], REQUIRED[2:]],
    edges=[("left_shoulder", "left_hip")],
)


@attrs.frozen
class Config:
    """Configuration without fields."""


def crop(picture: Any, region: fitsense.BodyRegion) -> Any:
    """The pixels of a region that lie in the picture."""
    height, width, _ = picture.shape
    half = region.side * max(height, width) / 2
    rows = slice(max(0, round(region.y * height - half)), max(0, round(region.y * height + half)))
    columns = slice(max(0, round(region.x * width - half)), max(0, round(region.x * width + half)))
    return picture[rows, columns]


def pose(picture: Any, region: fitsense.BodyRegion) -> fitsense.Pose | None:
    """Four corners of a square in the middle of the region; surer where the region is brighter."""
    inside = crop(picture, region)
    if not inside.size:
        return None
    height, width, _ = picture.shape
    half = region.side * max(height, width) / 4
    x, y = half / width, half / height
    corners = [(-x, -y), (x, -y), (-x, y), (x, y)]
    landmarks = [[region.x + dx, region.y + dy, np.nan, np.nan, np.nan, 1.0] for dx, dy in corners]
    return fitsense.Pose(landmarks, float(inside.mean()) / 255, region)


class Good:
    def detect(self, picture: Any) -> Sequence[Any]:
        return [fitsense.BodyDetection(fitsense.BodyRegion(0.5, 0.5, 0.8), float(picture.mean()) / 255)]

    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        return [pose(picture, region) for picture, region in zip(pictures, regions, strict=True)]


class DetectsBoxes(Good):
    def detect(self, picture: Any) -> Sequence[Any]:
        return [(0, 0, 1, 1)] if picture.max() > 0 else []


class LeavesOutTheLast(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        return super().estimate(pictures, regions)[: max(1, len(regions) - 1)] if len(regions) else []


class NeedsARegion(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        return super().estimate(np.stack(pictures), regions)


class NormalisesByTheBatch(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        poses = super().estimate(pictures, regions)
        surest = max((one.score for one in poses if one), default=1.0) or 1.0
        return [one and attrs.evolve(one, score=one.score / surest) for one in poses]


class Remembers(Good):
    """Detects a body twice in a picture that comes twice in a row, in the main thread."""

    def __init__(self) -> None:
        self.last = threading.local()

    def detect(self, picture: Any) -> Sequence[Any]:
        again = getattr(self.last, "picture", b"") == picture.tobytes()
        self.last.picture = picture.tobytes() if threading.current_thread() is threading.main_thread() else b""
        return list(super().detect(picture)) * (2 if again else 1)


class Clears(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        poses = super().estimate(pictures, regions)
        for picture in pictures:
            picture[:] = 0
        return poses


class WantsLargePictures(Good):
    def detect(self, picture: Any) -> Sequence[Any]:
        if min(picture.shape[:2]) < 32:
            raise ValueError("too small")
        return super().detect(picture)


class StaysInside(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        for picture, region in zip(pictures, regions, strict=True):
            if not crop(picture, region).size:
                raise ValueError("nothing of the region is in the picture")
        return super().estimate(pictures, regions)


class GivesPixels(Good):
    def estimate(self, pictures: Any, regions: Any) -> Sequence[Any]:
        poses = super().estimate(pictures, regions)
        scales = [[p.shape[1], p.shape[0], 1, 1, 1, 1] for p in pictures]
        return [one and attrs.evolve(one, landmarks=one.landmarks * s) for one, s in zip(poses, scales, strict=True)]


class Shares(Good):
    def detect(self, picture: Any) -> Sequence[Any]:
        self.picture = picture
        time.sleep(0.02)
        return super().detect(self.picture)


MUTANTS: dict[str, type[Good]] = {
    "test_detect_gives_bodies": DetectsBoxes,
    "test_estimate_gives_a_pose_per_region": LeavesOutTheLast,
    "test_no_region_gives_no_pose": NeedsARegion,
    "test_pose_is_independent_of_other_regions": NormalisesByTheBatch,
    "test_calls_keep_no_state": Remembers,
    "test_pictures_are_not_modified": Clears,
    "test_pictures_of_any_size_are_accepted": WantsLargePictures,
    "test_regions_beyond_the_picture_are_accepted": StaysInside,
    "test_positions_are_shares_of_the_whole_picture": GivesPixels,
    "test_calls_in_several_threads_agree": Shares,
}


def broken(estimator: type[Good]) -> set[str]:
    spec = fitsense.plugins.PoseEstimatorSpec("torso", Config, SET, lambda config, files, threads: estimator())
    random = np.random.default_rng(0)
    pictures = [random.integers(0, brightest, (40, 50, 3), dtype=np.uint8) for brightest in (60, 160, 255)]
    plugin = plugin_of(pose_estimators=[spec])
    return broken_laws(PoseEstimatorContract, plugin=plugin, name="torso", pictures=pictures)


@pytest.mark.parametrize("law", MUTANTS)
def test_mutant_breaks_its_law_alone(law: str) -> None:
    assert broken(MUTANTS[law]) == {law}


def test_good_estimator_breaks_no_law() -> None:
    assert broken(Good) == set()


def test_pose_estimator_laws_all_have_a_mutant() -> None:
    assert laws(PoseEstimatorContract) == set(MUTANTS)
