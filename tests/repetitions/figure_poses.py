"""Poses of synthetic figures as an estimator would give them: movements with exact truth, without pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fitsense.pose.landmarks import Pose
from fitsense.synthetic.figures import FigureVideo
from tests.pose.bodies import STICKS, pose_of

RATE_HZ = 10.0
# Errors of landmarks: metres, in the picture and along it, and the part that lasts from one picture to the next.
_ERROR_M, _DEPTH_ERROR_M, _LASTING = 0.012, 0.03, 0.7


def figure_poses(video: FigureVideo, seed: int, turn: float = 0.5) -> Iterator[tuple[Pose, float]]:
    """The pose of a figure and its time, ten times a second.

    :param seed: of the errors of the landmarks, which wander.
    :param turn: angle by which the figure is turned from the camera, in radians.
    """
    random = np.random.default_rng(seed)
    cos, sin = math.cos(turn), math.sin(turn)
    about = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    size = np.array([_ERROR_M, _ERROR_M, _DEPTH_ERROR_M])
    error: Any = np.zeros((len(STICKS), 3))
    for index in range(round(video.duration_s * RATE_HZ)):
        time_s = index / RATE_HZ
        figure = video.pose(time_s)
        places = np.array([figure[_joint(name)] for name in STICKS.landmarks])
        hips = (figure["hip_l"] + figure["hip_r"]) / 2
        # A figure looks along +z, with y up; a pose has y down and z away from the camera.
        world = (places - hips) * [1.0, -1.0, -1.0] @ about.T
        fresh = random.normal(0.0, 1.0, error.shape) * size
        error = _LASTING * error + math.sqrt(1 - _LASTING**2) * fresh
        x, y = 0.5 + 0.15 * hips[0], 0.75 - 0.3 * hips[1]
        yield pose_of(world + error, x=x, y=y), time_s


def _joint(name: str) -> str:
    side, _, joint = name.partition("_")
    return f"{'hand' if joint == 'wrist' else joint}_{side[0]}"
