"""Laws of a fusion."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.errors import InvalidInputError
from fitsense.plugins.specs import FusionSpec
from fitsense.testing.contracts.offer import LABELS, OfferContract, assert_close, numbers
from fitsense.types import Activation, FloatArray, Scores

Members = Mapping[str, Scores]
Fuse = Callable[[Members], Scores]

NAMES = ("one", "two", "three")


class FusionContract(OfferContract):
    """Laws of a fusion; `plugin` and `name` are required. Each holds for softmax, sigmoid and identity."""

    kind = "fusion"

    @pytest.fixture(params=["softmax", "sigmoid", "identity"])
    def activation(self, request: pytest.FixtureRequest) -> Activation:
        """Activation of the members' scores."""
        value: Activation = request.param
        return value

    @pytest.fixture
    def members(self, activation: Activation) -> Members:
        """Three branches' scores of four clips."""
        task = {"softmax": "exercise", "sigmoid": "muscles"}.get(str(activation), "effort")
        return {
            name: Scores(task, LABELS, numbers(seed, 4, len(LABELS)) * 3, activation) for seed, name in enumerate(NAMES)
        }

    @pytest.fixture
    def weighted(self, spec: FusionSpec, config: Any) -> Callable[[Mapping[str, float]], Any] | None:
        """The function from weights by branch to a configuration; None for a fusion without weights. By default, it
        replaces the field ``weights`` of `config`, if there is one."""
        if "weights" not in attrs.fields_dict(spec.config):
            return None
        return lambda weights: attrs.evolve(config, weights=dict(weights))

    @pytest.fixture
    def with_weights(
        self, weighted: Callable[[Mapping[str, float]], Any] | None
    ) -> Callable[[Mapping[str, float]], Any]:
        """The value of `weighted`; skips the law for a fusion without weights."""
        if weighted is None:
            pytest.skip("the fixture weighted returns None: it has no weights")
        return weighted

    @pytest.fixture
    def is_average(self, spec: FusionSpec) -> bool:
        """True if fused scores lie between the members, in logits or in probabilities; by default as the spec says."""
        return spec.is_average

    @pytest.fixture
    def is_monotone(self, spec: FusionSpec) -> bool:
        """True if a label never gets less likely when a member's score for it rises; by default as the spec says."""
        return spec.is_monotone

    @pytest.fixture
    def is_symmetric(self, spec: FusionSpec) -> bool:
        """True if the order of members does not matter, though their names may; by default as the spec says."""
        return spec.is_symmetric

    @pytest.fixture
    def fuse(self, spec: FusionSpec, config: Any) -> Fuse:
        return lambda members: spec.fuse(config, _copied(members))

    def test_scores_have_the_labels_of_the_members(self, fuse: Fuse, members: Members) -> None:
        fused, first = fuse(members), members["one"]
        assert isinstance(fused, Scores), f"expected Scores, got {type(fused).__name__}"
        for what in ("task", "labels", "activation"):
            expected, actual = getattr(first, what), getattr(fused, what)
            assert actual == expected, f"{what}: expected the members', {expected!r}, got {actual!r}"
        shape = fused.logits.shape
        assert shape == first.logits.shape, f"expected shape {first.logits.shape}, got {shape}"

    def test_single_member_is_returned_unchanged(
        self, spec: FusionSpec, fuse: Fuse, members: Members, tolerance: float
    ) -> None:
        if spec.min_branches > 1:
            pytest.skip(f"it takes at least {spec.min_branches} branches")
        one = members["one"]
        assert_close(fuse({"one": one}).probabilities, one.probabilities, tolerance, "the only member")

    def test_zero_weight_means_absence(
        self,
        spec: FusionSpec,
        with_weights: Callable[[Mapping[str, float]], Any],
        members: Members,
        tolerance: float,
    ) -> None:
        without = {name: members[name] for name in ("one", "two")}
        expected = spec.fuse(with_weights({"one": 0.25, "two": 0.75}), _copied(without)).probabilities
        actual = spec.fuse(with_weights({"one": 0.25, "two": 0.75, "three": 0.0}), _copied(members)).probabilities
        assert_close(actual, expected, tolerance, "with a member of weight 0")

    def test_scaled_weights_give_the_same_scores(
        self,
        spec: FusionSpec,
        with_weights: Callable[[Mapping[str, float]], Any],
        members: Members,
        tolerance: float,
    ) -> None:
        weights = {"one": 0.2, "two": 0.3, "three": 0.5}
        expected = spec.fuse(with_weights(weights), _copied(members)).probabilities
        actual = spec.fuse(
            with_weights({name: 4 * weight for name, weight in weights.items()}), _copied(members)
        ).probabilities
        assert_close(actual, expected, tolerance, "with weights four times as large")

    def test_evidence_of_all_of_each_clip_changes_nothing(self, fuse: Fuse, members: Members, tolerance: float) -> None:
        whole = {
            name: attrs.evolve(one, evidence=np.ones(len(one.logits), np.float32)) for name, one in members.items()
        }
        assert_close(fuse(whole).probabilities, fuse(members).probabilities, tolerance, "with all evidence")

    def test_fused_scores_lie_between_the_members(
        self, fuse: Fuse, members: Members, is_average: bool, tolerance: float
    ) -> None:
        if not is_average:
            pytest.skip("its spec says that it is no average")
        fused = fuse(members)
        beyond = min(
            _beyond(fused.logits, [member.logits for member in members.values()]),
            _beyond(fused.probabilities, [member.probabilities for member in members.values()]),
        )
        assert beyond <= tolerance, (
            f"it leaves the members' range by {beyond:g}, in logits and in probabilities; {_declared('is_average')}"
        )

    def test_order_of_members_does_not_matter(
        self, fuse: Fuse, members: Members, is_symmetric: bool, tolerance: float
    ) -> None:
        if not is_symmetric:
            pytest.skip("its spec, or the fixture is_symmetric, says that it does")
        turned = {name: members[name] for name in reversed(NAMES)}
        where = f"in the reverse order ({_declared('is_symmetric')})"
        assert_close(fuse(turned).probabilities, fuse(members).probabilities, tolerance, where)

    def test_fused_scores_are_monotone_in_the_members(
        self, fuse: Fuse, members: Members, is_monotone: bool, tolerance: float
    ) -> None:
        if not is_monotone:
            pytest.skip("its spec, or the fixture is_monotone, says that it is not")
        before = fuse(members).probabilities[:, 0]
        for name, member in members.items():
            logits = member.logits.copy()
            logits[:, 0] += 2
            after = fuse({**members, name: attrs.evolve(member, logits=logits)}).probabilities[:, 0]
            lost = float((before - after).max())
            assert lost <= tolerance, (
                f"with a higher score of {name}, a label gets less likely by {lost:g}; {_declared('is_monotone')}"
            )

    def test_nan_is_refused(self, fuse: Fuse, members: Members) -> None:
        broken = copy.copy(members["two"])
        logits = members["two"].logits.copy()
        logits[0, 0] = np.nan
        # Bypasses the check of Scores.
        object.__setattr__(broken, "logits", logits)
        try:
            fuse({**members, "two": broken})
        except InvalidInputError:
            return
        pytest.fail("expected InvalidInputError for a member with NaN scores, got scores", pytrace=False)

    def test_batch_equals_single_clips(self, fuse: Fuse, members: Members, tolerance: float) -> None:
        together = fuse(members).probabilities
        for at in range(len(together)):
            alone = fuse(_rows(members, slice(at, at + 1))).probabilities
            assert_close(alone[0], together[at], tolerance, f"clip {at} alone")

    def test_empty_batch_gives_empty_scores(self, fuse: Fuse, members: Members) -> None:
        shape = fuse(_rows(members, slice(0, 0))).logits.shape
        assert shape == (0, len(LABELS)), f"expected shape {(0, len(LABELS))}, got {shape}"

    def test_inputs_are_not_modified(self, spec: FusionSpec, config: Any, members: Members) -> None:
        given = _copied(members)
        spec.fuse(config, given)
        for name, member in given.items():
            assert np.array_equal(member.logits, members[name].logits), f"it wrote into the scores of {name}"

    def test_output_is_deterministic(self, fuse: Fuse, members: Members) -> None:
        first, second = fuse(members).logits, fuse(members).logits
        assert np.array_equal(first, second), "the same members gave other scores the second time"

    def test_fitted_fusion_is_no_worse(self, spec: FusionSpec, config: Any, members: Members) -> None:
        if spec.fit is None:
            pytest.skip("there is nothing to fit")
        targets, noisy = _noisy_members(members)
        fitted = spec.fit(config, noisy, targets)
        assert isinstance(fitted, spec.config), f"expected fit to return {spec.config.__name__}, got {fitted!r}"
        before, after = (
            _loss(spec.fuse(config, _copied(noisy)), targets),
            _loss(spec.fuse(fitted, _copied(noisy)), targets),
        )
        assert after <= before + 1e-3, f"its loss is {after:g} after fitting and {before:g} before"

    def test_fitted_configuration_round_trips_through_json(
        self, spec: FusionSpec, config: Any, members: Members
    ) -> None:
        if spec.fit is None:
            pytest.skip("there is nothing to fit")
        targets, noisy = _noisy_members(members)
        fitted = spec.fit(config, noisy, targets)
        text = json.dumps(config_to_json(fitted), allow_nan=False)
        read = config_from_json(spec.config, json.loads(text), spec.name)
        assert read == fitted, f"expected {fitted} again, got {read}"


def _copied(members: Members) -> Members:
    """Copies of members, so that a fusion that writes into them breaks only that law."""
    copies: dict[str, Scores] = {}
    for name, member in members.items():
        copies[name] = copy.copy(member)
        # Bypasses the check of Scores, since some members are invalid on purpose.
        object.__setattr__(copies[name], "logits", member.logits.copy())
    return copies


def _rows(members: Members, rows: slice) -> Members:
    return {name: attrs.evolve(member, logits=member.logits[rows]) for name, member in members.items()}


def _declared(field: str) -> str:
    return f"if that is intended, the spec has {field}=False"


def _beyond(values: FloatArray, of: list[FloatArray]) -> float:
    """Largest distance of `values` from the range of others."""
    stacked = np.stack(of)
    return float(np.maximum(values - stacked.max(axis=0), stacked.min(axis=0) - values).max())


def _noisy_members(members: Members) -> tuple[Any, Members]:
    """Targets of 60 clips, and members of different accuracy."""
    random = np.random.default_rng(5)
    first = members["one"]
    truth = random.integers(0, len(LABELS), 60)
    one_hot = np.eye(len(LABELS), dtype=np.float32)[truth]
    noisy = {
        name: attrs.evolve(first, logits=(4 * one_hot - 2 + random.normal(0, noise, one_hot.shape)).astype(np.float32))
        for name, noise in zip(NAMES, (1.0, 2.0, 4.0), strict=True)
    }
    targets = {"softmax": truth, "sigmoid": one_hot}.get(str(first.activation), 4 * one_hot - 2)
    return targets, noisy


def _loss(scores: Scores, targets: Any) -> float:
    """Mean log loss of scores; of numbers, the mean squared error."""
    if scores.activation == "identity":
        return float(np.square(scores.logits - targets).sum(axis=1).mean())
    probabilities = np.clip(scores.probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    if scores.activation == "softmax":
        return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())
    losses = targets * np.log(probabilities) + (1 - targets) * np.log1p(-probabilities)
    return float(-losses.sum(axis=1).mean())
