"""Everybody in a picture, by BlazePose's detector: on a toy of its form, and on the real one where it was fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as op

import fitsense
from fitsense.inference.detector import load_detector
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.tracking import Tracker
from fitsense_pose.detector import anchors
from fitsense_pose.people import PeopleConfig, box, likely, load, one_each, speaks_for, squares
from fitsense_pose.region import FloatArray, Region

Detect = Callable[[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], list[fitsense.Detection]]
sides = st.integers(20, 400)


@given(sides, sides, st.floats(0, 1), st.floats(0, 1))
def test_squares_cover_every_head(width: int, height: int, x: float, y: float) -> None:
    whole, *closer = squares(width, height)
    head = np.array([[x * width, y * height]], np.float32)
    assert speaks_for(whole, head, width, height).all()
    assert (width == height) == (not closer)
    for square in closer:
        assert square.side == pytest.approx(min(width, height))
        assert square.x - square.side / 2 >= 0 <= square.y - square.side / 2
        assert square.x + square.side / 2 <= width
        assert square.y + square.side / 2 <= height
    if closer:
        speakers = [square for square in closer if speaks_for(square, head, width, height).all()]
        # In the middle of a picture that is hardly longer than a square, three may overlap.
        assert 1 <= len(speakers) <= 3
    assert len(list(squares(width, height, closer=False))) == 1


def test_speaks_for_head_at_inner_edge_is_false() -> None:
    _, left, middle, right = squares(200, 100)
    heads = np.array([[5, 50], [60, 50], [95, 50], [140, 50], [195, 50]], np.float32)
    spoken = [speaks_for(square, heads, 200, 100).tolist() for square in (left, middle, right)]
    assert spoken == [
        [True, True, False, False, False],
        [False, False, True, False, False],
        [False, False, False, True, True],
    ]


def body(x: float, y: float, radius: float = 50.0) -> FloatArray:
    """Somebody upright: the head's box, hips, a point on the circle around the body, and the same of its upper half."""
    head, hips = np.array([x, y]), np.array([x, y + radius])
    points = [head - 10, head + 10, hips, hips - [0, radius], hips, hips]
    return np.array(points, np.float32)


@given(
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.floats(-2, 2)), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.floats(-2, 2)), min_size=1, max_size=4),
)
def test_one_each_merges_detections_of_one_person(
    left: list[tuple[float, float]], right: list[tuple[float, float]]
) -> None:
    seen = [(score, body(100 + off, 80)) for score, off in left] + [
        (score, body(140 + off, 80)) for score, off in right
    ]
    scores, people = one_each(
        np.array([score for score, _ in seen], np.float32), np.array([one for _, one in seen]), 0.08
    )
    assert sorted(scores) == sorted(max(score for score, _ in side) for side in (left, right))
    assert people.shape == (2, 6, 2)
    means = [
        np.average([at + off for _, off in side], weights=[score for score, _ in side])
        for at, side in ((100, left), (140, right))
    ]
    assert np.allclose(sorted(people[:, 2, 0]), means, atol=0.01)


def test_likely_removes_uncertain_parts_of_people() -> None:
    lying, foot, beside = Region(100, 50, -60, 0), Region(90, 55, 40, 0), Region(190, 50, 0, -60)
    scores = np.array([0.9, 0.7, 0.6], np.float32)
    assert [region for _, region in likely(scores, [lying, foot, beside], 0.75)] == [lying, beside]
    assert [region for _, region in likely(scores, [lying, foot, beside], 0.65)] == [lying, foot, beside]


def test_people_without_detections_are_empty() -> None:
    scores, people = one_each(np.zeros(0, np.float32), np.zeros((0, 6, 2), np.float32), 0.08)
    assert scores.shape == (0,)
    assert people.shape == (0, 6, 2)


@given(st.floats(-300, 500), st.floats(-300, 500), st.floats(-400, 400), st.floats(-400, 400))
def test_box_lies_in_picture(x: float, y: float, up_x: float, up_y: float) -> None:
    region = Region(x, y, up_x, up_y)
    found = box(region, 200, 100)
    half = region.side / 2
    if found is None:
        outside = x + half <= 0 or x - half >= 200 or y + half <= 0 or y - half >= 100
        assert outside or not region.usable(200, 100)
        return
    assert 0 <= found.left < found.right <= 1
    assert 0 <= found.top < found.bottom <= 1
    assert found.left * 200 == pytest.approx(max(0, x - half), abs=1e-6)
    assert found.bottom * 100 == pytest.approx(min(100, y + half), abs=1e-6)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that sees somebody in the middle of every square that is bright on the whole."""
    place = anchors()[0] * 224
    hips = np.array([112.0, 120.0])
    boxes = np.zeros((1, 2254, 12), np.float32)
    boxes[0, 0] = np.concatenate(
        [[112, 70] - place, [30, 30], hips - place, hips - place - [0, 50], hips - place, hips - place]
    )
    seen = op.parameter([1, 224, 224, 3], np.float32, name="input")
    brightness = op.reduce_mean(seen, op.constant([1, 2, 3]), False)
    # From -1 for black to 1 for white.
    logit = op.reshape(op.multiply(brightness, op.constant(np.float32(9))), op.constant([1, 1, 1]), False)
    scores = op.concat([logit, op.constant(np.full((1, 2253, 1), -99.0, np.float32))], 1)
    file = tmp_path_factory.mktemp("networks") / "toy.xml"
    ov.save_model(ov.Model([op.constant(boxes), scores], [seen], "toy"), file, compress_to_fp16=False)
    return file


def test_people_small_ones_are_found_in_squares(toy: Path) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 120:] = 250
    files = {"detector": toy}
    (only,) = load(PeopleConfig(), files, 1)(picture)
    # In the middle of the right-hand half; a circle of 50 of 224 pixels about the hips, and a quarter more.
    assert (only.region.left + only.region.right) / 2 == pytest.approx(150 / 200, abs=1e-4)
    assert only.region.right - only.region.left == pytest.approx(2 * 1.25 * 50 / 224 / 2, abs=1e-4)
    assert only.region.bottom - only.region.top == pytest.approx(2 * 1.25 * 50 / 224, abs=1e-4)
    assert only.score > 0.9
    assert load(PeopleConfig(closer=False), files, 1)(picture) == []
    assert len(load(PeopleConfig(min_score=0.5), files, 1)(np.full((100, 200, 3), 250, np.uint8))) == 3
    assert load(PeopleConfig(), files, 1)(np.zeros((100, 200, 3), np.uint8)) == []


@pytest.fixture(scope="module")
def real() -> Detect:
    try:
        return load_detector("pose/people", threads=1)  # type: ignore[return-value]
    except fitsense.WeightsError:
        pytest.skip("needs BlazePose's networks: fitsense models pull blazepose")


def test_people_rendered_figures_keep_names(real: Detect) -> None:
    squat = FigureVideo(bouts=(Bout("squat", 1, 2.0),), rate_hz=5.0, seed=7)
    jack = FigureVideo(bouts=(Bout("jumping_jack", 2, 1.0),), rate_hz=5.0, seed=8)
    following = Tracker()
    told = []
    for one, other in zip(squat, jack, strict=True):
        # The middle of each picture.
        found = real(np.concatenate([one.rgb[:, 70:-70], other.rgb[:, 70:-70]], axis=1))
        assert len(found) == 2
        assert min(detection.score for detection in found) > 0.8
        told.append(following.update(found, one.time_s))
    for people in told[2:]:
        assert (people["1"].left + people["1"].right) / 2 == pytest.approx(0.25, abs=0.08)
        assert (people["2"].left + people["2"].right) / 2 == pytest.approx(0.75, abs=0.08)
    assert following.state.named == 2
