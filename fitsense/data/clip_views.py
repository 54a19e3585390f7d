"""Evenly spread windows of one clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.imaging.resize import branch_images as crops
from fitsense.types import ClipSpec, Frame, UInt8Array
from fitsense.windowing.sampler import nearest


def clip_views(
    frames: Iterable[Frame], specs: Mapping[str, ClipSpec], views: int, mirror: bool
) -> dict[str, UInt8Array]:
    """Windows spread evenly over a clip, as clips of each branch.

    The first begins with the clip and the last ends with it; in a clip shorter than a window, the last picture
    repeats. All branches' clips of a view end at the same time.

    :param views: number of windows.
    :param mirror: whether to append each window's mirror image, after all of them.
    :returns: uint8 (views, frames, size, size, 3) by branch name; twice the views with `mirror`.
    """
    if views < 1:
        raise InvalidInputError(f"views: expected at least 1, got {views}")
    times, pictures = [], []
    for frame in frames:
        times.append(frame.time_s)
        pictures.append(crops(frame.rgb, specs))
    if not times:
        raise InvalidInputError("frames: expected at least one, got none")
    at = np.array(times)
    step_s = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    span_s = max(spec.span_s for spec in specs.values())
    room_s = max(0.0, at[-1] + step_s - at[0] - span_s)
    ends = at[0] + span_s + np.linspace(0.0, room_s, views) if views > 1 else [at[0] + span_s + room_s / 2]
    result = {}
    for name, spec in specs.items():
        batch = np.stack(
            [np.stack([pictures[index][name] for index in nearest(at, spec, float(end_s))]) for end_s in ends]
        )
        result[name] = np.concatenate([batch, batch[:, :, :, ::-1]]) if mirror else batch
    return result
