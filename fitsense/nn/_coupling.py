"""Statistics of a window that relate signals to each other: which move together, how fast, and between which ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fitsense.nn._geometry import AT, unit

if TYPE_CHECKING:
    from torch import Tensor

FREQUENCIES = 6
"""Number of multiples of the window's frequency in the spectrum."""

_ITERATIONS = 8
_SHARPNESS = 2.5


def coupling(signals: Tensor) -> Tensor:
    """Correlations of signals (clips, frames, signals), the share of each in the movement, and its spectrum.

    :returns: (clips, coupling_size(signals)): correlations of pairs, shares of signals, shares of frequencies, and the
        logarithm of the energy.
    """
    import torch

    centred = signals - signals.mean(dim=1, keepdim=True)
    frames, count = centred.shape[1:]
    covariance = centred.transpose(1, 2) @ centred / frames
    spread = (torch.diagonal(covariance, dim1=1, dim2=2) + 1e-9).sqrt()
    scale = spread + 0.03
    correlation = covariance / (scale[:, :, None] * scale[:, None, :])
    pairs = [row * count + column for row in range(count) for column in range(row + 1, count)]
    share = spread / (spread.sum(dim=1, keepdim=True) + 0.1)
    steps = torch.arange(frames, dtype=torch.float32, device=signals.device)
    turns = torch.arange(1, FREQUENCIES + 1, dtype=torch.float32, device=signals.device)
    phase = 2 * math.pi / frames * turns[:, None] * steps[None, :]
    power = (torch.cos(phase) @ centred).square() + (torch.sin(phase) @ centred).square()
    energy = power.sum(dim=2) / frames
    total = energy.sum(dim=1, keepdim=True)
    spectrum = energy / (total + 0.02)
    return torch.cat([correlation.flatten(1)[:, pairs], share, spectrum, torch.log(total + 0.02)], dim=1)


def coupling_size(signals: int) -> int:
    """Length of a row of :func:`coupling`."""
    return signals * (signals - 1) // 2 + signals + FREQUENCIES + 1


def extremes(signals: Tensor, heights: Tensor, described: Tensor) -> Tensor:
    """The body at both ends of the main movement, and their difference, (clips, 3 * described).

    The main movement is the first principal component of `signals`; its upper end is the one with higher hands and
    shoulders.

    :param heights: height of each landmark, (clips, frames, landmarks).
    :param described: what is averaged near each end, (clips, frames, described).
    """
    import torch

    centred = signals - signals.mean(dim=1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / centred.shape[1]
    component = torch.diagonal(covariance, dim1=1, dim2=2).sqrt() + 1e-4
    for _ in range(_ITERATIONS):
        component = unit((covariance @ component.unsqueeze(-1)).squeeze(-1) + 1e-6 * component)
    position = (centred @ component.unsqueeze(-1)).squeeze(-1)
    upper = heights[:, :, [AT[15], AT[16]]].mean(dim=-1) + heights[:, :, [AT[11], AT[12]]].mean(dim=-1)
    upper = upper - upper.mean(dim=1, keepdim=True)
    sign = torch.sign((upper * position).mean(dim=1, keepdim=True) + 1e-9)
    position = position * sign
    position = position / (position.square().mean(dim=1, keepdim=True).sqrt() + 0.02)
    top, bottom = (
        (torch.softmax(end * _SHARPNESS * position, dim=1).unsqueeze(-1) * described).sum(dim=1) for end in (1, -1)
    )
    return torch.cat([top, bottom, top - bottom], dim=1)
