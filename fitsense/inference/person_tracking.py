"""One picture through a pose estimator and a person tracker."""

from __future__ import annotations

from collections.abc import Sequence

from fitsense.geometry import Region
from fitsense.plugins.specs import PoseEstimator
from fitsense.pose.cropping import Crop
from fitsense.pose.landmarks import BodyRegion, Pose
from fitsense.pose.tracker import PersonTracker, TrackedPerson
from fitsense.types import UInt8Array


def track_people(
    tracker: PersonTracker,
    estimator: PoseEstimator,
    picture: UInt8Array,
    time_s: float,
    *,
    region: Region | None = None,
    bodies: Sequence[BodyRegion] | None = None,
) -> list[TrackedPerson]:
    """Find the people in a picture, and who they are.

    :param picture: uint8 (height, width, 3).
    :param time_s: the picture's, in seconds of media time.
    :param region: the part of the picture that is searched; None for all of it. Results are in shares of the picture.
    :param bodies: where bodies are, in shares of the picture; None to ask the estimator's detector when needed.
    """
    height, width, _ = picture.shape
    crop = Crop.of(region, width, height)
    shown = picture if region is None else region.crop(picture)

    def estimate(regions: Sequence[BodyRegion]) -> list[Pose | None]:
        if not regions:
            return []
        poses = estimator.estimate([shown] * len(regions), [crop.region_to_crop(one) for one in regions])
        return [None if pose is None else crop.pose_to_picture(pose) for pose in poses]

    known = estimate(tracker.regions(time_s))
    others: list[Pose | None] = []
    if bodies is not None:
        others = estimate(bodies)
    elif tracker.wants_detection(known, time_s):
        detections = [crop.detection_to_picture(one) for one in estimator.detect(shown)]
        others = estimate(tracker.candidates(detections, known, crop.picture))
        tracker.detected(time_s)
    return tracker.update(time_s, known, others, crop.picture)


def track_poses(
    tracker: PersonTracker, poses: Sequence[Pose], time_s: float, size: tuple[int, int]
) -> list[TrackedPerson]:
    """Find out who the people are whose poses a host gives.

    :param poses: of all people in the picture.
    :param size: the picture's width and height.
    """
    return tracker.update(time_s, [None] * len(tracker.regions(time_s)), poses, size)
