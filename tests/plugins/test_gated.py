"""The fusion of a look-up and of learned members, gated by doubt."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import pytest

from fitsense import InvalidInputError, Scores, to_logits
from fitsense_ensemble.gated import GatedConfig, fit, fuse
from fitsense_heads.doubt import DoubtConfig, derive

LABELS = ("chest", "quads")


def scores(*rows: Sequence[float]) -> Scores:
    return Scores("muscles", LABELS, to_logits(np.array(rows, np.float32), "sigmoid"), "sigmoid")


def test_fuse_adds_learned_scores_in_proportion_to_unknown() -> None:
    fused = fuse(
        GatedConfig(),
        {
            "lookup": scores((1.0, 0.0), (0.2, 0.0)),
            "doubt": scores((0.0, 0.0), (0.8, 0.8)),
            "a": scores((0.1, 0.9), (0.0, 1.0)),
            "b": scores((0.1, 0.9), (0.5, 0.5)),
        },
    )
    np.testing.assert_allclose(fused.probabilities, [[1.0, 0.0], [0.4, 0.6]], atol=1e-4)


def test_fuse_learned_member_counts_for_its_share_of_each_clip() -> None:
    members = {
        "lookup": scores((0.0, 0.0), (0.0, 0.0)),
        "doubt": scores((1.0, 1.0), (1.0, 1.0)),
        "a": attrs.evolve(scores((0.0, 1.0), (0.0, 1.0)), evidence=[1.0, 0.0]),
        "b": scores((1.0, 0.0), (1.0, 0.0)),
    }
    np.testing.assert_allclose(fuse(GatedConfig(), members).probabilities, [[0.5, 0.5], [1.0, 0.0]], atol=1e-4)


def test_fit_prefers_the_member_that_is_right() -> None:
    random = np.random.default_rng(0)
    truth = (random.uniform(size=(200, 2)) < 0.4).astype(np.float32)
    members = {
        "lookup": scores(*np.full((200, 2), 0.2)),
        "doubt": scores(*np.full((200, 2), 0.4)),
        "right": scores(*(0.9 * truth + 0.05)),
        "wrong": scores(*random.uniform(size=(200, 2))),
    }
    fitted = fit(GatedConfig(), members, truth)
    assert fitted.weights["right"] > fitted.weights["wrong"]
    with pytest.raises(InvalidInputError, match="expected one for each of"):
        fuse(fitted, {name: members[name] for name in ("lookup", "doubt", "right")})


def test_fit_lowers_the_power_where_the_look_up_is_wrong_despite_little_doubt() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    members = {
        "lookup": scores((0.3, 0.5), (0.5, 0.3), (0.5, 0.3), (0.3, 0.5)),
        "doubt": scores(*np.full((4, 2), 0.05)),
        "a": scores(*(0.98 * truth + 0.01)),
    }
    assert fit(GatedConfig(), members, truth).power < 1


def test_fuse_without_the_look_up_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="expected a member 'lookup'"):
        fuse(GatedConfig(), {"doubt": scores((0.0, 0.0)), "a": scores((0.0, 0.0))})


def test_doubt_is_the_probability_of_unknown_for_each_group() -> None:
    exercise = Scores("exercise", ("squat", "unknown"), np.log(np.array([[0.3, 0.7]], np.float32)), "softmax")
    np.testing.assert_allclose(derive(DoubtConfig(), exercise, LABELS).probabilities, [[0.7, 0.7]], atol=1e-5)
    known = Scores("exercise", ("squat",), np.zeros((1, 1), np.float32), "softmax")
    np.testing.assert_allclose(derive(DoubtConfig(), known, LABELS).probabilities, [[0.0, 0.0]], atol=1e-5)
