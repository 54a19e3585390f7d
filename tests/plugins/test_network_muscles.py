"""The head of a network for graded targets."""

from __future__ import annotations

import attrs
import numpy as np
import torch

from fitsense.plugins import HeadExamples
from fitsense.types import FloatArray
from fitsense_heads import network_muscles, ridge
from fitsense_heads.network_muscles import NetworkMusclesConfig

SMALL = NetworkMusclesConfig(hidden=24, steps=600, batch_size=32, learning_rate=0.02, dropout=0.0, input_dropout=0.0)
LABELS = ("inner", "outer")


def rings(each: int = 80, seed: int = 0) -> HeadExamples:
    """Windows on three rings around one centre: the second works both muscles, one of them half."""
    random = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(3), each)
    angles, radii = random.uniform(0, 2 * np.pi, len(kinds)), 1.0 + 1.5 * kinds + random.normal(0, 0.15, len(kinds))
    features = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1).astype(np.float32)
    targets = np.array([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]], np.float32)[kinds]
    return HeadExamples(features, targets, np.ones(len(kinds)), np.full(len(kinds), -1))


def probabilities(module: torch.nn.Module, features: FloatArray) -> FloatArray:
    with torch.inference_mode():
        return np.asarray(module(torch.from_numpy(features)).sigmoid().numpy())


def test_network_predicts_graded_targets_that_ridge_cannot() -> None:
    given, others = rings(), rings(seed=1)
    _, flat = ridge.fit(ridge.RidgeConfig(), given, LABELS)
    _, module = network_muscles.fit(SMALL, given, LABELS)
    errors = [np.abs(probabilities(one, others.features) - others.targets).mean() for one in (flat, module)]
    assert errors[1] < 0.1 < errors[0]


def test_windows_without_weight_are_never_drawn() -> None:
    given = rings()
    wrong = attrs.evolve(
        given,
        features=np.concatenate([given.features, given.features]),
        targets=np.concatenate([given.targets, 1 - given.targets]),
        weights=np.concatenate([given.weights, np.zeros(len(given.weights))]),
        variants=np.full(2 * len(given.weights), -1),
    )
    _, module = network_muscles.fit(SMALL, wrong, LABELS)
    assert np.abs(probabilities(module, given.features) - given.targets).mean() < 0.1


def test_fitting_depends_on_the_seed_alone() -> None:
    given = rings(20)
    short = attrs.evolve(SMALL, steps=5)
    state = torch.random.get_rng_state()
    one, same, other = (
        probabilities(network_muscles.fit(attrs.evolve(short, seed=seed), given, LABELS)[1], given.features)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(state, torch.random.get_rng_state())
