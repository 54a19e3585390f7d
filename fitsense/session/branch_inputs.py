"""Inputs of the branches of a model from a frame: pictures, and poses of the tracked person."""

from __future__ import annotations

from collections.abc import Mapping

from fitsense.geometry import Region
from fitsense.imaging.resize import branch_images, scaled_size
from fitsense.inference.model import Model
from fitsense.pose.clip_poses import in_clip, pose_array
from fitsense.pose.cropping import Crop
from fitsense.pose.landmarks import LandmarkSet
from fitsense.session.person_track import PersonInFrame, PersonTrack
from fitsense.types import ClipSpec, FloatArray, UInt8Array


class BranchInputs:
    """Makes the inputs of a session's branches.

    Branches on poses get those of the session's person. In a session without landmarks, or with those of another
    landmark set, they get pictures as other branches do, and find the landmarks of each window themselves.

    :param person: the session's person; None for a session without landmarks.
    """

    def __init__(self, model: Model, person: PersonTrack | None) -> None:
        self._person = person
        self._deferred = model.deferred_branches
        on_poses = model.pose_branches if person is not None and person.landmark_set == model.landmark_set else ()
        self._on_poses = {name: model.clips[name] for name in on_poses}
        self.on_pictures: Mapping[str, ClipSpec] = {
            name: spec for name, spec in model.clips.items() if name not in self._on_poses
        }

    @property
    def landmarks(self) -> Mapping[str, int]:
        """Number of landmarks of each branch that gets poses, by name."""
        return {name: len(self._landmark_set) for name in self._on_poses}

    @property
    def _landmark_set(self) -> LandmarkSet:
        assert self._person is not None
        return self._person.landmark_set

    @staticmethod
    def check(rgb: UInt8Array) -> None:
        """Refuse a picture that cannot be scaled.

        :raises InvalidInputError: it is too long.
        """
        scaled_size(rgb.shape[1], rgb.shape[0], 1)

    def images(self, rgb: UInt8Array, region: Region | None, size: tuple[int, int]) -> Mapping[str, UInt8Array]:
        """The image of each branch on pictures.

        :param rgb: the part of the picture that is analysed, uint8 (height, width, 3).
        :param region: where the part is; None for the whole picture.
        :param size: width and height of the whole picture in pixels.
        """
        box = self._person.steady_box if self._person is not None else None
        if box is not None:
            box = Crop.of(region, *size).box_to_crop(box)
        return branch_images(rgb, self.on_pictures, self._deferred, box)

    def poses(self, located: PersonInFrame | None, region: Region | None) -> Mapping[str, FloatArray] | None:
        """The person's pose in the clip of each branch on poses, float32 (landmarks, 6); NaN without a person.

        :returns: None without a search.
        """
        if located is None or not self._on_poses:
            return None
        crop = Crop.of(region, *located.size)
        landmarks = pose_array(located.person.pose if located.person else None, self._landmark_set)
        shown = crop.landmarks_to_crop(landmarks)
        return {name: in_clip(shown, crop.size, spec) for name, spec in self._on_poses.items()}
