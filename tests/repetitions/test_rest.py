"""A rest is found where hardly anything moves after a repetition, until something moves again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import Repetition
from fitsense.repetitions.rest import end_of_last_rest
from fitsense.repetitions.trajectory import motion_thumbnail
from fitsense.synthetic.figures import sample
from fitsense.types import FloatArray

RATE_HZ = 10


def swinging(*parts: tuple[float, float]) -> tuple[list[FloatArray], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Thumbnails of a brightness that swings once in 2 s, by an amplitude for each part of (seconds, amplitude)."""
    amplitudes = np.concatenate([np.full(round(seconds * RATE_HZ), amplitude) for seconds, amplitude in parts])
    times = np.arange(len(amplitudes)) / RATE_HZ
    levels = (amplitudes * np.sin(np.pi * times)).astype(np.float32)
    return [np.full((4, 4), level) for level in levels], times


@given(moving=st.floats(3, 6), resting=st.floats(2.5, 8), after=st.floats(1, 5))
def test_rest_between_movements_ends_where_movement_begins(moving: float, resting: float, after: float) -> None:
    thumbnails, times = swinging((moving, 1.0), (resting, 0.01), (after, 1.0))
    end = end_of_last_rest(thumbnails, times, (0.0, 2.0))
    assert end is not None
    assert times[end] == pytest.approx(moving + resting, abs=0.6)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([(6.0, 1.0)], id="no rest"),
        pytest.param([(4.0, 1.0), (0.8, 0.0), (4.0, 1.0)], id="a pause"),
        pytest.param([(4.0, 1.0), (5.0, 0.0)], id="nothing after it"),
        pytest.param([(4.0, 1.0), (4.0, 0.6), (4.0, 1.0)], id="smaller movement"),
    ],
)
def test_rest_absent_gives_none(parts: list[tuple[float, float]]) -> None:
    assert end_of_last_rest(*swinging(*parts), (0.0, 2.0)) is None


def test_counter_on_sets_with_rests_counts_each_set() -> None:
    """The sample has 4 squats, 5 push-ups and 8 jumping jacks; getting down and up is between them."""
    counter = RepetitionCounter()
    movements = []
    for frame in list(sample())[::2]:
        movements += counter.push(motion_thumbnail(frame.rgb), frame.time_s)
    counted = [one.start_s for one in movements + counter.end_run(60.0) if isinstance(one, Repetition)]
    assert [int(np.sum((low < np.array(counted)) & (np.array(counted) < high))) for low, high in SETS] == [4, 5, 8]


SETS = ((3.0, 15.0), (19.0, 30.0), (33.0, 45.0))
