"""BlazePose: landmarks of a person in each frame of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from fitsense import InvalidInputError
from fitsense_pose.detector import Detector
from fitsense_pose.graph import UInt8Array
from fitsense_pose.landmarks import COUNT, LandmarkFinder, Person
from fitsense_pose.region import FloatArray, Region

# Below this presence, the track may be wrong, as after a scene cut: the detector runs as well.
_SURE = 0.9


class BlazePose:
    """Detects and tracks one person in a clip (Bazarevsky et al. 2020, arXiv 2006.10204).

    The detector looks at the first picture, and where the person was lost or is uncertain; elsewhere, the landmarks of
    the picture before say where to look. Nothing is smoothed. Nothing is remembered between calls, which threads may
    make at the same time.

    :param detector: ``pose_detection.tflite``.
    :param landmarks: ``pose_landmark_full.tflite``.
    :param threads: CPU threads; None for all cores.
    :raises WeightsError: a file contains another network.
    """

    def __init__(self, detector: Path, landmarks: Path, *, threads: int | None = None) -> None:
        self._detector = Detector(detector, threads)
        self._finder = LandmarkFinder(landmarks, threads)

    def __call__(self, clips: UInt8Array) -> FloatArray:
        """Landmarks of clips, uint8 (clips, frames, height, width, 3) with frames in temporal order.

        :returns: float32 (clips, frames, 33, 6): x and y in 0..1 of the picture (and beyond it, where a limb is);
            x, y and z in metres from the middle of the hips, y down; visibility in 0..1. NaN where nobody was found.
        """
        if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[-1] != 3 or 0 in clips.shape[2:4]:
            raise InvalidInputError(
                "clips: expected uint8 of shape (clips, frames, height, width, 3), "
                f"got {clips.dtype} of shape {clips.shape}"
            )
        result = np.full((*clips.shape[:2], COUNT, 6), np.nan, np.float32)
        for index, clip in enumerate(clips):
            for frame, landmarks in enumerate(self.follow(clip)):
                if landmarks is not None:
                    result[index, frame] = landmarks
        return result

    def follow(self, pictures: Iterable[UInt8Array]) -> Iterator[FloatArray | None]:
        """The same for the pictures of one clip, uint8 (height, width, 3), one by one: float32 (33, 6) or None."""
        region = None
        for picture in pictures:
            height, width, _ = picture.shape
            person = self._find(picture, region)
            if person is None or person.presence < _SURE:
                others = (person, self._find(picture, self._detector(picture)))
                person = max(filter(None, others), key=lambda other: other.presence, default=None)
            region = person.next_region if person else None
            if person is None:
                yield None
                continue
            image = person.image / np.array([width, height], np.float32)
            yield np.column_stack([image, person.world, person.visibility])

    def _find(self, picture: UInt8Array, region: Region | None) -> Person | None:
        height, width, _ = picture.shape
        return self._finder(picture, region) if region and region.usable(width, height) else None
