"""Stick figures and an estimator that sees them without any network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from fitsense.pose.landmarks import BodyDetection, BodyRegion, LandmarkSet, Pose
from fitsense.types import UInt8Array

_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))

STICKS = LandmarkSet(
    "sticks",
    [f"{side}_{joint}" for joint in _JOINTS for side in ("left", "right")],
    [(f"left_{joint}", f"right_{joint}") for joint in _JOINTS],
    [(f"{side}_{one}", f"{side}_{other}") for one, other in _BONES for side in ("left", "right")],
)
SIZE = (640, 480)
PICTURE: UInt8Array = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


def standing(height_m: float = 1.7, legs: float = 0.5) -> Any:
    """Somebody who stands, in metres from the middle of the hips, y down: float64 (12, 3).

    :param legs: part of the height that the legs are.
    """
    hip, knee, ankle = 0.0, legs * height_m / 2, legs * height_m
    shoulder = -0.3 * height_m
    elbow, wrist = shoulder + 0.17 * height_m, shoulder + 0.33 * height_m
    down = dict(zip(_JOINTS, (shoulder, elbow, wrist, hip, knee, ankle), strict=True))
    aside = dict(zip(_JOINTS, (0.11, 0.13, 0.13, 0.06, 0.06, 0.06), strict=True))
    # The person faces the camera: their left is on the picture's right.
    return np.array(
        [(sign * aside[joint] * height_m, down[joint], 0.0) for joint in _JOINTS for sign in (1, -1)], np.float64
    )


def pose_of(
    world: Any, x: float = 0.5, y: float = 0.5, scale: float = 0.3, *, score: float = 0.99, visibility: float = 1.0
) -> Pose:
    """The pose of a body whose hips are at x and y of the picture.

    :param world: (12, 3), metres.
    :param scale: longer sides of the picture that a metre is.
    """
    longer = max(SIZE)
    image = world[:, :2] * scale * longer / np.array(SIZE) + [x, y]
    points = np.concatenate([image, world, np.full((len(world), 1), visibility)], axis=1)
    return Pose(points, score, BodyRegion(x, y, 2.2 * scale))


@attrs.define
class Body:
    """Somebody in the scene."""

    x: float
    y: float = 0.5
    scale: float = 0.3
    score: float = 0.99
    world: Any = attrs.field(factory=standing)
    visibility: float = 1.0

    @property
    def pose(self) -> Pose:
        return pose_of(self.world, self.x, self.y, self.scale, score=self.score, visibility=self.visibility)


@attrs.define
class Scene:
    """An estimator of whoever is in `bodies`; those in front come first. It counts what it is asked."""

    bodies: list[Body] = attrs.field(factory=list)
    detections: int = 0
    estimates: int = 0

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        self.detections += 1
        return [BodyDetection(BodyRegion(body.x, body.y, 2.2 * body.scale), body.score) for body in self.bodies]

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        self.estimates += len(regions)
        return [self._estimate(region) for region in regions]

    def _estimate(self, region: BodyRegion) -> Pose | None:
        def distance(body: Body) -> float:
            return math.hypot(body.x - region.x, (body.y - region.y) * SIZE[1] / SIZE[0]) / region.side

        near = [body for body in self.bodies if distance(body) < 0.4]
        return min(near, key=distance).pose if near else None
