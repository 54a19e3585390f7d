"""Checks before and after a fusion is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.errors import InvalidInputError, PluginError
from fitsense.inference.members import fit_fusion_config, fuse_members
from fitsense.plugins.specs import FusionSpec
from fitsense.types import Scores

ONE = Scores("exercise", ("squat", "row"), np.zeros((3, 2), np.float32), "softmax")


@attrs.frozen
class Config:
    fitted: bool = False


def first(config: Config, members: Mapping[str, Scores]) -> Scores:
    return next(iter(members.values()))


def never(config: Config, members: Mapping[str, Scores]) -> Scores:
    raise AssertionError("it was called")


def test_fuse_equal_members_returns_the_scores_of_the_fusion() -> None:
    assert fuse_members(FusionSpec("first", first, Config), Config(), {"one": ONE, "two": ONE}) is ONE


def test_fuse_result_is_of_all_of_each_clip() -> None:
    seen = attrs.evolve(ONE, evidence=[0.5, 0.0, 1.0])
    assert fuse_members(FusionSpec("first", first, Config), Config(), {"one": seen}).evidence is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"task": "muscles"}, "got task 'exercise' from one and 'muscles' from two"),
        ({"labels": ("row", "squat")}, r"got labels \('squat', 'row'\) from one and \('row', 'squat'\) from two"),
        ({"activation": "sigmoid"}, "got activation 'softmax' from one and 'sigmoid' from two"),
        ({"logits": np.zeros((2, 2))}, r"got shape \(3, 2\) from one and \(2, 2\) from two"),
    ],
)
def test_fuse_members_that_disagree_raises_before_the_fusion_is_called(other: dict[str, Any], message: str) -> None:
    members = {"one": ONE, "two": attrs.evolve(ONE, **other)}
    spec = FusionSpec("never", never, Config, fit=lambda config, scores, targets: never(config, scores))
    with pytest.raises(InvalidInputError, match=f"expected members that agree, {message}"):
        fuse_members(spec, Config(), members)
    with pytest.raises(InvalidInputError, match="expected members that agree"):
        fit_fusion_config(spec, Config(), members, np.zeros(3, np.int64))


def test_fuse_members_without_any_raises() -> None:
    with pytest.raises(InvalidInputError, match="expected at least one member, got none"):
        fuse_members(FusionSpec("never", never, Config), Config(), {})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (ONE.logits, "fusion odd: expected Scores, got ndarray"),
        (attrs.evolve(ONE, logits=ONE.logits[:1]), r"shape: expected those of one, \(3, 2\), got \(1, 2\)"),
        (attrs.evolve(ONE, task="muscles"), "task: expected those of one, 'exercise', got 'muscles'"),
    ],
)
def test_fuse_members_with_a_result_of_another_form_raises(result: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        fuse_members(FusionSpec("odd", lambda config, members: result, Config), Config(), {"one": ONE})


def test_fit_fusion_config_checks_targets_and_result() -> None:
    spec = FusionSpec("fitted", first, Config, fit=lambda config, members, targets: Config(fitted=True))
    assert fit_fusion_config(spec, Config(), {"one": ONE}, np.zeros(3, np.int64)) == Config(fitted=True)
    assert fit_fusion_config(attrs.evolve(spec, fit=None), Config(), {"one": ONE}, np.zeros(3)) == Config()
    with pytest.raises(InvalidInputError, match="targets: expected one for each of 3 clips, got 2"):
        fit_fusion_config(spec, Config(), {"one": ONE}, np.zeros(2, np.int64))
    odd = attrs.evolve(spec, fit=lambda config, members, targets: None)
    with pytest.raises(PluginError, match="fusion fitted: fit: expected Config, got NoneType"):
        fit_fusion_config(odd, Config(), {"one": ONE}, np.zeros(3, np.int64))
