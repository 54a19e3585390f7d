"""Leaps: changes from one moment to the next among much smaller ones, as where a caption appears. Pure.

A caption over the hips moves all landmarks of a body at once, and back when it vanishes, so that it looks like
repetitions. A leap of the body is its own only if the picture does not leap with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.trajectory import largest_around, normalised, rate_of, steps_in
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
    if len(times) < 2:
        return np.zeros(0)
    pixels = normalised(np.stack(thumbnails)).reshape(len(times), -1)
    steps = np.linalg.norm(np.diff(pixels, axis=0), axis=1)
    moments = np.array(times)
    around = largest_around(steps, steps_in(_ALONE_S, rate_of(moments)))
    return np.asarray(moments[1:][steps > _PICTURE_TIMES * around])


def without_leaps(
    values: NDArray[np.float64], moments: NDArray[np.float64], picture: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Remove the leaps of a body with which the picture leaps: what follows continues from where the body was.

    :param values: (moments, features).
    :param moments: evenly spaced times in seconds of media time.
    :param picture: returns the times at which the picture leaps; called only if the body leaps.
    """
    changes = np.diff(values, axis=0)
    steps = np.linalg.norm(changes, axis=1)
    near = steps_in(_ALONE_S, rate_of(moments))
    single = _leap(steps, largest_around(steps, near))
    double = _leap(np.minimum(steps[:-1], steps[1:]), largest_around(steps, near, 2))
    if not (single.any() or double.any()):
        return values
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
