"""Landmarks of a body, and what describes its movement over a window; for plugins whose networks look at bodies.

Statistics forget when in the window something happened, and so cannot learn it by heart: with as few people as there
are to learn from, they tell exercises of unseen people apart better than convolutions over time do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LANDMARKS", "NUM_FEATURES", "augment", "landmark_features", "mirror"]

LANDMARKS = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 19, 20)
"""BlazePose's numbers of the landmarks that describe a body: nose, then pairs of left and right: shoulders, elbows,
wrists, hips, knees, ankles, heels, feet, index fingers."""

_AT = {landmark: position for position, landmark in enumerate(LANDMARKS)}
_MIRRORED = (0, *(position + 1 if position % 2 else position - 1 for position in range(1, len(LANDMARKS))))
# The middle one's angle: elbows, shoulders, hips, knees, ankles; each side.
_ANGLES = (
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
# Upper arms, forearms, thighs, shins, sides, shoulders, hips: from, to.
_LIMBS = (
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
_SHOULDERS, _HIPS, _ENDS = (11, 12), (23, 24), (15, 16, 27, 28)
_PERCENTILES = (0.1, 0.9)
# Mean, spread and mean speed besides.
_STATISTICS = 3 + len(_PERCENTILES)
_DESCRIBED = 3 * len(LANDMARKS) + len(_ANGLES) + 3 * len(_LIMBS) + 4 + 2 * len(_ENDS) + len(LANDMARKS) + 1
_SHORTEST_TORSO_M = 0.2
_SMALLEST_BODY = 0.05

NUM_FEATURES = _STATISTICS * _DESCRIBED
"""How many statistics :func:`landmark_features` gives."""


def landmark_features(landmarks: Tensor) -> Tensor:
    """What describes the movement of bodies over windows, float32 (clips, NUM_FEATURES).

    For each window mean, spread, two percentiles and mean speed of: places relative to the hips in units of the torso,
    cosines of angles, directions of limbs, movements in the picture in units of the body, and visibility.

    :param landmarks: float32 (clips, frames, 19, 6): those of LANDMARKS, each x and y in the picture (both in
        units of the same length), x, y and z in metres, and visibility. All zeros where nobody was found.
    """
    import torch

    described = _describe(landmarks)
    frames = described.shape[1]
    ascending = described.sort(dim=1).values
    percentiles = []
    for share in _PERCENTILES:
        place = share * (frames - 1)
        below = int(place)
        rest = place - below
        percentiles.append(ascending[:, below] * (1 - rest) + ascending[:, min(below + 1, frames - 1)] * rest)
    mean = described.mean(dim=1)
    # Not torch's own std, whose gradient is not finite where nothing moves.
    spread = ((described - mean.unsqueeze(1)).square().mean(dim=1) + 1e-6).sqrt()
    speed = (described[:, 1:] - described[:, :-1]).abs().mean(dim=1)
    return torch.cat([mean, spread, *percentiles, speed], dim=1)


def mirror(landmarks: Tensor) -> Tensor:
    """Mirror images of landmarks (clips, frames, 19, 6), whose x in the picture is relative to its middle."""
    import torch

    flip = torch.tensor([-1.0, 1.0, -1.0, 1.0, 1.0, 1.0], device=landmarks.device)
    return landmarks[:, :, list(_MIRRORED)] * flip


def augment(landmarks: Tensor, *, yaw: float, tilt: float, noise: float, bias: float) -> Tensor:
    """The same bodies as somebody else may show them from elsewhere: for training.

    :param landmarks: as for :func:`landmark_features`.
    :param yaw: bodies are turned about the vertical by up to this angle, in radians.
    :param tilt: standard deviation of how far they lean otherwise, in radians.
    :param noise: standard deviation of what is added to every landmark, in metres.
    :param bias: standard deviation of what is added to a landmark for a whole window, in metres.
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


def _describe(landmarks: Tensor) -> Tensor:
    """(clips, frames, 19, 6) to what describes each frame, (clips, frames, described)."""
    import torch

    image, world, visible = landmarks[..., 0:2], landmarks[..., 2:5], landmarks[..., 5]
    # Zero only where nobody was found: then all that follows is zero but for rounding.
    found = (visible.sum(dim=2, keepdim=True) > 0).float()
    shoulders, hips = _middle(world, _SHOULDERS), _middle(world, _HIPS)
    torso = (shoulders - hips).norm(dim=-1).mean(dim=1).clamp(min=_SHORTEST_TORSO_M)[:, None, None, None]
    places = (world - hips.unsqueeze(2)) / torso
    angles = torch.stack(
        [
            (_direction(places, middle, one) * _direction(places, middle, other)).sum(dim=-1)
            for one, middle, other in _ANGLES
        ],
        dim=-1,
    )
    limbs = torch.cat([_direction(places, start, end) for start, end in _LIMBS], dim=-1)
    body = (image.amax(dim=2) - image.amin(dim=2)).norm(dim=-1).mean(dim=1).clamp(min=_SMALLEST_BODY)[:, None, None]
    moving = [_middle(image, _HIPS), _middle(image, _SHOULDERS), *(image[:, :, _AT[end]] for end in _ENDS)]
    moves = torch.cat([(point - point.mean(dim=1, keepdim=True)) / body for point in moving], dim=-1)
    described = torch.cat([places.flatten(2), angles, limbs, moves, visible, found], dim=-1)
    return described * found.mean(dim=1, keepdim=True)


def _rotation(angles: Tensor, one: int, other: int) -> Tensor:
    """Matrices (clips, 3, 3) that turn axis `one` towards `other`."""
    import torch

    matrices = torch.eye(3).repeat(len(angles), 1, 1)
    matrices[:, one, one] = matrices[:, other, other] = torch.cos(angles)
    matrices[:, one, other] = torch.sin(angles)
    matrices[:, other, one] = -torch.sin(angles)
    return matrices


def _middle(points: Tensor, pair: tuple[int, int]) -> Tensor:
    return (points[:, :, _AT[pair[0]]] + points[:, :, _AT[pair[1]]]) / 2


def _direction(points: Tensor, start: int, end: int) -> Tensor:
    """Unit vectors from one landmark to another, (clips, frames, 3)."""
    vector = points[:, :, _AT[end]] - points[:, :, _AT[start]]
    return vector / (vector.square().sum(dim=-1, keepdim=True) + 1e-9).sqrt()
