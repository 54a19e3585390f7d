"""Optical flow of clips, and features from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fitsense import MissingExtraError
from fitsense_motion.config import FlowConfig
from fitsense_motion.statistics import FloatArray, statistics

UInt8Array = npt.NDArray[np.uint8]

SIDE = 28
"""Height and width to which flow is averaged."""


def load(config: FlowConfig, files: Mapping[str, Path], threads: int | None) -> Callable[[UInt8Array], FloatArray]:
    """Load the function from clips, uint8 (clips, frames, size, size, 3), to features, float32 (clips, feature_dim).

    :param files: none.
    :param threads: not used, since OpenCV has one setting per process, which belongs to the host program.
    :raises MissingExtraError: ``fitsense[motion]`` is not installed.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the backbone motion/flow", "motion", error) from error

    def observe(clips: UInt8Array) -> FloatArray:
        features = np.zeros((len(clips), config.feature_dim()), np.float32)
        for clip, row in zip(clips, features, strict=True):
            row[:] = statistics(dense_flow(clip, config.rate_hz), config.rate_hz)
        return features

    return observe


def dense_flow(clip: UInt8Array, rate_hz: float) -> FloatArray:
    """Flow between consecutive frames of a clip, uint8 (frames, size, size, 3) (Kroeger et al. 2016).

    :param rate_hz: frames per second.
    :returns: float32 (frames - 1, SIDE, SIDE, 2): right and down, in sides of the picture per second.
    """
    import cv2

    # The object keeps its last result, so that threads cannot share it. Its type stubs lack None.
    finder: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in clip]
    flow = np.empty((len(grey) - 1, SIDE, SIDE, 2), np.float32)
    for at, (before, after) in enumerate(itertools.pairwise(grey)):
        cv2.resize(finder.calc(before, after, None), (SIDE, SIDE), flow[at], interpolation=cv2.INTER_AREA)
    return flow * np.float32(rate_hz / clip.shape[1])
