"""Points, directions and distances of bodies, float32 (clips, frames, landmarks, axes), by BlazePose's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BODY = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 19, 20)
"""BlazePose's numbers of the landmarks that describe a body."""

AT = {landmark: position for position, landmark in enumerate(BODY)}
"""Position in :data:`BODY` by BlazePose's number."""

SHOULDERS, HIPS = (11, 12), (23, 24)

ANGLES = (
    (11, 13, 15),
    (12, 14, 16),
    (13, 11, 23),
    (14, 12, 24),
    (11, 23, 25),
    (12, 24, 26),
    (23, 25, 27),
    (24, 26, 28),
    (25, 27, 31),
    (26, 28, 32),
)
"""The angle at the middle landmark: elbows, shoulders, hips, knees, ankles, on each side."""

LIMBS = (
    (11, 13),
    (12, 14),
    (13, 15),
    (14, 16),
    (23, 25),
    (24, 26),
    (25, 27),
    (26, 28),
    (11, 23),
    (12, 24),
    (11, 12),
    (23, 24),
)
"""Upper arms, forearms, thighs, shins, sides, shoulders, hips: from, to."""

_SHORTEST_TORSO_M = 0.2
_SMALLEST_BODY = 0.05


def point(points: Tensor, landmark: int) -> Tensor:
    """One landmark, (clips, frames, axes)."""
    return points[:, :, AT[landmark]]


def middle(points: Tensor, pair: tuple[int, int]) -> Tensor:
    """The middle between two landmarks, (clips, frames, axes)."""
    return (point(points, pair[0]) + point(points, pair[1])) / 2


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1; a vector of length 0 stays one."""
    return vectors / (vectors.square().sum(dim=-1, keepdim=True) + 1e-9).sqrt()


def direction(points: Tensor, start: int, end: int) -> Tensor:
    """Unit vectors from one landmark to another, (clips, frames, 3)."""
    return unit(point(points, end) - point(points, start))


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Distances between points, without the last axis."""
    # Not torch's norm, whose gradient is not finite where the points are the same.
    return ((one - other).square().sum(dim=-1) + 1e-9).sqrt()


def cross(one: Tensor, other: Tensor) -> Tensor:
    """Cross products of vectors in the last axis, of length 3."""
    import torch

    (x, y, z), (u, v, w) = one.unbind(dim=-1), other.unbind(dim=-1)
    return torch.stack([y * w - z * v, z * u - x * w, x * v - y * u], dim=-1)


def is_found(landmarks: Tensor) -> Tensor:
    """1 for each frame in which a body was found, else 0, (clips, frames, 1)."""
    return (landmarks[..., 5].sum(dim=2, keepdim=True) > 0).float()


def places(landmarks: Tensor) -> Tensor:
    """Places relative to the middle of the hips in units of the window's mean torso, (clips, frames, landmarks, 3)."""
    world = landmarks[..., 2:5]
    hips = middle(world, HIPS)
    torso = (middle(world, SHOULDERS) - hips).norm(dim=-1).mean(dim=1).clamp(min=_SHORTEST_TORSO_M)
    relative: Tensor = (world - hips.unsqueeze(2)) / torso[:, None, None, None]
    return relative


def angles(relative: Tensor) -> Tensor:
    """Cosines of the angles :data:`ANGLES`, (clips, frames, 10)."""
    import torch

    cosines = [
        (direction(relative, joint, one) * direction(relative, joint, other)).sum(dim=-1)
        for one, joint, other in ANGLES
    ]
    return torch.stack(cosines, dim=-1)


def moves(landmarks: Tensor, points: list[Tensor]) -> Tensor:
    """Movement of points in the picture around their mean place, in units of the body, (clips, frames, 2 * points).

    :param points: each (clips, frames, 2).
    """
    import torch

    image = landmarks[..., 0:2]
    body = (image.amax(dim=2) - image.amin(dim=2)).norm(dim=-1).mean(dim=1).clamp(min=_SMALLEST_BODY)[:, None, None]
    return torch.cat([(each - each.mean(dim=1, keepdim=True)) / body for each in points], dim=-1)
