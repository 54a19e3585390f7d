"""When the first repetition of a set is certain."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense.repetitions.cycles import Cycle
from fitsense.repetitions.first import is_certain

# Out and back in 20 moments, then rest.
OUT = np.concatenate([np.sin(np.linspace(0.0, np.pi, 21)) ** 2, np.zeros(20)])[:, None]


def cycle(start: int = 0, far: int = 10, end: int = 20, quality: float = 0.6) -> Cycle:
    return Cycle(start, far, end, extent=1.0, quality=quality)


@pytest.mark.parametrize(
    ("lengths_after", "agreed", "followed", "certain"),
    [
        (0.0, False, False, False),
        (0.2, False, False, False),
        (0.2, True, False, True),
        (0.05, True, False, False),
        (0.5, False, False, True),
        (0.0, False, True, True),
    ],
)
def test_is_certain_waits_unless_passes_agree_or_another_follows(
    lengths_after: float, agreed: bool, followed: bool, certain: bool
) -> None:
    assert is_certain(cycle(), OUT, lengths_after, agreed=agreed, followed=followed) is certain


def test_is_certain_poor_cycle_needs_another_one() -> None:
    poor = cycle(quality=0.3)
    assert not is_certain(poor, OUT, 1.0, agreed=True, followed=False)
    assert is_certain(poor, OUT, 1.0, agreed=True, followed=True)


@pytest.mark.parametrize("one", [cycle(end=13), cycle(start=10, far=20, end=40)])
def test_is_certain_half_of_a_movement_is_none(one: Cycle) -> None:
    assert not is_certain(one, OUT, 1.0, agreed=True, followed=True)
