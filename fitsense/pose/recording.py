"""Poses of a person over time."""

from __future__ import annotations

import bisect

import attrs

from fitsense.pose.landmarks import LandmarkSet, Pose

# Seconds after a picture for which its pose is still shown.
_SHOWN_S = 0.3


@attrs.frozen(eq=False)
class TimedPose:
    """The pose of a tracked person at a time.

    :param time_s: time of the picture, in seconds of media time.
    :param pose: None if the person was not found in it.
    :param landmark_set: of the pose.
    """

    time_s: float
    pose: Pose | None
    landmark_set: LandmarkSet


class PoseRecording:
    """The poses of one person in the pictures of a source."""

    def __init__(self) -> None:
        self._poses: list[TimedPose] = []

    def add(self, pose: TimedPose | None) -> None:
        """Add the newest pose; one that is not later than the previous one is ignored."""
        if pose is not None and (not self._poses or pose.time_s > self._poses[-1].time_s):
            self._poses.append(pose)

    def at(self, time_s: float) -> TimedPose | None:
        """The pose that the picture at `time_s` seconds of media time shows; None if there is none."""
        index = bisect.bisect_right(self._poses, time_s, key=lambda one: one.time_s) - 1
        found = self._poses[index] if index >= 0 else None
        return None if found is None or found.pose is None or time_s - found.time_s > _SHOWN_S else found
