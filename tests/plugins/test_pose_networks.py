"""Decoding of the outputs of BlazePose's two networks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fitsense_pose.detector import anchors, decode, merge
from fitsense_pose.landmarks import refine
from fitsense_pose.region import FloatArray

COLD = -200.0


def test_anchors_are_centres_of_cells() -> None:
    places = anchors()
    assert places.shape == (2254, 2)
    assert np.allclose(places[:4], np.array([[4, 4], [4, 4], [12, 4], [12, 4]]) / 224)
    finest, finer, coarse = np.split(places, [2 * 28 * 28, 2 * 28 * 28 + 2 * 14 * 14])
    for layer, cells, each in ((finest, 28, 2), (finer, 14, 2), (coarse, 7, 6)):
        assert len(layer) == cells * cells * each
        middles, counts = np.unique(layer[:, 0], return_counts=True)
        assert np.allclose(middles, (np.arange(cells) + 0.5) / cells)
        assert (counts == cells * each).all()


@given(st.integers(0, 2253), st.floats(0.01, 9), arrays.arrays(np.float32, 12, elements=st.floats(-100, 100, width=32)))
def test_decode_reads_relative_to_anchor(index: int, logit: float, raw: FloatArray) -> None:
    places = anchors()
    scores = np.full((2254, 1), -1.0, np.float32)
    boxes = np.zeros((2254, 12), np.float32)
    scores[index], boxes[index] = logit, raw
    sure, found = decode(scores, boxes, places)
    assert np.allclose(sure, [1 / (1 + np.exp(-logit))])
    upper_left, lower_right, *points = found[0]
    assert np.allclose((upper_left + lower_right) / 2, places[index] + raw[:2] / 224, atol=1e-5)
    assert np.allclose(lower_right - upper_left, raw[2:4] / 224, atol=1e-5)
    assert np.allclose(points, places[index] + raw[4:].reshape(4, 2) / 224, atol=1e-5)


def test_decode_without_scores_gives_no_boxes() -> None:
    sure, found = decode(np.full((2254, 1), -999.0, np.float32), np.zeros((2254, 12), np.float32), anchors())
    scores, boxes = merge(sure, found)
    assert scores.shape == (0,)
    assert boxes.shape == (0, 6, 2)


def person(x: float, y: float, side: float = 0.2) -> FloatArray:
    corners = np.array([[x, y], [x + side, y + side]])
    return np.concatenate([corners, np.tile([x, y], (4, 1))]).astype(np.float32)


@given(
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.floats(-0.03, 0.03)), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.floats(-0.03, 0.03)), min_size=1, max_size=6),
)
def test_merge_weights_boxes_by_score(left: list[tuple[float, float]], right: list[tuple[float, float]]) -> None:
    found = [(score, person(0.2 + shift, 0.3)) for score, shift in left]
    found += [(score, person(0.7 + shift, 0.3)) for score, shift in right]
    scores, boxes = merge(np.array([score for score, _ in found], np.float32), np.array([box for _, box in found]))
    assert np.allclose(sorted(scores), sorted(max(score for score, _ in side) for side in (left, right)))
    assert scores[0] >= scores[1]
    means = [np.average([0.2 + shift for _, shift in left], weights=[score for score, _ in left])]
    means += [np.average([0.7 + shift for _, shift in right], weights=[score for score, _ in right])]
    assert np.allclose(sorted(boxes[:, 2, 0]), means, atol=1e-4)


def test_merge_keeps_boxes_without_area() -> None:
    scores, _ = merge(np.full(3, 0.9, np.float32), np.stack([person(0.5, 0.5, 0.0)] * 3))
    assert len(scores) == 3


@given(st.integers(0, 63), st.integers(0, 63), st.integers(-3, 3), st.integers(-3, 3))
def test_refine_moves_landmark_to_peak(x: int, y: int, right: int, down: int) -> None:
    heatmap = np.full((64, 64, 2), COLD, np.float32)
    warm_x, warm_y = np.clip([x + right, y + down], 0, 63)
    heatmap[warm_y, warm_x, 0] = -COLD
    points = np.array([[x + 0.4, y + 0.6], [x + 0.4, y + 0.6]], np.float32) / np.float32(64)
    moved = refine(points, heatmap)
    assert np.allclose(moved[0], np.array([warm_x, warm_y]) / 64, atol=1e-4)
    # The other landmark's map is cold all over.
    assert np.array_equal(moved[1], points[1])


@given(arrays.arrays(np.float32, (5, 2), elements=st.floats(-0.5, 1.5, width=32)), st.integers(0, 99))
def test_refine_stays_within_reach(points: FloatArray, seed: int) -> None:
    heatmap = np.random.default_rng(seed).normal(0, 4, (64, 64, 5)).astype(np.float32)
    moved = refine(points, heatmap)
    outside = ((points < 0) | (points >= 1)).any(axis=1)
    assert np.array_equal(moved[outside], points[outside])
    assert np.abs(moved - points).max() <= 4 / 64
    assert moved.dtype == np.float32


def test_refine_ignores_heat_outside_map() -> None:
    heatmap = np.full((64, 64, 1), 5.0, np.float32)
    corner = refine(np.array([[0.001, 0.999]], np.float32), heatmap)
    assert np.allclose(corner, [[1.5 / 64, 61.5 / 64]])
