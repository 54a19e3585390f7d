"""BlazePose as fitsense's hook for pose estimators wants it: regions of bodies, and landmarks in regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from fitsense_pose.region import Region

if TYPE_CHECKING:
    from fitsense import BodyDetection, BodyRegion, Pose
    from fitsense_pose.graph import UInt8Array


@attrs.frozen
class BlazePoseConfig:
    """Configuration of the detection of bodies.

    :param closer: whether the detector also looks at squares along a picture that is not square, in which people are
        larger. For several people or people far from the camera; a detection in a 16:9 picture then takes four times
        as long.
    :param min_score: smallest score of a detection.
    """

    closer: bool = False
    min_score: float = 0.5


@attrs.frozen
class PeopleConfig(BlazePoseConfig):
    """Configuration of the detection of several people, some of them far from the camera.

    :param closer: as in :class:`BlazePoseConfig`.
    :param min_score: likewise.
    """

    closer: bool = True
    min_score: float = 0.3


class BlazePoseEstimator:
    """Detects bodies, and finds landmarks in regions; safe to call from threads.

    :param detector: ``pose_detection.tflite``.
    :param landmarks: ``pose_landmark_full.tflite``.
    :param threads: CPU threads; None for all cores.
    :raises WeightsError: a file is not that network.
    """

    def __init__(self, config: BlazePoseConfig, detector: Path, landmarks: Path, threads: int | None) -> None:
        from fitsense_pose.detector import Detector
        from fitsense_pose.landmarks import LandmarkFinder
        from fitsense_pose.people import PeopleConfig as DetectionConfig

        self._people = DetectionConfig(closer=config.closer, min_score=config.min_score)
        self._detector = Detector(detector, threads)
        self._finder = LandmarkFinder(landmarks, threads)

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        """The bodies in a picture, uint8 (height, width, 3), the most certain first."""
        from fitsense import BodyDetection
        from fitsense_pose.people import find_people

        height, width, _ = picture.shape
        people = find_people(self._detector, self._people, picture)
        return [
            BodyDetection(region.to_body(width, height), score)
            for score, region in people
            if region.usable(width, height)
        ]

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        """The pose in each region of the picture at the same index; None where there is no body."""
        return [self._pose(picture, region) for picture, region in zip(pictures, regions, strict=True)]

    def _pose(self, picture: UInt8Array, body: BodyRegion) -> Pose | None:
        from fitsense import Pose

        height, width, _ = picture.shape
        region = Region.from_body(body, width, height)
        person = self._finder(picture, region) if region.usable(width, height) else None
        if person is None:
            return None
        image = person.image / np.array([width, height], np.float32)
        following = person.next_region
        return Pose(
            landmarks=np.column_stack([image, person.world, person.visibility]),
            score=min(1.0, person.presence),
            region=following.to_body(width, height) if following.usable(width, height) else None,
        )


def load(config: BlazePoseConfig, files: Mapping[str, Path], threads: int | None) -> BlazePoseEstimator:
    """The estimator.

    :param files: BlazePose's networks, by the names in :data:`fitsense_pose.assets.ASSETS`.
    """
    return BlazePoseEstimator(config, files["detector"], files["landmarks"], threads)
