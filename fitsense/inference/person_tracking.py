"""One picture through a pose estimator and a person tracker."""

from __future__ import annotations

from collections.abc import Sequence

from fitsense.plugins.specs import PoseEstimator
from fitsense.pose.landmarks import Pose
from fitsense.pose.tracker import PersonTracker, TrackedPerson
from fitsense.types import UInt8Array


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
