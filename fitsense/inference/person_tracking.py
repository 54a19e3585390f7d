"""Pictures through a pose estimator and a person tracker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.plugins.specs import PoseEstimator
from fitsense.pose.clip_poses import pose_array
from fitsense.pose.landmarks import Pose
from fitsense.pose.tracker import PersonTracker, PersonTrackerConfig, TrackedPerson
from fitsense.types import FloatArray, UInt8Array

CLIP_TRACKING = PersonTrackerConfig(detect_s=0.1)
"""How the person of a clip is tracked: where they are lost or uncertain, the detector looks at the next picture."""


def track_people(
    tracker: PersonTracker, estimator: PoseEstimator, picture: UInt8Array, time_s: float
) -> list[TrackedPerson]:
    """Find the people in a picture, and who they are.

    :param picture: uint8 (height, width, 3).
    :param time_s: the picture's, in seconds of media time.
    """
    height, width, _ = picture.shape
    size = (width, height)
    regions = tracker.regions(time_s)
    poses = estimator.estimate([picture] * len(regions), regions) if regions else ()
    others: Sequence[Pose | None] = ()
    if tracker.wants_detection(poses, time_s):
        found = tracker.candidates(estimator.detect(picture), poses, size)
        tracker.detected(time_s)
        others = estimator.estimate([picture] * len(found), found) if found else ()
    return tracker.update(time_s, poses, others, size)


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
