"""Thumbnails of something that moves, and what a counter says of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from fitsense.camera.view_features import camera_thumbnail
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import Movement, Repetition
from fitsense.repetitions.trajectory import SIDE, motion_thumbnail
from fitsense.types import Frame

RATE_HZ = 12.5

Thumbnails = Sequence[tuple[np.ndarray, float]]


def drawn(height: Callable[[float], float], seconds: float, noise: float = 0.5, seed: int = 0) -> Thumbnails:
    """A light blob before a wall, at a height in 0..1 that follows the time, and a noisy camera."""
    random = np.random.default_rng(seed)
    wall = 100.0 + 20.0 * random.standard_normal((SIDE, SIDE))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    found = []
    for index in range(round(seconds * RATE_HZ)):
        time_s = index / RATE_HZ
        row = SIDE * (0.75 - 0.5 * height(time_s))
        blob = np.exp(-((rows - row) ** 2 + (columns - SIDE / 2) ** 2) / 18.0)
        found.append((wall * (1 - blob) + 220.0 * blob + noise * random.standard_normal(wall.shape), time_s))
    return found


def swings(tempo_s: float, count: int, before_s: float = 1.0) -> Callable[[float], float]:
    """Height that goes up and back `count` times, then rests."""

    def height(time_s: float) -> float:
        phase = (time_s - before_s) / tempo_s
        return 0.5 - 0.5 * math.cos(2 * math.pi * phase) if 0 <= phase <= count else 0.0

    return height


def count(
    thumbnails: Iterable[tuple[np.ndarray, float]], end_s: float, config: RepetitionConfig | None = None
) -> list[Movement]:
    repetitions = RepetitionCounter(config)
    reported = [one for picture, time_s in thumbnails for one in repetitions.push(picture, time_s)]
    return reported + repetitions.end_run(end_s)


def late(reported: Iterable[tuple[Movement, float]], truth: Sequence[tuple[float, float]]) -> list[int]:
    """Number of later repetitions that were complete when each was reported.

    :param reported: what was reported, and when.
    :param truth: start and end of each repetition.
    """
    found = []
    for one, time_s in reported:
        overlaps = [min(one.end_s, end_s) - max(one.start_s, start_s) for start_s, end_s in truth]
        # A cycle from far end to far end overlaps two repetitions equally.
        itself = max(at for at, overlap in enumerate(overlaps) if overlap > max(overlaps) - 0.1)
        found.append(sum(end_s <= time_s for _, end_s in truth[itself + 1 :]))
    return found


def counted(video: Iterable[Frame], end_s: float, config: RepetitionConfig | None = None) -> list[Movement]:
    """Movements of a video; its thumbnails are made as a session makes them."""
    return count(((motion_thumbnail(camera_thumbnail(frame.rgb)), frame.time_s) for frame in video), end_s, config)


def numbers(reported: Iterable[Movement]) -> tuple[int, int]:
    """Numbers of full and of partial repetitions."""
    reported = list(reported)
    full = sum(isinstance(one, Repetition) for one in reported)
    return full, len(reported) - full
