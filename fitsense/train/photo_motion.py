"""Motion made from a pair of pictures: the observation of the first becomes that of the second, and back."""

from __future__ import annotations

import numpy as np

from fitsense.types import ClipSpec, FloatArray

_PERIOD_S = (1.3, 5.0)
_UPWARD = (0.3, 0.7)
_LONGEST_HOLD = 0.15
_RANGE = (0.85, 1.1)


def swing(pair: FloatArray, spec: ClipSpec, rng: np.random.Generator) -> FloatArray:
    """A window of repetitions between two observations.

    Period, share of the way there, pause and range of the movement are random; it begins at any phase.

    :param pair: observations of the start and the end, float32 (2, ...).
    :returns: float32 (spec.frames, ...).
    """
    period_s = np.exp(rng.uniform(*np.log(_PERIOD_S)))
    phase = ((np.arange(spec.frames) + 0.5) / spec.rate_hz / period_s + rng.uniform()) % 1
    there, hold = rng.uniform(*_UPWARD), rng.uniform(0, _LONGEST_HOLD)
    rising = 0.5 - 0.5 * np.cos(np.pi * np.clip(phase / (there - hold / 2), 0, 1))
    falling = 0.5 + 0.5 * np.cos(np.pi * np.clip((phase - there) / (1 - there - hold / 2), 0, 1))
    share = (np.where(phase < there, rising, falling) - 0.5) * rng.uniform(*_RANGE) + 0.5
    share = share.reshape(-1, *[1] * (pair.ndim - 1))
    return np.asarray((1 - share) * pair[0] + share * pair[1], dtype=np.float32)
