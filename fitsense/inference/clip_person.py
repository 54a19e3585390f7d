"""The person of one clip, for windows of that clip."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from fitsense.geometry import Region
from fitsense.inference.person_tracking import CLIP_TRACKING, track_people
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.pose.clip_poses import in_clip, pose_array
from fitsense.pose.landmarks import mirrored_poses
from fitsense.pose.steady_box import SteadyBox
from fitsense.pose.tracker import PersonTracker
from fitsense.types import ClipSpec, FloatArray, Frame
from fitsense.windowing.sampler import nearest


class ClipPerson:
    """Tracks the person of one clip, as a session does: landmarks are found once, however many windows there are.

    :param branches: names of the branches that take poses.
    """

    def __init__(self, estimator: LoadedPoseEstimator, branches: Collection[str]) -> None:
        self.branches = branches
        self._estimator = estimator
        self._tracker = PersonTracker(estimator.landmark_set, CLIP_TRACKING)
        self._box = SteadyBox()
        self._times: list[float] = []
        self._poses: list[tuple[FloatArray, tuple[int, int]]] = []

    def locate(self, frame: Frame) -> Region | None:
        """Look for the person in a frame, unless it comes too soon after the one before.

        :returns: the person's box, which moves only if it must; None before the person was found.
        """
        if self._tracker.due(frame.time_s):
            people = track_people(self._tracker, self._estimator, frame.rgb, frame.time_s)
            person = people[0] if people else None
            height, width, _ = frame.rgb.shape
            self._times.append(frame.time_s)
            landmarks = pose_array(person.pose if person else None, self._estimator.landmark_set)
            self._poses.append((landmarks, (width, height)))
            if person is not None and person.box is not None:
                self._box.update(person.box, frame.time_s)
        return self._box.state.box

    def windows(self, spec: ClipSpec, ends: Sequence[float], mirror: bool) -> FloatArray:
        """Poses in windows of the clip, as the pictures of a branch show them.

        :param ends: end of each window, in seconds.
        :param mirror: whether to append each window's mirror image, after all of them.
        :returns: float32 (windows, frames, landmarks, 6).
        """
        times = np.array(self._times)
        shown = np.stack([in_clip(landmarks, size, spec) for landmarks, size in self._poses])
        poses = np.stack([shown[nearest(times, spec, end_s)] for end_s in ends])
        if not mirror:
            return poses
        mirrored = mirrored_poses(poses, self._estimator.landmark_set.mirrored)
        return np.concatenate([poses, mirrored.astype(np.float32)])
