"""Laws of a pose estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitsense.plugins.specs import PoseEstimator, PoseEstimatorSpec
from fitsense.pose.landmarks import WORLD, BodyDetection, BodyRegion, Pose, X, Y
from fitsense.testing.contracts.offer import PictureContract, in_threads
from fitsense.types import UInt8Array

Found = tuple[Sequence[BodyDetection], Sequence[Any]]


class PoseEstimatorContract(PictureContract):
    """Laws of a pose estimator; `plugin` and `name` are required."""

    kind = "pose_estimator"

    @pytest.fixture
    def tolerance(self) -> float:
        """Largest distance between positions of the same body, in shares of the picture."""
        return 0.02

    @pytest.fixture
    def estimator(self, spec: PoseEstimatorSpec, config: Any, files: Mapping[str, Path]) -> PoseEstimator:
        return spec.load(config, files, 1)

    def test_detect_gives_bodies(self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]) -> None:
        for picture in pictures:
            for one in estimator.detect(picture.copy()):
                assert isinstance(one, BodyDetection), f"expected BodyDetection, got {type(one).__name__}"

    def test_estimate_gives_a_pose_per_region(
        self, spec: PoseEstimatorSpec, estimator: PoseEstimator, pictures: Sequence[UInt8Array]
    ) -> None:
        regions = _regions(estimator, pictures)
        poses = _estimate(estimator, pictures, regions)
        assert len(poses) == len(regions), f"expected {len(regions)} poses for as many regions, got {len(poses)}"
        expected = (len(spec.landmark_set), 6)
        for pose in poses:
            assert pose is None or isinstance(pose, Pose), f"expected Pose or None, got {type(pose).__name__}"
            if pose is not None:
                assert pose.landmarks.shape == expected, f"expected landmarks {expected}, got {pose.landmarks.shape}"

    def test_no_region_gives_no_pose(self, estimator: PoseEstimator) -> None:
        poses = list(estimator.estimate([], []))
        assert poses == [], f"expected no poses without regions, got {poses}"

    def test_pose_is_independent_of_other_regions(
        self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]
    ) -> None:
        regions = _regions(estimator, pictures)
        together = _estimate(estimator, pictures, regions)
        for picture, region, pose in zip(pictures, regions, together, strict=False):
            (alone,) = _estimate(estimator, [picture], [region])
            assert _same(pose, alone), f"a region gave {pose} beside others and {alone} alone"

    def test_calls_keep_no_state(self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]) -> None:
        first = [_find(estimator, picture) for picture in pictures]
        again = [_find(estimator, picture) for picture in reversed(pictures)][::-1]
        assert all(map(_alike, first, again)), f"the same pictures, in another order, gave {again} instead of {first}"

    def test_pictures_are_not_modified(self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]) -> None:
        for picture in pictures:
            given = picture.copy()
            estimator.detect(given)
            assert np.array_equal(given, picture), "detect wrote into the picture"
            estimator.estimate([given], _regions(estimator, [picture]))
            assert np.array_equal(given, picture), "estimate wrote into the picture"

    def test_pictures_of_any_size_are_accepted(self, estimator: PoseEstimator) -> None:
        for shape in ((1, 1, 3), (31, 17, 3), (20, 300, 3)):
            _find(estimator, np.zeros(shape, np.uint8))

    def test_regions_beyond_the_picture_are_accepted(
        self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]
    ) -> None:
        regions = [BodyRegion(-0.4, 1.3, 0.5), BodyRegion(0.5, 0.5, 5.0, 2.0), BodyRegion(0.5, 0.5, 1e-4)]
        for region in regions:
            _estimate(estimator, pictures[:1], [region])

    def test_positions_are_shares_of_the_whole_picture(
        self, estimator: PoseEstimator, pictures: Sequence[UInt8Array], tolerance: float
    ) -> None:
        for picture in pictures:
            height, width, _ = picture.shape
            longer = max(height, width)
            inside = BodyRegion(0.5, 0.5, 0.95 * min(height, width) / longer)
            more = max(2, longer // 4)
            larger = np.zeros((height + more, width + more, 3), np.uint8)
            larger[:height, :width] = picture
            share_x, share_y = width / (width + more), height / (height + more)
            side = inside.side * longer / (longer + more)
            (pose,) = _estimate(estimator, [picture], [inside])
            (moved,) = _estimate(estimator, [larger], [BodyRegion(0.5 * share_x, 0.5 * share_y, side)])
            assert (pose is None) == (moved is None), "a region gave a pose only without a border around the picture"
            if pose is None:
                continue
            expected = pose.landmarks[:, [X, Y]] * np.array([share_x, share_y], np.float32)
            apart = float(np.abs(moved.landmarks[:, [X, Y]] - expected).max())
            assert apart <= tolerance, (
                f"expected places as shares of the whole picture, at most {tolerance:g} off, got {apart:g} "
                "after a border was added"
            )

    def test_calls_in_several_threads_agree(self, estimator: PoseEstimator, pictures: Sequence[UInt8Array]) -> None:
        many = [pictures[at % len(pictures)] for at in range(8)]
        for got, picture in zip(in_threads(lambda one: _find(estimator, one), many), many, strict=True):
            assert _alike(got, _find(estimator, picture)), "a picture gave other results in another thread"


def _regions(estimator: PoseEstimator, pictures: Sequence[UInt8Array]) -> list[BodyRegion]:
    """A region for each picture: that of the first detected body, or most of the picture if there is none."""
    regions = []
    for picture in pictures:
        found = [one for one in estimator.detect(picture.copy()) if isinstance(one, BodyDetection)]
        regions.append(found[0].region if found else BodyRegion(0.5, 0.5, 0.9))
    return regions


def _estimate(estimator: PoseEstimator, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Any]:
    # Copies, so that an estimator that writes into pictures breaks only that law.
    return list(estimator.estimate([picture.copy() for picture in pictures[: len(regions)]], regions))


def _find(estimator: PoseEstimator, picture: UInt8Array) -> Found:
    """Detections in a copy of the picture, and the pose in most of it."""
    given = picture.copy()
    return list(estimator.detect(given)), list(estimator.estimate([given], [BodyRegion(0.5, 0.5, 0.9)]))


def _alike(one: Found, other: Found) -> bool:
    return list(one[0]) == list(other[0]) and len(one[1]) == len(other[1]) and all(map(_same, one[1], other[1]))


def _same(one: Any, other: Any) -> bool:
    """True if two poses are equal, up to the order of sums."""
    if not (isinstance(one, Pose) and isinstance(other, Pose)):
        return one is None and other is None
    seen = [column for column in range(6) if column not in range(6)[WORLD]]
    return (
        one.landmarks.shape == other.landmarks.shape
        and bool(np.allclose(one.landmarks[:, seen], other.landmarks[:, seen], atol=2e-3))
        and abs(one.score - other.score) <= 2e-3
    )
