"""BlazePose's second network: landmarks of the person in a region."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from fitsense_pose.graph import Graph, UInt8Array, sigmoid
from fitsense_pose.region import FloatArray, Region

COUNT = 33
"""Number of landmarks per person."""

_SIZE = 256
_OUTPUTS = 39
_HEATMAP = 64
# Radius in pixels of the heatmap around a landmark for its refinement.
_REACH = 3
_MIN_PRESENCE = 0.5
_MIN_HEAT = 0.5


@attrs.frozen(eq=False)
class Person:
    """Landmarks of a person.

    :param image: float32 (33, 2), x and y in pixels of the picture.
    :param world: float32 (33, 3), x, y and z in metres from the middle of the hips, y down, as the camera sees them.
    :param visibility: float32 (33,), 0..1.
    :param presence: probability that there is a person, 0..1.
    :param next_region: region of this person for the next picture.
    """

    image: FloatArray
    world: FloatArray
    visibility: FloatArray
    presence: float
    next_region: Region


class LandmarkFinder:
    """Finds the landmarks of a person in a known region.

    :param file: ``pose_landmark_full.tflite``.
    :raises WeightsError: the file contains another network.
    """

    def __init__(self, file: Path, threads: int | None = None) -> None:
        self._graph = Graph(
            file,
            {
                "landmarks": (_OUTPUTS * 5,),
                "presence": (1,),
                "heatmap": (_HEATMAP, _HEATMAP, _OUTPUTS),
                "world": (_OUTPUTS * 3,),
            },
            values=(0.0, 1.0),
            beyond="border",
            threads=threads,
        )

    def __call__(self, picture: UInt8Array, region: Region) -> Person | None:
        """Landmarks of the person in a region of a picture, uint8 (height, width, 3); None without a person."""
        outputs = self._graph(picture, region)
        if not outputs["presence"][0] >= _MIN_PRESENCE:
            return None
        landmarks = outputs["landmarks"].reshape(_OUTPUTS, 5)
        points = region.to_picture(refine(landmarks[:, :2] / np.float32(_SIZE), outputs["heatmap"]))
        world = outputs["world"].reshape(_OUTPUTS, 3)[:COUNT].copy()
        world[:, :2] = world[:, :2] @ region.rotation.T
        return Person(
            image=points[:COUNT],
            world=world,
            visibility=sigmoid(landmarks[:COUNT, 3]),
            presence=float(outputs["presence"][0]),
            next_region=Region.around_person(points[COUNT : COUNT + 2]),
        )


def refine(points: FloatArray, heatmap: FloatArray) -> FloatArray:
    """Move points to the centroid of the heatmap around them, if its sum is large enough.

    :param points: float32 (points, 2), x and y in 0..1 of the square.
    :param heatmap: float32 (64, 64, points), logits.
    """
    side = len(heatmap)
    inside = np.all((points >= 0) & (points < 1), axis=1)
    # Any position serves for points outside, which are not used.
    x, y = np.where(inside[:, None], points * side, 0).astype(np.int64).T
    # The heatmap is zero outside its edges.
    padded = np.pad(heatmap, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), constant_values=-np.inf)
    steps = np.arange(2 * _REACH + 1)
    rows, columns = y[:, None, None] + steps[:, None], x[:, None, None] + steps
    heat = sigmoid(padded[rows, columns, np.arange(len(points))[:, None, None]])
    weights = heat / np.maximum(heat.sum(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    middle = np.stack([(weights * (columns - _REACH)).sum((1, 2)), (weights * (rows - _REACH)).sum((1, 2))], axis=1)
    moved = inside & (heat.max(axis=(1, 2)) >= _MIN_HEAT)
    return np.where(moved[:, None], middle / side, points).astype(np.float32)
