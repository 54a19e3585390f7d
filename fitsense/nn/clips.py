"""Helpers for backbone plugins that build torch networks."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.nn.compat import beside_torchvision

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.types import ClipSpec


def pytorchvideo_models(name: str) -> ModuleType:
    """The module ``pytorchvideo.models.<name>``.

    :raises MissingExtraError: torch, torchvision or pytorchvideo is not installed.
    """
    try:
        return beside_torchvision(f"pytorchvideo.models.{name}")
    except ImportError as error:
        raise MissingExtraError("building a network", "torch", error) from error


def clip_normaliser(clip: ClipSpec, mean: tuple[float, float, float], std: tuple[float, float, float]) -> nn.Module:
    """A module from clips, uint8 (clips, frames, size, size, 3), to what video networks take, float32
    (clips, 3, frames, size, size): scaled to 0..1, mean subtracted, divided by std.

    The module raises :class:`InvalidInputError` for clips of another shape or dtype.
    """
    import torch
    from torch import nn

    class ClipNormaliser(nn.Module):
        mean: Tensor
        std: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1, 1), persistent=False)

        def forward(self, clips: Tensor) -> Tensor:
            if tuple(clips.shape[1:]) != clip.shape or clips.dtype != torch.uint8:
                raise InvalidInputError(
                    f"clips: expected uint8 of shape (clips, {', '.join(map(str, clip.shape))}), "
                    f"got {str(clips.dtype).removeprefix('torch.')} of shape {tuple(clips.shape)}"
                )
            return (clips.permute(0, 4, 1, 2, 3).float() / 255.0 - self.mean) / self.std

    return ClipNormaliser()
