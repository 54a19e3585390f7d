"""Pictures of other orders, layouts and types: converted, or refused with what converts them."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import fitsense
from fitsense.errors import InvalidInputError

PICTURE = numpy.random.default_rng(1).integers(0, 256, (4, 6, 3), numpy.uint8)
BRIGHT = numpy.maximum(PICTURE, numpy.uint8(1))
ALPHA = numpy.full((4, 6, 1), 255, numpy.uint8)


def test_frame_bgr_picture_is_converted() -> None:
    bgr = numpy.ascontiguousarray(PICTURE[..., ::-1])
    frame = fitsense.Frame(bgr, 1.5, order="bgr")
    numpy.testing.assert_array_equal(frame.rgb, PICTURE)
    assert frame.rgb.flags.c_contiguous


def test_push_bgr_pictures_give_the_events_of_rgb(model: fitsense.Model) -> None:
    first, second = fitsense.Session(model), fitsense.Session(model)
    frames = [fitsense.Frame(numpy.roll(PICTURE, step, axis=1), step / 10) for step in range(3)]
    expected = [event for frame in frames for event in first.push(frame)] + first.finish()
    emitted = [event for frame in frames for event in second.push(frame.rgb[..., ::-1], frame.time_s, order="bgr")]
    assert [event.to_json() for event in emitted + second.finish()] == [event.to_json() for event in expected]


def test_push_order_beside_a_frame_or_unknown_is_refused(model: fitsense.Model) -> None:
    session = fitsense.Session(model)
    with pytest.raises(InvalidInputError, match="order: expected none beside a Frame, got 'bgr'"):
        session.push(fitsense.Frame(PICTURE, 0.0), order="bgr")
    with pytest.raises(InvalidInputError, match="order: expected rgb or bgr, got 'gbr'"):
        session.push(PICTURE, 0.0, order="gbr")  # type: ignore[arg-type]
    assert session.push(PICTURE, 0.0)[0].sequence == 0


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (numpy.float32(BRIGHT / 255), "expected dtype uint8, got float32"),
        (numpy.float64(BRIGHT), "expected dtype uint8, got float64"),
        (numpy.uint16(BRIGHT) * 257, "expected dtype uint8, got uint16"),
        (numpy.int64(BRIGHT), "expected dtype uint8, got int64"),
        (BRIGHT > 100, "expected dtype uint8, got bool"),
        (BRIGHT[..., 0], r"expected shape \(height, width, 3\), got \(4, 6\)"),
        (BRIGHT[..., :1], r"got \(4, 6, 1\)"),
        (numpy.concatenate([BRIGHT, ALPHA], axis=2), r"got \(4, 6, 4\)"),
        (numpy.moveaxis(BRIGHT, -1, 0), r"got \(3, 4, 6\)"),
        (BRIGHT[None], r"got \(1, 4, 6, 3\)"),
        (numpy.moveaxis((BRIGHT / 255).astype(numpy.float32), -1, 0), r"got float32 and expected .* \(3, 4, 6\)"),
        (BRIGHT.tolist(), "expected dtype uint8, got int64"),
    ],
)
def test_frame_other_picture_is_refused_with_an_expression_that_converts_it(picture: Any, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"Frame.rgb: .*{problem}.*; try ") as refused:
        fitsense.Frame(picture, 0.0)
    remedy = str(refused.value).partition("; try ")[2]
    frame = fitsense.Frame(eval(remedy, {"numpy": numpy, "picture": picture}), 0.0)
    assert frame.rgb.shape == BRIGHT.shape
    if numpy.asarray(picture).size >= BRIGHT.size and "bool" not in problem:
        numpy.testing.assert_allclose(frame.rgb.astype(int), BRIGHT, atol=1)


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (None, "expected a picture, got None, as OpenCV's read"),
        ("picture.png", r"expected dtype uint8, got str\d+ and expected shape"),
        (numpy.full((4, 6, 3), numpy.nan), "expected dtype uint8, got float64$"),
        (numpy.zeros((2, 4, 6, 3), numpy.uint8), r"got \(2, 4, 6, 3\)$"),
        (numpy.zeros((0, 6, 3), numpy.uint8), r"got \(0, 6, 3\)$"),
    ],
)
def test_frame_no_picture_is_refused_without_a_remedy(picture: Any, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as refused:
        fitsense.Frame(picture, 0.0)
    assert "; try " not in str(refused.value)
