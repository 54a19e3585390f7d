"""Expectations of a host: names, and the logits that result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.expectation import EXPECTED_ODDS, Expectation, apply_expectations
from fitsense.types import to_probabilities

LABELS = ("bicep_curl", "no_exercise", "push_up", "squat", "unknown")
LOGITS = np.array([[2.0, 0.5, 1.0, 0.0, -1.0], [0.0, 3.0, 0.0, 1.0, 0.0]], dtype=np.float32)


def probabilities(expectation: Expectation) -> Any:
    return to_probabilities(expectation.apply(LOGITS, LABELS), "softmax").astype(float)


def test_exercises_are_renormalised_with_idle_and_unknown() -> None:
    restricted = probabilities(Expectation.of(LABELS, ("squat", "push_up"), None))
    before = to_probabilities(LOGITS, "softmax").astype(float)
    assert (restricted[:, 0] == 0).all()
    np.testing.assert_allclose(restricted[:, 1:], before[:, 1:] / before[:, 1:].sum(axis=1, keepdims=True), rtol=1e-5)


def test_expected_multiplies_odds_and_leaves_idle_and_unknown() -> None:
    guided, before = probabilities(Expectation.of(LABELS, None, "squat")), to_probabilities(LOGITS, "softmax")
    np.testing.assert_allclose(guided[:, [1, 4]], before[:, [1, 4]], rtol=1e-5)
    for other in (0, 2):
        odds = (guided[:, 3] / guided[:, other]) / (before[:, 3] / before[:, other])
        np.testing.assert_allclose(odds, EXPECTED_ODDS, rtol=1e-4)
    np.testing.assert_allclose(guided.sum(axis=1), 1, rtol=1e-6)


def test_apply_expectations_gives_each_clip_its_own() -> None:
    only = Expectation.of(LABELS, ("squat",), None)
    assert apply_expectations(LOGITS, LABELS, ()) is LOGITS
    assert apply_expectations(LOGITS, LABELS, (None, None)) is LOGITS
    mixed = apply_expectations(LOGITS, LABELS, (None, only))
    assert np.array_equal(mixed[0], LOGITS[0])
    assert np.array_equal(mixed[1:], only.apply(LOGITS[1:], LABELS))


def test_of_gives_the_order_of_the_labels() -> None:
    assert Expectation.of(LABELS, ["squat", "push_up", "squat"], None).exercises == ("push_up", "squat")


@pytest.mark.parametrize(
    ("exercises", "expected", "message"),
    [
        (("sqaut",), None, "exercises: expected an exercise that the bundle knows, got 'sqaut'; did you mean squat?"),
        (("Push-ups",), None, "did you mean push_up?"),
        (("hammer curl",), None, "did you mean bicep_curl?"),
        (None, "pushup", "expected: expected an exercise that the bundle knows, got 'pushup'; did you mean push_up?"),
        (("xyzzy",), None, "available: bicep_curl, push_up, squat"),
        (("no_exercise",), None, "available: bicep_curl, push_up, squat"),
        (("squat",), "push_up", r"expected: expected one of exercises \(squat\), got 'push_up'"),
    ],
)
def test_of_unknown_name_suggests_another(exercises: Iterable[str] | None, expected: str | None, message: str) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=message.replace("?", r"\?")):
        Expectation.of(LABELS, exercises, expected)


@pytest.mark.parametrize("value", ["squat", (), (1,), 5])
def test_session_config_exercises_of_another_type_are_refused(value: Any) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"exercises: expected names of exercises"):
        fitsense.SessionConfig(exercises=value)
    with pytest.raises(fitsense.InvalidInputError, match=r"exercises: expected names of exercises"):
        Expectation().with_exercises(LABELS, value)


def test_with_exercises_keeps_what_is_expected_where_it_may_be_named() -> None:
    guided = Expectation.of(LABELS, None, "squat")
    assert guided.with_exercises(LABELS, ["squat", "push_up"]).expected == "squat"
    assert guided.with_exercises(LABELS, ["push_up"]).expected is None
