"""Evenly spread windows of one clip."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.geometry import Region
from fitsense.imaging.resize import branch_images as crops
from fitsense.types import ClipSpec, FloatArray, Frame
from fitsense.windowing.sampler import nearest


class LocatedPerson(Protocol):
    """Place of the person of a clip, such as :class:`fitsense.train.recorded_person.RecordedPerson`."""

    def locate(self, frame: Frame) -> Region | None:
        """Look for the person in a frame; return their box."""


class TrackedPerson(LocatedPerson, Protocol):
    """The person of a clip, such as :class:`fitsense.inference.clip_person.ClipPerson`."""

    @property
    def branches(self) -> Collection[str]:
        """Names of the branches that take poses."""

    def windows(self, spec: ClipSpec, ends: Sequence[float], mirror: bool) -> FloatArray:
        """Poses in windows that end at `ends`, float32 (windows, frames, landmarks, 6)."""


def view_places(views: int, inset: bool) -> NDArray[np.float64]:
    """Places of windows in the room that a clip leaves them, 0..1 (views,); arguments as for :func:`clip_views`."""
    if views == 1 or inset:
        return np.asarray((np.arange(views) + 0.5) / views)
    return np.linspace(0.0, 1.0, views)


def clip_views(
    frames: Iterable[Frame],
    specs: Mapping[str, ClipSpec],
    views: int,
    mirror: bool,
    person: TrackedPerson | None = None,
    inset: bool = False,
    located: LocatedPerson | None = None,
) -> dict[str, NDArray[Any]]:
    """Windows spread evenly over a clip, as clips of each branch.

    In a clip shorter than a window, the last picture repeats. All branches' clips of a view end at the same time.

    :param views: number of windows.
    :param mirror: whether to append each window's mirror image, after all of them.
    :param person: tracks the person through the clip; None for no tracking.
    :param inset: whether windows lie in the middles of equal parts of the clip; otherwise the first begins with the
        clip and the last ends with it.
    :param located: locates the person if `person` is None, for branches that see a square around them.
    :returns: uint8 (views, frames, size, size, 3) by branch name; for the person's branches on poses, float32 (views,
        frames, landmarks, 6). Twice the views with `mirror`.
    """
    if views < 1:
        raise InvalidInputError(f"views: expected at least 1, got {views}")
    on_poses = person.branches if person else ()
    on_pictures = {name: spec for name, spec in specs.items() if name not in on_poses}
    located = person or located
    times, pictures = [], []
    for frame in frames:
        times.append(frame.time_s)
        pictures.append(crops(frame.rgb, on_pictures, person=located.locate(frame) if located else None))
    if not times:
        raise InvalidInputError("frames: expected at least one, got none")
    at = np.array(times)
    step_s = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    span_s = max(spec.span_s for spec in specs.values())
    room_s = max(0.0, at[-1] + step_s - at[0] - span_s)
    ends = [float(at[0] + span_s + room_s * place) for place in view_places(views, inset)]
    result: dict[str, NDArray[Any]] = {}
    for name in on_poses:
        assert person is not None
        result[name] = person.windows(specs[name], ends, mirror)
    for name, spec in on_pictures.items():
        batch = np.stack([np.stack([pictures[index][name] for index in nearest(at, spec, end_s)]) for end_s in ends])
        result[name] = np.concatenate([batch, batch[:, :, :, ::-1]]) if mirror else batch
    return result
