"""Landmarks of a body, and statistics of its movement over a window, for networks on landmarks.

Statistics do not contain when in the window something happens, so that a network cannot memorise it: with few people in
the training data, they distinguish exercises of other people better than convolutions over time do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitsense.nn._geometry import (
    ANGLES,
    BODY,
    HIPS,
    LIMBS,
    SHOULDERS,
    angles,
    direction,
    is_found,
    middle,
    moves,
    places,
    point,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LANDMARKS", "NUM_FEATURES", "augment", "landmark_features", "mirror"]

LANDMARKS = BODY
"""BlazePose's numbers of the landmarks that describe a body: nose, then pairs of left and right: shoulders, elbows,
wrists, hips, knees, ankles, heels, feet, index fingers."""

ENDS = (15, 16, 27, 28)
"""Wrists and ankles."""

_MIRRORED = (0, *(position + 1 if position % 2 else position - 1 for position in range(1, len(LANDMARKS))))
_PERCENTILES = (0.1, 0.9)

STATISTICS = 3 + len(_PERCENTILES)
"""Number of statistics of each signal: mean, spread, percentiles and mean speed."""

_DESCRIBED = 3 * len(LANDMARKS) + len(ANGLES) + 3 * len(LIMBS) + 4 + 2 * len(ENDS) + len(LANDMARKS) + 1

NUM_FEATURES = STATISTICS * _DESCRIBED
"""Number of statistics of :func:`landmark_features`."""


def landmark_features(landmarks: Tensor) -> Tensor:
    """Statistics of the movement of bodies over windows, float32 (clips, NUM_FEATURES).

    For each window mean, spread, two percentiles and mean speed of: places relative to the hips in units of the torso,
    cosines of angles, directions of limbs, movements in the picture in units of the body, and visibility.

    :param landmarks: float32 (clips, frames, 19, 6): those of LANDMARKS, each x and y in the picture (both in
        units of the same length), x, y and z in metres, and visibility. All zeros without a person.
    """
    return window_statistics(describe(landmarks))


def window_statistics(signals: Tensor) -> Tensor:
    """Mean, spread, two percentiles and mean speed of signals (clips, frames, signals): (clips, 5 * signals)."""
    import torch

    frames = signals.shape[1]
    ascending = signals.sort(dim=1).values
    percentiles = []
    for share in _PERCENTILES:
        place = share * (frames - 1)
        below = int(place)
        rest = place - below
        percentiles.append(ascending[:, below] * (1 - rest) + ascending[:, min(below + 1, frames - 1)] * rest)
    mean = signals.mean(dim=1)
    # Not torch's std, whose gradient is not finite where nothing moves.
    spread = ((signals - mean.unsqueeze(1)).square().mean(dim=1) + 1e-6).sqrt()
    speed = (signals[:, 1:] - signals[:, :-1]).abs().mean(dim=1)
    return torch.cat([mean, spread, *percentiles, speed], dim=1)


def mirror(landmarks: Tensor) -> Tensor:
    """Mirror images of landmarks (clips, frames, 19, 6), whose x in the picture is relative to its middle."""
    import torch

    flip = torch.tensor([-1.0, 1.0, -1.0, 1.0, 1.0, 1.0], device=landmarks.device)
    return landmarks[:, :, list(_MIRRORED)] * flip


def augment(landmarks: Tensor, *, yaw: float, tilt: float, noise: float, bias: float) -> Tensor:
    """Vary bodies at random for training: other directions of view, other proportions, noise.

    :param landmarks: as for :func:`landmark_features`.
    :param yaw: largest rotation about the vertical, in radians.
    :param tilt: standard deviation of the other rotations, in radians.
    :param noise: standard deviation of noise per landmark and frame, in metres.
    :param bias: standard deviation of noise per landmark and window, in metres.
    :returns: the same shape; half of the bodies are mirrored.
    """
    import torch

    clips, device = len(landmarks), landmarks.device
    image, world, visible = landmarks[..., 0:2], landmarks[..., 2:5], landmarks[..., 5:]
    turn = _rotation((torch.rand(clips) * 2 - 1) * yaw, 0, 2) @ _rotation(torch.randn(clips) * tilt, 0, 1)
    turn = turn @ _rotation(torch.randn(clips) * tilt, 1, 2)
    world = torch.einsum("cij,ctkj->ctki", turn.to(device), world)
    world = world + torch.randn_like(world) * noise + torch.randn_like(world[:, :1]) * bias
    varied = torch.cat([image, world, visible], dim=-1)
    return torch.where((torch.rand(clips, 1, 1, 1) < 0.5).to(device), mirror(varied), varied)


def describe(landmarks: Tensor) -> Tensor:
    """Signals of each frame of (clips, frames, 19, 6), (clips, frames, signals)."""
    import torch

    image, visible = landmarks[..., 0:2], landmarks[..., 5]
    # Zero only without a person: then all results are zero, up to rounding.
    found = is_found(landmarks)
    relative = places(landmarks)
    limbs = torch.cat([direction(relative, start, end) for start, end in LIMBS], dim=-1)
    moving = [middle(image, HIPS), middle(image, SHOULDERS), *(point(image, end) for end in ENDS)]
    described = torch.cat(
        [relative.flatten(2), angles(relative), limbs, moves(landmarks, moving), visible, found], dim=-1
    )
    return described * found.mean(dim=1, keepdim=True)


def _rotation(angles: Tensor, one: int, other: int) -> Tensor:
    """Matrices (clips, 3, 3) that rotate axis `one` towards `other`."""
    import torch

    matrices = torch.eye(3).repeat(len(angles), 1, 1)
    matrices[:, one, one] = matrices[:, other, other] = torch.cos(angles)
    matrices[:, one, other] = torch.sin(angles)
    matrices[:, other, one] = -torch.sin(angles)
    return matrices
