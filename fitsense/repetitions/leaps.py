"""Leaps: changes from one moment to the next among much smaller ones, as where a caption appears. Pure.

A caption over the hips moves all landmarks of a body at once, and back when it vanishes, so that it looks like
repetitions. A leap of the body is its own only if the picture does not leap with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.trajectory import normalised, rate_of
from fitsense.types import FloatArray

# A step is a leap if it is so many times as large as any other within so many seconds. Landmarks may take two steps.
# Measured on 36 clips, with and without a blinking caption, beside a mirror and with a pan.
_ALONE_S, _BODY_TIMES, _PICTURE_TIMES = 0.2, 2.5, 2.0
# Least leap of the body, in lengths of the torso, root of the mean square over the joints.
_MIN_LEAP = 0.15
# Seconds between the leaps of the picture and of the body.
_TOLERANCE_S = 0.08


def leap_times(thumbnails: Sequence[FloatArray], times: Sequence[float]) -> NDArray[np.float64]:
    """Times at which the picture leaps, in seconds of media time, (leaps,).

    :param thumbnails: float32 (height, width) each.
    :param times: of the thumbnails, ascending.
    """
    if len(times) < 3:
        return np.zeros(0)
    pixels = normalised(np.stack(thumbnails)).reshape(len(times), -1)
    steps = np.linalg.norm(np.diff(pixels, axis=0), axis=1)
    moments = np.array(times)
    return np.asarray(moments[1:][steps > _PICTURE_TIMES * _around(steps, _near(moments), 1)])


def without_leaps(
    values: NDArray[np.float64], moments: NDArray[np.float64], picture: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Remove the leaps of a body with which the picture leaps: what follows continues from where the body was.

    :param values: (moments, features).
    :param moments: evenly spaced times in seconds of media time.
    :param picture: returns the times at which the picture leaps; called if the body may leap.
    """
    changes = np.diff(values, axis=0)
    steps = np.linalg.norm(changes, axis=1)
    if len(steps) < 3 or not (steps > _MIN_LEAP).any():
        return values
    near = _near(moments)
    single = _leap(steps, _around(steps, near, 1))
    double = _leap(np.minimum(steps[:-1], steps[1:]), _around(steps, near, 2))
    since, until = moments[:-1] - _TOLERANCE_S, moments[1:] + _TOLERANCE_S
    at = picture()[:, None]
    seen = np.asarray(((at >= since) & (at <= until)).any(axis=0))
    leaps = single & seen
    double &= seen[:-1] | seen[1:]
    leaps[:-1] |= double
    leaps[1:] |= double
    leapt = np.cumsum(changes * leaps[:, None], axis=0)
    return np.asarray(values - np.concatenate([np.zeros_like(values[:1]), leapt]))


def _leap(steps: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of the body's steps that are leaps."""
    return np.asarray((steps > _BODY_TIMES * around) & (steps > _MIN_LEAP))


def _near(moments: NDArray[np.float64]) -> int:
    """Number of steps in `_ALONE_S` seconds, at least 1."""
    return max(1, round(_ALONE_S * rate_of(moments)))


def _around(steps: NDArray[Any], near: int, width: int) -> NDArray[Any]:
    """Largest of the `near` steps before and after each `width` adjacent ones, (steps - width + 1,)."""
    padded = np.pad(steps, near)
    windows = np.lib.stride_tricks.sliding_window_view(padded, near)
    count = len(steps) - width + 1
    before, after = windows[:count].max(axis=1), windows[near + width :][:count].max(axis=1)
    return np.asarray(np.maximum(before, after))
