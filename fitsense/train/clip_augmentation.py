"""Windows of recordings: the same each time for measuring, at random for training."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.data.frames import Recording
from fitsense.imaging.resize import branch_images as crops
from fitsense.types import ClipSpec, UInt8Array
from fitsense.windowing.sampler import nearest


@attrs.frozen
class Augmentation:
    """How training windows differ from what is on disk, each chosen evenly between bounds.

    :param speed: playing is up to this share faster or slower.
    :param zoom: side of the square that is cut out, as a share of the short side, at least; at most all of it.
    :param shift: how far from the middle the square may be, as a share of the room that there is.
    :param light: brightness and contrast change by up to this share.
    :param colour: saturation and the balance of colours change by up to this share.
    :param mirror: whether half of the windows are mirrored.
    """

    speed: float = 0.2
    zoom: float = 0.65
    shift: float = 0.8
    light: float = 0.3
    colour: float = 0.3
    mirror: bool = True


@attrs.frozen
class Crop:
    """What was cut out of pictures.

    :param width: of the pictures, in pixels.
    :param height: likewise.
    :param left: where the square begins.
    :param top: likewise.
    :param side: of the square.
    :param mirrored: whether it was mirrored afterwards.
    """

    width: int
    height: int
    left: int
    top: int
    side: int
    mirrored: bool


def spread(recording: Recording, spec: ClipSpec, views: int) -> list[NDArray[np.intp]]:
    """Frame indices (spec.frames,) of `views` windows spread evenly over a recording, as
    :func:`fitsense.data.clip_views.clip_views` takes them."""
    times = recording.times
    first, room_s = _room(recording, spec)
    offsets = np.linspace(0.0, room_s, views) if views > 1 else [room_s / 2]
    return [nearest(times, spec, float(first + spec.span_s + offset)) for offset in offsets]


def at_random(
    recording: Recording, spec: ClipSpec, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Frame indices (spec.frames,) of a window anywhere in a recording, at another speed."""
    pace = float(np.exp(rng.uniform(-1, 1) * np.log1p(augmentation.speed)))
    faster = attrs.evolve(spec, rate_hz=spec.rate_hz / pace)
    first, room_s = _room(recording, faster)
    return nearest(recording.times, faster, float(first + faster.span_s + rng.uniform(0.0, 1.0) * room_s))


def centred(pictures: UInt8Array, spec: ClipSpec) -> UInt8Array:
    """uint8 (frames, height, width, 3) as a session would crop or pad them: (frames, size, size, 3)."""
    return np.stack([crops(picture, {"": spec})[""] for picture in pictures])


def varied(
    pictures: UInt8Array, spec: ClipSpec, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[UInt8Array, Crop]:
    """uint8 (frames, height, width, 3) cut out, coloured and mirrored at random, all frames alike: uint8 (frames,
    size, size, 3), and what was cut out. Where the whole picture is to be seen, it is cut out of the padded square."""
    if spec.fit == "pad":
        pictures = centred(pictures, spec)
    height, width = pictures.shape[1:3]
    crop = round(min(height, width) * rng.uniform(augmentation.zoom, 1.0))
    top, left = (round((side - crop) / 2 * (1 + augmentation.shift * rng.uniform(-1, 1))) for side in (height, width))
    cut = _resized(pictures[:, top : top + crop, left : left + crop], spec.size)
    mirrored = augmentation.mirror and rng.random() < 0.5
    if mirrored:
        cut = cut[:, :, ::-1]
    values = cut.astype(np.float32)
    grey = values.mean(axis=-1, keepdims=True)
    values = grey + (values - grey) * rng.uniform(1 - augmentation.colour, 1 + augmentation.colour)
    values *= rng.uniform(1 - augmentation.colour / 3, 1 + augmentation.colour / 3, 3).astype(np.float32)
    middle = float(grey.mean())
    values = middle + (values - middle) * rng.uniform(1 - augmentation.light, 1 + augmentation.light)
    values *= rng.uniform(1 - augmentation.light, 1 + augmentation.light)
    return np.clip(values, 0, 255).astype(np.uint8), Crop(width, height, left, top, crop, mirrored)


def _room(recording: Recording, spec: ClipSpec) -> tuple[float, float]:
    """Where a recording begins, and for how long a window can move over it, in seconds."""
    times = recording.times
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return float(times[0]), max(0.0, float(times[-1] + step_s - times[0]) - spec.span_s)


def _resized(pictures: Any, size: int) -> UInt8Array:
    if pictures.shape[1] == size:
        return np.array(pictures)
    import torch
    from torch.nn.functional import interpolate

    tensor = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)
    scaled = interpolate(tensor, size=(size, size), mode="bilinear", antialias=True)
    return np.asarray(scaled.permute(0, 2, 3, 1).numpy(), dtype=np.uint8)
