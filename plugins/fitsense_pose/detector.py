"""BlazePose's detector: position and orientation of people in a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fitsense_pose.graph import Graph, UInt8Array, sigmoid
from fitsense_pose.region import FloatArray, Region

MIN_SCORE = 0.5
"""Default for the lowest score of a detection."""

_SIZE = 224
# Stride of the anchors in pixels, by layer, and number of anchors at each position.
_LAYERS = ((8, 2), (16, 2), (32, 6))
_MIN_OVERLAP = 0.3


def anchors() -> FloatArray:
    """float32 (2254, 2): x and y of the anchors in 0..1, to which the network's boxes and points are relative."""
    layers = []
    for stride, each in _LAYERS:
        middles = (np.arange(_SIZE // stride, dtype=np.float32) + 0.5) * stride / _SIZE
        x, y = np.meshgrid(middles, middles)
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(layers)


class Detector:
    """Finds people in single pictures.

    :param file: ``pose_detection.tflite``.
    :raises WeightsError: the file contains another network.
    """

    def __init__(self, file: Path, threads: int | None = None) -> None:
        self._anchors = anchors()
        count = len(self._anchors)
        self._graph = Graph(
            file,
            {"boxes": (count, 12), "scores": (count, 1)},
            values=(-1.0, 1.0),
            beyond="zeros",
            threads=threads,
        )

    def look(self, picture: UInt8Array, square: Region, min_score: float = MIN_SCORE) -> tuple[FloatArray, FloatArray]:
        """All people in an upright square of a picture, uint8 (height, width, 3), merged by :func:`merge`.

        :returns: scores, float32 (people,), and float32 (people, 6, 2) in pixels of the picture.
        """
        outputs = self._graph(picture, square)
        scores, boxes = merge(*decode(outputs["scores"], outputs["boxes"], self._anchors, min_score))
        return scores, square.to_picture(boxes)


def decode(
    scores: FloatArray, boxes: FloatArray, anchors: FloatArray, min_score: float = MIN_SCORE
) -> tuple[FloatArray, FloatArray]:
    """Decode the detections above the score limit.

    :param scores: float32 (anchors, 1), logits.
    :param boxes: float32 (anchors, 12): a face's centre and size, then four points, in pixels from the anchor.
    :returns: scores (found,) in 0..1, and float32 (found, 6, 2) in 0..1 of the square: the box's upper left and lower
        right corner, the middle of the hips, the point on the circle around the body, and the same two for the
        upper body.
    """
    sure = sigmoid(scores[:, 0])
    kept = sure >= min_score
    pairs = boxes[kept].reshape(-1, 6, 2) / np.float32(_SIZE)
    points = pairs + anchors[kept][:, None]
    centre, half = points[:, 0], pairs[:, 1] / 2
    corners = np.stack([centre - half, centre + half], axis=1)
    return sure[kept], np.concatenate([corners, points[:, 2:]], axis=1)


def merge(scores: FloatArray, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Merge overlapping boxes to one per person, with its points: the mean weighted by scores.

    :returns: like the arguments, with the highest score first.
    """
    left = np.argsort(-scores, kind="stable")
    people = []
    while len(left):
        best = left[0]
        # A box without area overlaps nothing, not even itself.
        same = (left == best) | (_overlap(boxes[best], boxes[left]) > _MIN_OVERLAP)
        people.append((scores[best], np.average(boxes[left[same]], axis=0, weights=scores[left[same]])))
        left = left[~same]
    return (
        np.array([score for score, _ in people], np.float32),
        np.array([box for _, box in people], np.float32).reshape(-1, *boxes.shape[1:]),
    )


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of a box with others, by their corners."""

    def area(upper_left: FloatArray, lower_right: FloatArray) -> FloatArray:
        sides: FloatArray = np.maximum(lower_right - upper_left, 0)
        return sides[..., 0] * sides[..., 1]

    shared = area(np.maximum(box[0], others[:, 0]), np.minimum(box[1], others[:, 1]))
    union = area(box[0], box[1]) + area(others[:, 0], others[:, 1]) - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)
