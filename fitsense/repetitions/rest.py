"""Finds rests in thumbnails: seconds in which hardly anything moves, compared with a repetition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.candidate import Span
from fitsense.types import FloatArray

# A rest lasts at least this many seconds, and its speed is at most this part of the repetition's.
_MIN_REST_S = 1.5
_MAX_SPEED_RATIO = 0.35
# Seconds over which speed is averaged.
_AVERAGED_S = 0.5


def end_of_last_rest(thumbnails: Sequence[FloatArray], times: NDArray[np.float64], repetition: Span) -> int | None:
    """Return the index of the last thumbnail of the last rest after a repetition; None without such a rest.

    A rest that lasts until the end does not count: no movement has followed it.

    :param thumbnails: float32 arrays of one shape, one for each time.
    :param times: float64 (thumbnails,), in seconds of media time, ascending.
    :param repetition: start and end of the repetition, in seconds of media time.
    """
    images = np.stack(thumbnails).reshape(len(times), -1)
    speed = np.abs(np.diff(images, axis=0)).mean(axis=1) / np.diff(times)
    middles = (times[1:] + times[:-1]) / 2
    during = (middles > repetition[0]) & (middles < repetition[1])
    if not during.any():
        return None
    width = max(1, round(_AVERAGED_S * (len(times) - 1) / float(times[-1] - times[0])))
    smooth = np.convolve(np.pad(speed, (width // 2, (width - 1) // 2), mode="edge"), np.full(width, 1 / width), "valid")
    still = (smooth <= _MAX_SPEED_RATIO * float(smooth[during].mean())) & (middles > repetition[1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    for start, end in zip(edges[-2::-2], edges[::-2], strict=True):
        if end < len(still) and middles[end - 1] - middles[start] >= _MIN_REST_S:
            return int(end)
    return None
