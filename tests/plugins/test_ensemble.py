"""The laws of the weighted ensemble."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fitsense
from fitsense.types import Activation, Scores
from fitsense_ensemble.weighted import Space, WeightedConfig, fit, fuse

LABELS = ("a", "b", "c")
NAMES = ("one", "two", "three")


def scores(logits: Any, activation: Activation = "softmax") -> Scores:
    task = "exercise" if activation == "softmax" else "muscles"
    return Scores(task, LABELS, np.asarray(logits, np.float32), activation)


logits = hnp.arrays(np.float32, (2, 3), elements=st.floats(-12, 12, width=32))
members = st.lists(logits, min_size=1, max_size=3)
weights = st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(lambda w: min(w[0], 1) > 0.01)
spaces: st.SearchStrategy[Space] = st.sampled_from(["logits", "probabilities"])
activations: st.SearchStrategy[Activation] = st.sampled_from(["softmax", "sigmoid"])


def branches(values: list[Any], activation: Activation) -> dict[str, Scores]:
    return {name: scores(value, activation) for name, value in zip(NAMES, values, strict=False)}


@given(logits, spaces, activations)
def test_fuse_single_member_is_unchanged(value: Any, space: Space, activation: Activation) -> None:
    fused = fuse(WeightedConfig(space=space), {"one": scores(value, activation)})
    np.testing.assert_array_equal(fused.logits, value)


@given(members, weights, spaces, activations)
def test_fuse_zero_weight_equals_absence(
    values: list[Any], w: list[float], space: Space, activation: Activation
) -> None:
    present = branches(values, activation)
    given_weights = dict(zip(present, w, strict=False))
    with_ghost = {**present, "ghost": scores(np.full((2, 3), 9.0), activation)}
    np.testing.assert_array_equal(
        fuse(WeightedConfig(given_weights, space), present).logits,
        fuse(WeightedConfig({**given_weights, "ghost": 0.0}, space), with_ghost).logits,
    )


@given(members, weights, spaces, activations)
def test_fuse_result_lies_between_members(
    values: list[Any], w: list[float], space: Space, activation: Activation
) -> None:
    present = branches(values, activation)
    fused = fuse(WeightedConfig(dict(zip(present, w, strict=False)), space), present)

    def seen(of: Scores) -> Any:
        return of.logits if space == "logits" else of.probabilities

    stacked = np.stack([seen(member) for member in present.values()])
    assert (seen(fused) >= stacked.min(axis=0) - 1e-4).all()
    assert (seen(fused) <= stacked.max(axis=0) + 1e-4).all()


@given(st.lists(logits, min_size=3, max_size=3), weights, spaces, activations)
def test_fuse_order_does_not_matter(values: list[Any], w: list[float], space: Space, activation: Activation) -> None:
    present = branches(values, activation)
    config = WeightedConfig(dict(zip(NAMES, w, strict=True)), space)
    results = [fuse(config, {name: present[name] for name in order}).logits for order in itertools.permutations(NAMES)]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@given(st.lists(logits, min_size=2, max_size=3), weights, st.floats(0.1, 10), spaces)
def test_fuse_depends_on_ratios_of_weights(values: list[Any], w: list[float], factor: float, space: Space) -> None:
    present = branches(values, "softmax")
    one = WeightedConfig(dict(zip(present, w, strict=False)), space)
    other = WeightedConfig({name: weight * factor for name, weight in one.weights.items()}, space)
    np.testing.assert_allclose(fuse(one, present).probabilities, fuse(other, present).probabilities, atol=1e-4)


def test_fuse_weights_of_paper_average_logits() -> None:
    members = {"slowfast": scores([[4.0, 0.0, 0.0]]), "x3d": scores([[0.0, 2.0, 0.0]])}
    fused = fuse(WeightedConfig({"slowfast": 0.25, "x3d": 0.75}), members)
    np.testing.assert_allclose(fused.logits, [[1.0, 1.5, 0.0]])


def with_evidence(members: dict[str, Scores], **evidence: list[float]) -> dict[str, Scores]:
    return {name: attrs.evolve(one, evidence=evidence.get(name)) for name, one in members.items()}


def test_fuse_member_counts_for_its_share_of_each_clip() -> None:
    values = [np.full((3, 3), 8.0), np.zeros((3, 3))]
    members = with_evidence(branches(values, "softmax"), one=[1.0, 0.25, 0.0])
    fused = fuse(WeightedConfig({"one": 0.8, "two": 0.2}), members)
    np.testing.assert_allclose(fused.logits[:, 0], [6.4, 4.0, 0.0], atol=1e-5)


@given(members, weights, spaces)
def test_fuse_without_any_evidence_is_as_with_all_of_it(values: list[Any], w: list[float], space: Space) -> None:
    present = branches(values, "softmax")
    config = WeightedConfig(dict(zip(present, w, strict=False)), space)
    unseen = with_evidence(present, **{name: [0.0, 0.0] for name in present})
    np.testing.assert_allclose(fuse(config, unseen).logits, fuse(config, present).logits, atol=1e-4)


def test_fit_does_not_blame_a_member_for_clips_that_it_did_not_see() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 300)
    seen = random.uniform(size=300) < 0.5
    right = np.where(seen[:, None], 4 * np.eye(3)[truth], random.normal(0, 4, (300, 3)))
    weak = 2 * np.eye(3)[truth] + random.normal(0, 1.5, (300, 3))
    members = branches([right, weak], "softmax")
    blind = fit(WeightedConfig(), members, truth).weights["one"]
    knowing = fit(WeightedConfig(), with_evidence(members, one=seen.astype(float).tolist()), truth).weights["one"]
    assert knowing > blind + 0.1


@pytest.mark.parametrize(
    ("evidence", "message"),
    [([1.0], r"expected shape \(2,\)"), ([0.5, 1.5], "expected shares in 0..1"), ([0.5, np.nan], "expected shares")],
)
def test_evidence_that_is_no_share_of_each_clip_is_refused(evidence: list[float], message: str) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=message):
        with_evidence(branches([np.zeros((2, 3))], "softmax"), one=evidence)


@pytest.mark.parametrize("weight", [float("nan"), -1.0, float("inf")])
def test_config_invalid_weights_are_refused(weight: float) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected a number >= 0"):
        WeightedConfig({"a": weight})


def test_fuse_nan_is_refused() -> None:
    with pytest.raises(fitsense.InvalidInputError, match="finite"):
        scores([[np.nan, 0, 0]])


def test_config_zero_weights_are_refused() -> None:
    with pytest.raises(fitsense.InvalidInputError, match="at least one above 0"):
        WeightedConfig({"a": 0.0})


def test_fuse_weights_of_other_branches_are_refused() -> None:
    with pytest.raises(
        fitsense.InvalidInputError, match=r"expected one for each of the branches \['one'\], got \['x3d'\]"
    ):
        fuse(WeightedConfig({"x3d": 1.0}), {"one": scores([[0, 0, 0]])})


@pytest.mark.parametrize("space", ["logits", "probabilities"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_fit_prefers_accurate_member(space: Space, activation: Activation) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 200)
    targets = truth if activation == "softmax" else np.eye(3, dtype=np.float32)[truth]
    good = 4 * np.eye(3)[truth] - 2 + random.normal(0, 1.0, (200, 3))
    noise = random.normal(0, 3.0, (200, 3))
    fitted = fit(WeightedConfig(space=space), branches([good, noise], activation), targets)
    assert fitted.weights["one"] > 0.85
    assert sum(fitted.weights.values()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("space", ["logits", "probabilities"])
def test_fit_is_at_least_as_good_as_grid(space: Space) -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 80)
    members = branches([2 * np.eye(3)[truth] + random.normal(0, s, (80, 3)) for s in (1.0, 1.6, 2.5)], "softmax")

    def loss(config: WeightedConfig) -> float:
        return -float(np.log(fuse(config, members).probabilities[np.arange(80), truth]).mean())

    fitted = fit(WeightedConfig(space=space), members, truth)
    grid = [
        WeightedConfig({"one": a / 20, "two": b / 20, "three": (20 - a - b) / 20}, space)
        for a in range(21)
        for b in range(21 - a)
    ]
    assert loss(fitted) <= min(map(loss, grid)) + 1e-4


def test_fit_targets_of_other_length_are_refused() -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected one for each of 1 clips"):
        fit(WeightedConfig(), {"one": scores([[0, 0, 0]])}, np.array([0, 1]))


def test_fitting_numbers_minimises_their_squared_error() -> None:
    random = np.random.default_rng(2)
    targets = random.normal(50, 10, (300, 1)).astype(np.float32)
    members = {
        name: Scores("effort", ("effort",), targets + random.normal(0, noise, targets.shape), "identity")
        for name, noise in (("near", 2.0), ("far", 6.0))
    }
    weights = fit(WeightedConfig(space="logits"), members, targets).weights
    # By the inverse of the variances.
    assert weights["near"] == pytest.approx(0.9, abs=0.03)
