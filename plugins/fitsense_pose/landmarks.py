"""BlazePose's second network: the landmarks of the person in a region."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from fitsense_pose.graph import Graph, UInt8Array, sigmoid
from fitsense_pose.region import FloatArray, Region

COUNT = 33
"""How many landmarks a person has."""

_SIZE = 256
_OUTPUTS = 39
_HEATMAP = 64
# Pixels of the heatmap to each side of a landmark that refine it.
_REACH = 3
_MIN_PRESENCE = 0.5
_MIN_HEAT = 0.5


@attrs.frozen(eq=False)
class Person:
    """Somebody's landmarks.

    :param image: float32 (33, 2), x and y in pixels of the picture.
    :param world: float32 (33, 3), x, y and z in metres from the middle of the hips, y down, as the camera sees them.
    :param visibility: float32 (33,), 0..1.
    :param presence: how sure it is that there is a person, 0..1.
    :param next_region: where to look for this person in the next picture.
    """

    image: FloatArray
    world: FloatArray
    visibility: FloatArray
    presence: float
    next_region: Region


class LandmarkFinder:
    """Finds a person's landmarks where the person is known to be.

    :param file: ``pose_landmark_full.tflite``.
    :raises WeightsError: it is another file.
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
        """The person in a region of a picture, uint8 (height, width, 3); None if there is nobody."""
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
    """Points moved to the middle of the heat around them, where there is enough.

    :param points: float32 (points, 2), x and y in 0..1 of the square.
    :param heatmap: float32 (64, 64, points), logits.
    """
    side = len(heatmap)
    inside = np.all((points >= 0) & (points < 1), axis=1)
    # Where a point is outside, any place will do: it is not used.
    x, y = np.where(inside[:, None], points * side, 0).astype(np.int64).T
    # Beyond its edges, the map is cold.
    padded = np.pad(heatmap, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), constant_values=-np.inf)
    steps = np.arange(2 * _REACH + 1)
    rows, columns = y[:, None, None] + steps[:, None], x[:, None, None] + steps
    heat = sigmoid(padded[rows, columns, np.arange(len(points))[:, None, None]])
    weights = heat / np.maximum(heat.sum(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    middle = np.stack([(weights * (columns - _REACH)).sum((1, 2)), (weights * (rows - _REACH)).sum((1, 2))], axis=1)
    moved = inside & (heat.max(axis=(1, 2)) >= _MIN_HEAT)
    return np.where(moved[:, None], middle / side, points).astype(np.float32)
