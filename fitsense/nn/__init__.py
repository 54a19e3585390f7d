"""Torch helpers for networks. Importing this needs no torch; calling it needs ``fitsense[torch]``."""

from __future__ import annotations

from fitsense.nn import landmarks as landmarks
from fitsense.nn import movement as movement
from fitsense.nn.clips import clip_normaliser, pytorchvideo_models

__all__ = ["clip_normaliser", "pytorchvideo_models"]
