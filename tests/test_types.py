"""Values at the boundary are validated and immutable."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fitsense.errors import InvalidInputError
from fitsense.types import Clip, ClipSpec, Frame, Scores, to_logits, to_probabilities

PICTURE = np.zeros((4, 6, 3), np.uint8)
logits = hnp.arrays(np.float32, (3, 4), elements=st.floats(-80, 80, width=32))


def test_frame_array_is_read_only_and_callers_stays_writable() -> None:
    mine = PICTURE.copy()
    frame = Frame(mine, 1.5)
    with pytest.raises(ValueError, match="read-only"):
        frame.rgb[0, 0, 0] = 1
    mine[0, 0, 0] = 7
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        frame.time_s = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("rgb", "time_s", "message"),
    [
        (PICTURE[0], 0.0, r"expected shape \(height, width, 3\), got \(6, 3\)"),
        (PICTURE[:0], 0.0, r"got \(0, 6, 3\)"),
        (PICTURE.astype(float), 0.0, "expected dtype uint8, got float64"),
        (PICTURE, float("nan"), "expected finite seconds"),
        (PICTURE, 1e12, "within 1e"),
        (PICTURE, "0", "expected a number that a float can hold, got '0'"),
    ],
)
def test_frame_invalid_values_are_refused(rgb: np.ndarray, time_s: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Frame(rgb, time_s)


def test_clip_spec_has_span_and_shape() -> None:
    spec = ClipSpec(13, 5.0, 160, 182)
    assert spec.span_s == pytest.approx(2.6)
    assert spec.shape == (13, 160, 160, 3)
    with pytest.raises(InvalidInputError, match=r"expected at least size \(160\), got 100"):
        ClipSpec(13, 5.0, 160, 100)
    with pytest.raises(InvalidInputError, match="expected a number above 0, got 0"):
        ClipSpec(0, 5.0, 160, 182)


def test_clip_spec_short_side_and_size_must_fit() -> None:
    assert ClipSpec(16, 6.0, 384, 224, fit="pad").shape == (16, 384, 384, 3)
    assert ClipSpec(16, 6.0, 224, 224, fit="pad") != ClipSpec(16, 6.0, 224, 224)
    with pytest.raises(InvalidInputError, match=r"ClipSpec.short_side: expected at most size \(160\), got 182"):
        ClipSpec(16, 6.0, 160, 182, fit="pad")
    with pytest.raises(ValueError, match="fit"):
        ClipSpec(16, 6.0, 160, 182, fit="stretch")  # type: ignore[arg-type]


def test_clip_other_dimensions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="expected shape"):
        Clip(PICTURE, 0.0, 1.0)


def test_scores_wrong_shape_or_not_finite_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"expected shape \(clips, 2\), got \(1, 3\)"):
        Scores("exercise", ("a", "b"), np.zeros((1, 3), np.float32), "softmax")
    with pytest.raises(InvalidInputError, match="finite"):
        Scores("exercise", ("a",), np.array([[np.nan]], np.float32), "softmax")


@given(logits)
def test_to_probabilities_softmax_sums_to_one_sigmoid_in_range(values: np.ndarray) -> None:
    soft = to_probabilities(values, "softmax")
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-5)
    sigmoid = to_probabilities(values, "sigmoid")
    assert ((sigmoid >= 0) & (sigmoid <= 1)).all()
    # The order is preserved.
    assert (np.diff(np.take_along_axis(soft, values.argsort(axis=1), axis=1), axis=1) >= -1e-7).all()


@given(hnp.arrays(np.float32, (2, 3), elements=st.floats(-8, 8, width=32)))
def test_to_logits_inverts_to_probabilities(values: np.ndarray) -> None:
    np.testing.assert_allclose(to_logits(to_probabilities(values, "sigmoid"), "sigmoid"), values, atol=1e-2)
    soft = to_probabilities(values, "softmax")
    np.testing.assert_allclose(to_probabilities(to_logits(soft, "softmax"), "softmax"), soft, atol=1e-5)
