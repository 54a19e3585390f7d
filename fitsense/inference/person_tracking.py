"""Pictures through a pose estimator and a person tracker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fitsense.geometry import Region
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.plugins.specs import PoseEstimator
from fitsense.pose.clip_poses import pose_array
from fitsense.pose.cropping import Crop
from fitsense.pose.landmarks import BodyRegion, Pose
from fitsense.pose.tracker import PersonTracker, TrackedPerson
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.types import FloatArray, UInt8Array

CLIP_TRACKING = PersonTrackerConfig(detect_s=0.1, empty_detect_s=0.1)
"""Tracking of the person of a clip: if they are lost or uncertain, the detector processes the next picture."""


def track_people(
    tracker: PersonTracker,
    estimator: PoseEstimator,
    picture: UInt8Array,
    time_s: float,
    *,
    region: Region | None = None,
    bodies: Sequence[BodyRegion] | None = None,
) -> list[TrackedPerson]:
    """Find the people in a picture and match them to tracks.

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


def count_others(
    tracker: PersonTracker,
    estimator: PoseEstimator,
    picture: UInt8Array,
    people: Sequence[TrackedPerson],
    *,
    region: Region | None = None,
) -> int:
    """Count the people in a picture who are not tracked and hardly smaller than those who are.

    :param people: those who are tracked, from :func:`track_people`; at least one.
    """
    height, width, _ = picture.shape
    crop = Crop.of(region, width, height)
    shown = picture if region is None else region.crop(picture)
    known = [person.pose for person in people]
    detections = [crop.detection_to_picture(one) for one in estimator.detect(shown)]
    candidates = tracker.candidates(detections, known, crop.picture)
    regions = [crop.region_to_crop(one) for one in candidates]
    poses = estimator.estimate([shown] * len(regions), regions) if regions else ()
    found = [crop.pose_to_picture(pose) for pose in poses if pose is not None]
    return len(tracker.strangers(found, known, crop.picture))


def track_poses(
    tracker: PersonTracker, poses: Sequence[Pose], time_s: float, size: tuple[int, int]
) -> list[TrackedPerson]:
    """Match poses that a host gives to tracks.

    :param poses: of all people in the picture.
    :param size: the picture's width and height.
    """
    return tracker.update(time_s, [None] * len(tracker.regions(time_s)), poses, size)


def follow_person(estimator: LoadedPoseEstimator, pictures: Iterable[UInt8Array], rate_hz: float) -> FloatArray:
    """Find the poses of one person in the pictures of a clip.

    :param pictures: uint8 (height, width, 3) each, in the order of time.
    :param rate_hz: pictures a second.
    :returns: float32 (pictures, landmarks, 6) with the columns of :attr:`fitsense.Pose.landmarks`; NaN where the person
        was not found.
    """
    tracker = PersonTracker(estimator.landmark_set, CLIP_TRACKING)
    poses = []
    for index, picture in enumerate(pictures):
        found = track_people(tracker, estimator, picture, index / rate_hz)
        poses.append(pose_array(found[0].pose if found else None, estimator.landmark_set))
    return np.array(poses, np.float32).reshape(-1, len(estimator.landmark_set), 6)
