"""Heads as a plugin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fitsense
from fitsense.plugins.specs import HeadSpec
from fitsense.types import Scores, to_probabilities
from fitsense_heads.lookup import LookupConfig, derive


def exercise(**probabilities: float) -> Scores:
    logits = np.log(np.array([list(probabilities.values())], np.float32) + 1e-9)
    return Scores("exercise", tuple(probabilities), logits, "softmax")


def test_lookup_weighs_exercises_by_probability() -> None:
    scores = derive(LookupConfig(), exercise(squat=0.6, push_up=0.3, no_exercise=0.1), ("quads", "chest", "biceps"))
    np.testing.assert_allclose(scores.probabilities[0], [0.6, 0.3, 0.0], atol=1e-5)
    assert (scores.task, scores.activation) == ("muscles", "sigmoid")


def test_lookup_hard_takes_the_most_probable_exercise() -> None:
    scores = derive(LookupConfig(hard=True), exercise(squat=0.6, push_up=0.4), ("quads", "chest"))
    np.testing.assert_allclose(scores.probabilities[0], [1.0, 0.0], atol=1e-5)


def test_lookup_exercise_outside_the_catalogue_activates_no_muscle() -> None:
    scores = derive(LookupConfig(), exercise(moonwalk=1.0), ("quads",))
    np.testing.assert_allclose(scores.probabilities[0], [0.0], atol=1e-5)


def test_lookup_empty_batch_gives_empty_scores() -> None:
    empty = Scores("exercise", ("squat",), np.zeros((0, 1), np.float32), "softmax")
    assert derive(LookupConfig(), empty, ("quads",)).logits.shape == (0, 1)


@pytest.mark.parametrize("name", ["linear_exercise", "linear_muscles"])
def test_linear_heads_untrained_give_equal_probabilities(name: str) -> None:
    plugins = fitsense.PluginManager.discover()
    spec = plugins.head(name)
    assert isinstance(spec, HeadSpec)
    head = spec.build(spec.config(), 5, ("a", "b"))
    with torch.inference_mode():
        logits = head(torch.randn(3, 5)).numpy()
    assert logits.shape == (3, 2)
    np.testing.assert_allclose(to_probabilities(logits, plugins.task(spec.task).activation), 0.5)
