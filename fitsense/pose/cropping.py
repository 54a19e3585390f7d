"""Places in a part of a picture, and the same places in the whole picture."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense.geometry import Region
from fitsense.pose.landmarks import BodyDetection, BodyRegion, Pose, X, Y
from fitsense.types import FloatArray


@attrs.frozen
class Crop:
    """The part of a picture that an estimator gets; lengths in pixels.

    :param left: columns of the picture to the left of it.
    :param top: rows of the picture above it.
    :param size: width and height of the part.
    :param picture: width and height of the whole picture.
    """

    left: int
    top: int
    size: tuple[int, int]
    picture: tuple[int, int]

    @classmethod
    def of(cls, region: Region | None, width: int, height: int) -> Crop:
        """The part that :meth:`Region.crop` keeps; all of the picture without a region."""
        if region is None:
            return cls(0, 0, (width, height), (width, height))
        rows, columns = region.pixels(height, width)
        return cls(columns.start, rows.start, (columns.stop - columns.start, rows.stop - rows.start), (width, height))

    def region_to_crop(self, region: BodyRegion) -> BodyRegion:
        """A region of the picture, as one of the part."""
        if self.size == self.picture:
            return region
        return attrs.evolve(
            region,
            x=(region.x * self.picture[0] - self.left) / self.size[0],
            y=(region.y * self.picture[1] - self.top) / self.size[1],
            side=region.side * max(self.picture) / max(self.size),
        )

    def region_to_picture(self, region: BodyRegion) -> BodyRegion:
        """A region of the part, as one of the picture."""
        if self.size == self.picture:
            return region
        return attrs.evolve(
            region,
            x=(region.x * self.size[0] + self.left) / self.picture[0],
            y=(region.y * self.size[1] + self.top) / self.picture[1],
            side=region.side * max(self.size) / max(self.picture),
        )

    def landmarks_to_crop(self, landmarks: FloatArray) -> FloatArray:
        """Landmarks in the picture, float32 (landmarks, 6), as landmarks in the part."""
        if self.size == self.picture:
            return landmarks
        shown = landmarks.copy()
        for column, start, size, whole in zip((X, Y), (self.left, self.top), self.size, self.picture, strict=True):
            shown[:, column] = (landmarks[:, column] * np.float32(whole) - np.float32(start)) / np.float32(size)
        return shown

    def box_to_crop(self, box: Region) -> Region | None:
        """A box in the picture, as one in the part, beyond which it may reach; None if it lies outside."""
        left, top, right, bottom = self.edges_to_crop(box)
        # Edges far outside are not those of a region.
        left, top, right, bottom = max(left, -0.5), max(top, -0.5), min(right, 1.5), min(bottom, 1.5)
        if min(right, 1.0) <= max(left, 0.0) or min(bottom, 1.0) <= max(top, 0.0):
            return None
        return Region(left, top, right, bottom)

    def edges_to_crop(self, box: Region) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge of a box in the picture, in shares of the part; also outside it."""
        (width, height), (whole_x, whole_y) = self.size, self.picture
        return (
            (box.left * whole_x - self.left) / width,
            (box.top * whole_y - self.top) / height,
            (box.right * whole_x - self.left) / width,
            (box.bottom * whole_y - self.top) / height,
        )

    def detection_to_picture(self, detection: BodyDetection) -> BodyDetection:
        """A detection in the part, as one in the picture."""
        return BodyDetection(self.region_to_picture(detection.region), detection.score)

    def pose_to_picture(self, pose: Pose) -> Pose:
        """A pose in the part, as one in the picture."""
        if self.size == self.picture:
            return pose
        landmarks = pose.landmarks.copy()
        for column, start, size, whole in zip((X, Y), (self.left, self.top), self.size, self.picture, strict=True):
            landmarks[:, column] = (landmarks[:, column] * np.float32(size) + np.float32(start)) / np.float32(whole)
        region = None if pose.region is None else self.region_to_picture(pose.region)
        return Pose(landmarks, pose.score, region)
