"""Signals of each frame beyond those of :mod:`fitsense.nn.landmarks`: heights, distances between joints, orientation.

All are float32 (clips, frames, signals), and computed without loops over frames, so that they can be exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from fitsense.nn._geometry import HIPS, SHOULDERS, cross, direction, distance, middle, moves, places, point, unit

if TYPE_CHECKING:
    from torch import Tensor

# Of each side: wrist, shoulder, opposite shoulder, hip, knee, ankle, elbow.
_SIDES = ((15, 11, 12, 23, 25, 27, 13), (16, 12, 11, 24, 26, 28, 14))
_PAIRS = ((15, 16), (13, 14), (25, 26), (27, 28))
_ARMS = ((11, 13), (12, 14), (13, 15), (14, 16))
_THIGHS = ((23, 25), (24, 26))
# Nose, knees and elbows; landmark_features has hips, shoulders, wrists and ankles.
_MOVING = (0, 25, 26, 13, 14)


@attrs.frozen(eq=False)
class Posture:
    """Signals of each frame.

    :param relative: places (clips, frames, landmarks, 3), relative to the hips in units of the torso.
    :param turned: the same, rotated about the vertical so that left and right lie along x.
    :param heights: height of each landmark above the lowest one.
    :param distances: 29 distances between joints.
    :param orientation: 16 cosines: chest, pelvis and torso against gravity, limbs and head against chest and torso.
    :param moves: movements of five more points in the picture.
    :param aspect: logarithm of the body's width over its height in the picture, one signal.
    """

    relative: Tensor
    turned: Tensor
    heights: Tensor
    distances: Tensor
    orientation: Tensor
    moves: Tensor
    aspect: Tensor


def posture_of(landmarks: Tensor) -> Posture:
    """Posture signals of landmarks, as :func:`fitsense.nn.landmarks.landmark_features` takes them."""
    import torch

    image = landmarks[..., 0:2]
    relative = places(landmarks)
    vertical = relative[..., 1]
    extent = image.amax(dim=2) - image.amin(dim=2)
    return Posture(
        relative=relative,
        turned=_turned(relative),
        heights=vertical.amax(dim=2, keepdim=True) - vertical,
        distances=_distances(relative),
        orientation=_orientation(relative),
        moves=moves(landmarks, [point(image, landmark) for landmark in _MOVING]),
        aspect=torch.log((extent[..., 0:1] + 0.02) / (extent[..., 1:2] + 0.02)),
    )


def _turned(relative: Tensor) -> Tensor:
    """Places rotated about the vertical so that the window's mean axis from right to left is x."""
    import torch

    axis = (point(relative, 11) - point(relative, 12)) + (point(relative, 23) - point(relative, 24))
    mean = axis.mean(dim=1)
    length = (mean[:, 0].square() + mean[:, 2].square() + 1e-6).sqrt()
    cosine, sine = (mean[:, 0] / length)[:, None, None], (mean[:, 2] / length)[:, None, None]
    x, y, z = relative.unbind(dim=-1)
    return torch.stack([x * cosine + z * sine, y, -x * sine + z * cosine], dim=-1)


def _distances(relative: Tensor) -> Tensor:
    import torch

    hips, nose = middle(relative, HIPS), point(relative, 0)

    def between(one: int, other: int) -> Tensor:
        return distance(point(relative, one), point(relative, other))

    signals = [between(*pair) for pair in _PAIRS]
    for wrist, shoulder, opposite, hip, knee, ankle, elbow in _SIDES:
        signals += [
            between(wrist, shoulder),
            between(wrist, opposite),
            between(wrist, 0),
            distance(point(relative, wrist), hips),
            between(wrist, hip),
            between(wrist, knee),
            between(wrist, ankle),
            between(elbow, hip),
            between(ankle, hip),
            distance(nose, point(relative, knee)),
            between(elbow, knee),
        ]
    signals += [between(15, 14), between(16, 13), distance(middle(relative, (15, 16)), middle(relative, (27, 28)))]
    return torch.stack(signals, dim=-1)


def _orientation(relative: Tensor) -> Tensor:
    import torch

    shoulders, hips = middle(relative, SHOULDERS), middle(relative, HIPS)
    chest = unit(cross(point(relative, 11) - point(relative, 12), shoulders - hips))
    pelvis = unit(cross(point(relative, 23) - point(relative, 24), hips - middle(relative, (25, 26))))
    torso = unit(shoulders - hips)

    def cosine(one: Tensor, other: Tensor) -> Tensor:
        return (one * other).sum(dim=-1)

    limbs = [direction(relative, *limb) for limb in (*_ARMS, *_THIGHS)]
    signals = [
        chest[..., 1],
        pelvis[..., 1],
        torso[..., 1],
        *(cosine(chest, limb) for limb in limbs),
        *(cosine(torso, limb) for limb in limbs),
        cosine(chest, unit(point(relative, 0) - shoulders)),
    ]
    return torch.stack(signals, dim=-1)
