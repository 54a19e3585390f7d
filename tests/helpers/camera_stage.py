"""Pictures of a camera in a drawn room, and the warnings about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from fitsense.camera.monitor import CameraConfig, CameraMonitor, CameraWarning
from fitsense.types import UInt8Array

RATE_HZ = 10.0


# Seconds of each state, so that the sequences are short.
QUICK = CameraConfig(
    picture_black_s=1.0, camera_blocked_s=1.0, picture_frozen_s=1.5, no_person_s=2.0, no_motion_s=3.0, clear_s=0.5
)

Kind = str


@cache
def room(seed: int) -> UInt8Array:
    """A room with objects, uint8 (96, 96, 3), larger than the camera's view of it."""
    random = np.random.default_rng(seed)
    picture = np.full((96, 96, 3), 128, dtype=np.uint8)
    for _ in range(80):
        top, left = random.integers(0, 92, 2)
        height, width = random.integers(3, 20, 2)
        picture[top : top + height, left : left + width] = random.integers(20, 235, 3)
    return picture


class Stage:
    """Renders the pictures of a camera in a room; they depend on the time only."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.pictures: list[UInt8Array] = []

    @property
    def time_s(self) -> float:
        return len(self.pictures) / RATE_HZ

    def show(self, seconds: float, kind: Kind = "person", scene: int = 0, at: tuple[int, int] = (16, 16)) -> Stage:
        """Continue with a kind of picture."""
        for _ in range(round(seconds * RATE_HZ)):
            self.pictures.append(self._picture(kind, room(scene), at))
        return self

    def _picture(self, kind: Kind, backdrop: UInt8Array, at: tuple[int, int]) -> UInt8Array:
        count = len(self.pictures)
        random = np.random.default_rng([self.seed, count])
        noise = random.normal(0.0, 0.8, (64, 64, 3))
        if kind == "frozen":
            return self.pictures[-1]
        if kind == "black":
            return np.asarray(np.abs(noise) * 3, dtype=np.uint8)
        if kind == "covered":
            shade = np.linspace(40, 70, 64)[:, None, None] * np.array([1.0, 0.6, 0.5])
            return np.asarray(shade + noise, dtype=np.uint8)
        top, left = at
        picture = backdrop[top : top + 64, left : left + 64].astype(np.float64)
        if kind == "person":
            height = round(10 * np.sin(count / RATE_HZ * 3.0))
            picture[20 + height : 50, 28:38] = (210.0, 60.0, 40.0)
        return np.asarray(np.clip(picture + noise + 0.5, 0, 255), dtype=np.uint8)


def watch(
    pictures: Sequence[UInt8Array], config: CameraConfig = QUICK, start_s: float = 0.0, idle: float | None = None
) -> list[CameraWarning]:
    """Warnings for pictures, ten a second, with a prediction every second, and at the end of the run."""
    scene = CameraMonitor(config)
    found = []
    for index, picture in enumerate(pictures):
        if idle is not None and index % 10 == 0:
            scene.predicted(start_s + index / RATE_HZ, idle=idle)
        found += scene.push(picture, start_s + index / RATE_HZ)
    return found + scene.end_run()


def codes(notices: Iterable[CameraWarning]) -> list[str]:
    return [notice.code for notice in notices if notice.over]
