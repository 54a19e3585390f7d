"""Intervals: a draw's figure is that of the clips drawn, and intervals behave as intervals should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.evaluate import bootstrap, metrics
from fitsense.evaluate.bootstrap import BootstrapSamples, Floats
from tests.evaluate.strategies import Answers, Ranked, answers, ranked, scenes


def weights_of(data: st.DataObject, clips: int) -> Floats:
    counts = st.lists(st.integers(0, 3), min_size=clips, max_size=clips)
    return np.array(data.draw(st.lists(counts, min_size=1, max_size=4)), dtype=np.float64)


def same(figures: Floats, expected: list[float | None]) -> bool:
    return bool(np.allclose(figures, [np.nan if value is None else value for value in expected], equal_nan=True))


@given(answers(), st.data())
def test_bootstrap_metrics_of_labels_equal_those_of_the_drawn_clips(case: Answers, data: st.DataObject) -> None:
    confidence, right = case
    label = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(right), max_size=len(right))))
    weights = weights_of(data, len(right))
    share, macro, error = [], [], []
    for row in weights.astype(int):
        hit, kind = np.repeat(right, row), np.repeat(label, row)
        share.append(float(hit.mean()) if len(hit) else None)
        macro.append(float(np.mean([hit[kind == k].mean() for k in np.unique(kind)])) if len(hit) else None)
        error.append(metrics.calibration_error(np.repeat(confidence, row), hit))
    assert same(bootstrap.share(weights, right), share)
    assert same(bootstrap.macro_share(weights, right, label), macro)
    assert same(bootstrap.calibration_error(weights, confidence, right), error)


@given(ranked(), st.data())
def test_bootstrap_metrics_of_rankings_equal_those_of_the_drawn_clips(case: Ranked, data: st.DataObject) -> None:
    scores, positive = case
    columns = np.stack([scores, 1 - scores], axis=1)
    truth = np.stack([positive, np.roll(positive, 1)], axis=1)
    weights = weights_of(data, len(scores))
    area, precision = [], []
    for row in weights.astype(int):
        area.append(metrics.auroc(np.repeat(scores, row), np.repeat(positive, row)) if row.any() else None)
        precision.append(metrics.mean_average_precision(np.repeat(columns, row, 0), np.repeat(truth, row, 0)))
    assert same(bootstrap.auroc(weights, scores, positive), area)
    assert same(bootstrap.mean_average_precision(weights, columns, truth), precision)


@given(scenes(12))
def test_bootstrap_draw_takes_whole_scenes_as_many_as_there_are(named: list[str]) -> None:
    draws = BootstrapSamples.of(named, draws=20)
    assert draws.scenes == len(set(named))
    first = [named.index(scene) for scene in sorted(set(named))]
    assert (draws.weights[:, first].sum(axis=1) == draws.scenes).all()
    for clip, scene in enumerate(named):
        np.testing.assert_array_equal(draws.weights[:, clip], draws.weights[:, named.index(scene)])


@given(scenes(12), st.permutations(range(12)))
def test_bootstrap_draws_do_not_depend_on_the_order_of_clips(named: list[str], order: list[int]) -> None:
    shuffled = BootstrapSamples.of([named[index] for index in order], draws=20)
    np.testing.assert_array_equal(shuffled.weights, BootstrapSamples.of(named, draws=20).weights[:, order])


@given(st.lists(st.booleans(), min_size=5, max_size=60))
def test_interval_contains_the_metric_of_all_clips(right: list[bool]) -> None:
    draws = BootstrapSamples.of([str(index) for index in range(len(right))])
    interval = draws.interval(bootstrap.share(draws.weights, np.array(right)))
    assert interval is not None
    assert interval[0] <= np.mean(right) <= interval[1]
    assert 0.0 <= interval[0] <= interval[1] <= 1.0


def width(right: np.ndarray[tuple[int], np.dtype[np.bool_]], named: list[str]) -> float:
    draws = BootstrapSamples.of(named)
    interval = draws.interval(bootstrap.share(draws.weights, right))
    assert interval is not None
    return interval[1] - interval[0]


def test_interval_narrows_with_scenes_and_not_with_clips() -> None:
    few = np.arange(25) % 4 != 0
    many = np.tile(few, 16)
    narrow, wide = (width(right, [str(i) for i in range(len(right))]) for right in (many, few))
    assert narrow == pytest.approx(wide / 4, rel=0.25), "as the root of the number of scenes"
    assert width(many, [str(i % 25) for i in range(len(many))]) == pytest.approx(wide, rel=0.25)


def test_interval_covers_the_truth_at_its_nominal_rate() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        right = random.random(60) < 0.7
        draws = BootstrapSamples.of([str(index) for index in range(60)], draws=300)
        interval = draws.interval(bootstrap.share(draws.weights, right))
        assert interval is not None
        covered += interval[0] <= 0.7 <= interval[1]
    assert 0.88 <= covered / 200 <= 0.99


@pytest.mark.parametrize("named", [[], ["one"], ["one"] * 5])
def test_interval_of_fewer_than_two_scenes_is_none(named: list[str]) -> None:
    draws = BootstrapSamples.of(named)
    assert draws.interval(bootstrap.share(draws.weights, np.ones(len(named), bool))) is None
    assert draws.interval(bootstrap.auroc(draws.weights, np.ones(len(named)), np.ones(len(named), bool))) is None
    nothing = np.zeros((len(named), 2))
    assert draws.interval(bootstrap.mean_average_precision(draws.weights, nothing, nothing.astype(bool))) is None
