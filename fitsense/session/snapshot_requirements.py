"""Requirements of a snapshot, with errors that name the path."""

from __future__ import annotations

import itertools
import math
from typing import Any

from fitsense.errors import InvalidInputError


def ascend(times: list[float]) -> bool:
    """True if each time is later than the one before it."""
    return all(before < after for before, after in itertools.pairwise(times))


def require_array(
    array: Any, path: str, dtype: str | None, shape: tuple[int, ...], *, maximum: float = math.inf
) -> None:
    """Refuse an array of another dtype (None: any float), another shape, or outside 0..`maximum` if that is given."""
    fits = array.dtype == dtype if dtype else array.dtype.kind == "f"
    require(fits and array.shape == shape, path, f"{dtype or 'floats'} {shape}", f"{array.dtype} {array.shape}")
    if maximum < math.inf:
        inside = array.size == 0 or (array.min() >= -1e-6 and array.max() <= maximum * (1 + 1e-6) + 1e-6)
        require(bool(inside), path, f"numbers in 0..{maximum:g}")


def require(holds: bool, path: str, expected: str, got: Any = None) -> None:
    """Refuse a snapshot unless a condition holds.

    :raises InvalidInputError: it does not.
    """
    if not holds:
        was = "" if got is None else f", got {got!r}"
        raise InvalidInputError(f"snapshot: {path}: expected {expected}{was}")
