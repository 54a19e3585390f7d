"""Input of the network from poses: landmarks without gaps, and the share of frames that have some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fitsense import InvalidInputError
from fitsense_pose.config import PoseConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]


def from_poses(config: PoseConfig, poses: FloatArray) -> FloatArray:
    """Landmarks without gaps, of poses that may be NaN, both float32 (clips, frames, 33, 6).

    A frame without a person gets the landmarks of the nearest frame, but invisible. A clip without a person is all
    zeros.

    :param poses: of any number of frames.
    """
    landmarks = config.observation()[1:]
    if poses.ndim != 4 or poses.shape[2:] != landmarks:
        raise InvalidInputError(
            f"poses: expected shape (clips, frames, {', '.join(map(str, landmarks))}), got {poses.shape}"
        )
    filled = np.zeros_like(poses)
    for into, clip in zip(filled, poses, strict=True):
        found = ~np.isnan(clip[:, 0, 0])
        if found.any():
            at = np.flatnonzero(found)
            nearest = at[np.abs(np.arange(len(clip))[:, None] - at).argmin(axis=1)]
            into[:] = clip[nearest]
            into[~found, :, 5] = 0.0
    return filled


def shown(config: PoseConfig, landmarks: FloatArray) -> FloatArray:
    """Evidence of each clip, float32 (clips,): the squared share of the frames that show a person.

    Of a movement that is seen in half of the frames, less than half is known.

    :param landmarks: as :func:`from_poses` returns them.
    """
    share = (landmarks[..., 5].max(axis=2) > 0).mean(axis=1)
    return np.asarray(np.square(share), dtype=np.float32)
