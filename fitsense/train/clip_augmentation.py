"""Windows of recordings: evenly spaced for measuring, random and augmented for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.data.clip_views import LocatedPerson, view_places
from fitsense.data.frames import Recording
from fitsense.imaging.resize import branch_images, centre_crop, person_square, scale, scaled_size
from fitsense.types import ClipSpec, Frame, TimeArray, UInt8Array
from fitsense.windowing.sampler import nearest

PERSON_ROOM = 1.3
"""Side of the square that crops around a person are taken of, relative to that of a session."""


@attrs.frozen
class Augmentation:
    """Bounds of random augmentation; each value is drawn uniformly.

    :param speed: playback is faster or slower by up to this share.
    :param zoom: smallest side of the square crop, as a share of the picture's short side; the largest is all of it.
    :param shift: largest offset of the crop from the middle, as a share of the room that there is.
    :param light: brightness and contrast change by up to this share.
    :param colour: saturation and colour balance change by up to this share.
    :param mirror: whether to mirror half of the windows.
    """

    speed: float = 0.2
    zoom: float = 0.65
    shift: float = 0.8
    light: float = 0.3
    colour: float = 0.3
    mirror: bool = True


@attrs.frozen
class Crop:
    """A square crop of pictures.

    :param width: width of the pictures, in pixels.
    :param height: height of the pictures, in pixels.
    :param left: left edge of the square, in pixels.
    :param top: top edge of the square, in pixels.
    :param side: side of the square, in pixels.
    :param mirrored: whether the crop was mirrored afterwards.
    """

    width: int
    height: int
    left: int
    top: int
    side: int
    mirrored: bool


def evenly_spaced(recording: Recording, spec: ClipSpec, views: int) -> list[NDArray[np.intp]]:
    """Frame indices (spec.frames,) of `views` evenly spaced windows of a recording, the same as the inset ones of
    :func:`fitsense.data.clip_views.clip_views`."""
    first, room_s = _room(recording.times, spec)
    ends = first + spec.span_s + room_s * view_places(views, inset=True)
    return [nearest(recording.times, spec, float(end_s)) for end_s in ends]


def random_window(
    recording: Recording, spec: ClipSpec, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Frame indices (spec.frames,) of a random window of a recording, at a random speed."""
    return _random_window(recording.times, spec, augmentation, rng)


def _random_window(
    times: TimeArray, spec: ClipSpec, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.intp]:
    pace = float(np.exp(rng.uniform(-1, 1) * np.log1p(augmentation.speed)))
    faster = attrs.evolve(spec, rate_hz=spec.rate_hz / pace)
    first, room_s = _room(times, faster)
    return nearest(times, faster, float(first + faster.span_s + rng.uniform(0.0, 1.0) * room_s))


def augmented_windows(
    frames: Iterable[Frame],
    spec: ClipSpec,
    augmentation: Augmentation,
    count: int,
    rng: np.random.Generator,
    person: LocatedPerson | None = None,
) -> Iterator[UInt8Array]:
    """Give random windows of a clip, each augmented: uint8 (spec.frames, size, size, 3).

    :param person: locates the person, for specs that see a square around them: crops are of a square that is larger
        by :data:`PERSON_ROOM`; of the picture's middle where nobody was found yet.
    """
    seen = [(frame.time_s, _with_room(frame, spec, person)) for frame in frames]
    times, pictures = np.array([time_s for time_s, _ in seen]), np.stack([picture for _, picture in seen])
    for _ in range(count):
        yield augment(pictures[_random_window(times, spec, augmentation, rng)], spec, augmentation, rng)[0]


def _with_room(frame: Frame, spec: ClipSpec, person: LocatedPerson | None) -> UInt8Array:
    """The part of a frame that crops are taken of."""
    height, width, _ = frame.rgb.shape
    if spec.fit != "person":
        return scale(frame.rgb, *scaled_size(width, height, spec.short_side))
    box = person.locate(frame) if person else None
    side = round(spec.size * PERSON_ROOM)
    square = centre_crop(frame.rgb, min(height, width)) if box is None else person_square(frame.rgb, box, PERSON_ROOM)
    return scale(square, side, side)


def window_values(recording: Recording, chosen: NDArray[np.intp], spec: ClipSpec) -> NDArray[Any]:
    """The frames `chosen` as a session gives them to a branch: pictures cropped or padded, observations unchanged."""
    values = recording.values[chosen]
    return crop_or_pad(values, spec) if values.dtype == np.uint8 else np.asarray(values)


def crop_or_pad(pictures: UInt8Array, spec: ClipSpec) -> UInt8Array:
    """uint8 (frames, height, width, 3) cropped or padded as in a session: (frames, size, size, 3)."""
    return np.stack([branch_images(picture, {"": spec})[""] for picture in pictures])


def augment(
    pictures: UInt8Array, spec: ClipSpec, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[UInt8Array, Crop]:
    """Crop, colour and mirror uint8 (frames, height, width, 3) at random, all frames alike.

    For a spec that pads, the crop is of the padded square.

    :returns: uint8 (frames, size, size, 3), and the crop.
    """
    if spec.fit == "pad":
        pictures = crop_or_pad(pictures, spec)
    height, width = pictures.shape[1:3]
    side = round(min(height, width) * rng.uniform(augmentation.zoom, 1.0))
    top, left = (round((room - side) / 2 * (1 + augmentation.shift * rng.uniform(-1, 1))) for room in (height, width))
    cropped = _resize(pictures[:, top : top + side, left : left + side], spec.size)
    mirrored = augmentation.mirror and rng.random() < 0.5
    if mirrored:
        cropped = cropped[:, :, ::-1]
    values = cropped.astype(np.float32)
    grey = values.mean(axis=-1, keepdims=True)
    values = grey + (values - grey) * rng.uniform(1 - augmentation.colour, 1 + augmentation.colour)
    values *= rng.uniform(1 - augmentation.colour / 3, 1 + augmentation.colour / 3, 3).astype(np.float32)
    middle = float(grey.mean())
    values = middle + (values - middle) * rng.uniform(1 - augmentation.light, 1 + augmentation.light)
    values *= rng.uniform(1 - augmentation.light, 1 + augmentation.light)
    return np.clip(values, 0, 255).astype(np.uint8), Crop(width, height, left, top, side, mirrored)


def _room(times: TimeArray, spec: ClipSpec) -> tuple[float, float]:
    """First time of a recording, and the length of the span over which a window can start, both in seconds."""
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return float(times[0]), max(0.0, float(times[-1] + step_s - times[0]) - spec.span_s)


def _resize(pictures: Any, size: int) -> UInt8Array:
    if pictures.shape[1] == size:
        return np.array(pictures)
    import torch
    from torch.nn.functional import interpolate

    tensor = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)
    scaled = interpolate(tensor, size=(size, size), mode="bilinear", antialias=True)
    return np.asarray(scaled.permute(0, 2, 3, 1).numpy(), dtype=np.uint8)
