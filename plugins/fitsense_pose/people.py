"""Everybody in a picture, by BlazePose's detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from fitsense_pose.region import FloatArray, Region

if TYPE_CHECKING:
    from fitsense import Detection
    from fitsense import Region as Box
    from fitsense_pose.detector import Detector

    UInt8Array = npt.NDArray[np.uint8]


@attrs.frozen
class PeopleConfig:
    """Configuration of the detection of people.

    :param closer: whether the detector also runs on squares along a picture that is not square, in which people are
        larger. A 16:9 picture then takes four times as long.
    :param min_score: smallest score of a person.
    :param same: distance of heads, in sides of the square around them, below which two detections are one person.
    :param sure: smallest score of a person within the square of another; below, it counts as feet or arms of the other.
    """

    closer: bool = True
    min_score: float = 0.3
    same: float = 0.08
    sure: float = 0.75


# Squares overlap by half. The network errs on people at an edge, so that each square counts only for heads in its
# middle; the middles overlap slightly.
_OVERLAP = 0.5
_EDGE = 0.2
# Share of a person's square in another's above which the person is within it.
_WITHIN = 0.9


def load(
    config: PeopleConfig, files: Mapping[str, Path], threads: int | None
) -> Callable[[UInt8Array], list[Detection]]:
    """Load the function that finds people in a picture, uint8 (height, width, 3).

    :param files: BlazePose's detector, by its name in :data:`fitsense_pose.assets.ASSETS`.
    """
    from fitsense import Detection
    from fitsense_pose.detector import Detector

    detector = Detector(files["detector"], threads)

    def find(picture: UInt8Array) -> list[Detection]:
        height, width, _ = picture.shape
        people = find_people(detector, config, picture)
        boxes = [(score, box(region, width, height)) for score, region in people]
        return [Detection(whole, score) for score, whole in boxes if whole]

    return find


def find_people(detector: Detector, config: PeopleConfig, picture: UInt8Array) -> list[tuple[float, Region]]:
    """Scores of the people in a picture, uint8 (height, width, 3), and the squares around them."""
    height, width, _ = picture.shape
    seen = []
    for square in squares(width, height, closer=config.closer):
        scores, people = detector.look(picture, square, config.min_score)
        mine = speaks_for(square, people[:, :2].mean(axis=1), width, height)
        seen.append((scores[mine], people[mine]))
    scores, people = one_each(
        np.concatenate([one for one, _ in seen]), np.concatenate([one for _, one in seen]), config.same
    )
    return likely(scores, [Region.around_person(points[2:4]) for points in people], config.sure)


def squares(width: int, height: int, *, closer: bool = True) -> Iterator[Region]:
    """Squares of a picture of that size for the detector: the whole picture, and closer ones."""
    yield Region.around_picture(width, height)
    side, length = min(width, height), max(width, height)
    if not closer or side == length:
        return
    count = 1 + math.ceil((length - side) / (side * (1 - _OVERLAP)))
    for index in range(count):
        along = side / 2 + (length - side) * index / (count - 1)
        x, y = (along, side / 2) if width > height else (side / 2, along)
        yield Region(x, y, 0.0, -side / 2)


def speaks_for(square: Region, heads: FloatArray, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Mask of the people whose heads (people, 2), in pixels, are not near an edge of the square within the picture:
    bool (people,)."""
    half = square.side / 2
    middle, size = np.array([square.x, square.y]), np.array([width, height])
    low, high = middle - half, middle + half
    edge = _EDGE * square.side
    inside = ((heads >= low + edge) | (low <= 0)) & ((heads <= high - edge) | (high >= size))
    return np.asarray(inside.all(axis=1))


def one_each(scores: FloatArray, people: FloatArray, same: float) -> tuple[FloatArray, FloatArray]:
    """Merge detections of one person in several squares: the mean, weighted by scores.

    :param people: float32 (people, 6, 2), as the detector returns them, in pixels of the picture.
    :param same: as in :class:`PeopleConfig`.
    """
    heads = people[:, :2].mean(axis=1)
    sides = np.array([Region.around_person(points[2:4]).side for points in people], np.float32)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best = left[0]
        apart = np.hypot(*(heads[left] - heads[best]).T)
        alike = (left == best) | (apart < same * (sides[left] + sides[best]) / 2)
        kept.append((scores[best], np.average(people[left[alike]], axis=0, weights=scores[left[alike]])))
        left = left[~alike]
    return (
        np.array([score for score, _ in kept], np.float32),
        np.array([points for _, points in kept], np.float32).reshape(-1, *people.shape[1:]),
    )


def likely(scores: FloatArray, regions: Sequence[Region], sure: float) -> list[tuple[float, Region]]:
    """Remove detections that may be a part of another person; return the others with their scores.

    :param scores: float32 (people,), largest first.
    :param sure: as in :class:`PeopleConfig`.
    """
    kept: list[tuple[float, Region]] = []
    for score, region in zip(scores.tolist(), regions, strict=True):
        if score >= sure or not any(_shown(region, other) > _WITHIN for _, other in kept):
            kept.append((score, region))
    return kept


def _shown(region: Region, other: Region) -> float:
    """Share of the upright square around one person that the square around another covers."""
    shared = 1.0
    for apart in (region.x - other.x, region.y - other.y):
        shared *= max(0.0, min(region.side, other.side, (region.side + other.side) / 2 - abs(apart)))
    return shared / max(region.side**2, 1.0)


def box(region: Region, width: int, height: int) -> Box | None:
    """Part of the upright square around a person within a picture of that size; None for no part."""
    from fitsense import Region as Box

    if not region.usable(width, height):
        return None
    half = region.side / 2
    left, right = max(0.0, (region.x - half) / width), min(1.0, (region.x + half) / width)
    top, bottom = max(0.0, (region.y - half) / height), min(1.0, (region.y + half) / height)
    return Box(left, top, right, bottom) if left < right and top < bottom else None
