"""Statistics of a body's movement over a window that a linear layer can classify, and the signals of each frame.

Beside the statistics of :mod:`fitsense.nn.landmarks`, they say how a body is oriented, how far its joints are from each
other, which of its joints move together and how fast, and how it looks at both ends of the main movement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitsense.nn._coupling import coupling, coupling_size, extremes
from fitsense.nn._geometry import ANGLES, AT, HIPS, SHOULDERS, angles, is_found, middle, moves, point
from fitsense.nn._posture import Posture, posture_of
from fitsense.nn.landmarks import (
    ENDS,
    LANDMARKS,
    NUM_FEATURES,
    STATISTICS,
    describe,
    landmark_features,
    window_statistics,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NUM_MOVEMENT_FEATURES", "NUM_MOVEMENT_SIGNALS", "movement_features", "movement_signals"]

_HEIGHTS = (0, 15, 16, 27, 28, 23, 25, 26)
_DISTANCES, _ORIENTATION, _MOVES = 29, 16, 10
_SIGNALS = len(ANGLES) + len(_HEIGHTS) + 2 + len(ENDS) + 4 + 2
_ENDS_DESCRIBED = 3 * len(LANDMARKS) + len(ANGLES) + _ORIENTATION
_POSTURE = 2 * len(LANDMARKS) + len(LANDMARKS) + _DISTANCES + _ORIENTATION + _MOVES + 1

NUM_MOVEMENT_FEATURES = NUM_FEATURES + STATISTICS * _POSTURE + coupling_size(_SIGNALS) + 3 * _ENDS_DESCRIBED
"""Number of statistics of :func:`movement_features`."""

NUM_MOVEMENT_SIGNALS = NUM_FEATURES // STATISTICS + _POSTURE + len(LANDMARKS)
"""Number of signals of each frame of :func:`movement_signals`."""


def movement_signals(landmarks: Tensor) -> Tensor:
    """Signals of each frame of windows, for networks over time: float32 (clips, frames, NUM_MOVEMENT_SIGNALS).

    They are those that :func:`movement_features` takes statistics of, whose argument this takes.
    """
    import torch

    posture = posture_of(landmarks)
    return torch.cat(
        [
            describe(landmarks),
            posture.turned.flatten(2),
            posture.heights,
            posture.distances,
            posture.orientation,
            posture.moves,
            posture.aspect,
        ],
        dim=-1,
    )


def movement_features(landmarks: Tensor) -> Tensor:
    """Statistics of the movement of bodies over windows, float32 (clips, NUM_MOVEMENT_FEATURES).

    The first are those of :func:`fitsense.nn.landmarks.landmark_features`, whose argument this takes.
    """
    import torch

    posture = posture_of(landmarks)
    found = is_found(landmarks).mean(dim=1)
    turned = torch.cat([posture.turned[..., 0], posture.turned[..., 2]], dim=-1)
    cosines = angles(posture.relative)
    signals = _signals(landmarks, posture, cosines)
    described = torch.cat([posture.relative[..., 1], turned, cosines, posture.orientation], dim=-1)
    statistics = [
        window_statistics(block)
        for block in (
            turned,
            posture.heights,
            posture.distances,
            posture.orientation,
            torch.cat([posture.moves, posture.aspect], dim=-1),
        )
    ]
    related = [coupling(signals), extremes(signals, posture.heights, described)]
    return torch.cat([landmark_features(landmarks), torch.cat([*statistics, *related], dim=1) * found], dim=1)


def _signals(landmarks: Tensor, posture: Posture, cosines: Tensor) -> Tensor:
    """Signals whose coupling is described, scaled to similar ranges, (clips, frames, 30)."""
    import torch

    image = landmarks[..., 0:2]
    moving = [middle(image, HIPS), middle(image, SHOULDERS), *(point(image, end) for end in ENDS)]
    vertical = moves(landmarks, moving)[:, :, 1::2]
    return torch.cat(
        [
            cosines,
            posture.heights[:, :, [AT[landmark] for landmark in _HEIGHTS]] * 0.5,
            vertical * 2,
            posture.distances[:, :, :4] * 0.5,
            posture.orientation[:, :, [0, 2]],
        ],
        dim=-1,
    )
