"""From clips to what the network takes: landmarks, without holes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fitsense_pose.config import PoseConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    UInt8Array = NDArray[np.uint8]


def load(config: PoseConfig, files: Mapping[str, Path], threads: int | None) -> Callable[[UInt8Array], FloatArray]:
    """What finds landmarks: from uint8 (clips, frames, size, size, 3) to float32 (clips, frames, 33, 6).

    :param files: BlazePose's networks, by the names in :data:`fitsense_pose.assets.ASSETS`.
    """
    from fitsense_pose.blazepose import BlazePose

    find = BlazePose(files["detector"], files["landmarks"], threads=threads)
    return lambda clips: fill(find(clips))


def fill(landmarks: FloatArray) -> FloatArray:
    """Landmarks, float32 (clips, frames, 33, 6), with those of the nearest frame, but invisible, where nobody was
    found. A clip in which nobody ever was is all zeros."""
    filled = np.zeros_like(landmarks)
    for into, clip in zip(filled, landmarks, strict=True):
        found = ~np.isnan(clip[:, 0, 0])
        if found.any():
            at = np.flatnonzero(found)
            nearest = at[np.abs(np.arange(len(clip))[:, None] - at).argmin(axis=1)]
            into[:] = clip[nearest]
            into[~found, :, 5] = 0.0
    return filled
