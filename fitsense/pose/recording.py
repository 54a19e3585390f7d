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
    """The poses of people in the pictures of a source: of one person, or of several by the subjects of their events."""

    def __init__(self) -> None:
        self._poses: dict[str | None, list[TimedPose]] = {}

    @property
    def subjects(self) -> list[str | None]:
        """The people, in the order of their first poses; None for the person of a session without subjects."""
        return list(self._poses)

    def add(self, pose: TimedPose | None, subject: str | None = None) -> None:
        """Add the newest pose of a person; one that is not later than their previous one is ignored."""
        if pose is None:
            return
        poses = self._poses.setdefault(subject, [])
        if not poses or pose.time_s > poses[-1].time_s:
            poses.append(pose)

    def at(self, time_s: float, subject: str | None = None) -> TimedPose | None:
        """The pose of a person that the picture at `time_s` seconds of media time shows; None if there is none."""
        poses = self._poses.get(subject, [])
        index = bisect.bisect_right(poses, time_s, key=lambda one: one.time_s) - 1
        found = poses[index] if index >= 0 else None
        return None if found is None or found.pose is None or time_s - found.time_s > _SHOWN_S else found
