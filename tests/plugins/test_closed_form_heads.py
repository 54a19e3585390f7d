"""Heads that are fitted in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitsense import InvalidInputError
from fitsense.plugins import HeadExamples
from fitsense.types import FloatArray
from fitsense_heads import discriminant, ridge
from fitsense_heads.discriminant import DiscriminantConfig
from fitsense_heads.ridge import RidgeConfig

CENTRES = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]], np.float32)


def examples(windows: int = 90, classes: int = 3, variants: int = 0) -> HeadExamples:
    """Windows about the centre of their class; with variants, also windows of one more class, far away."""
    random = np.random.default_rng(0)
    targets = np.arange(windows) % classes
    features = random.normal(CENTRES[targets], 0.7, (windows, 3))
    kinds = np.full(windows, -1)
    if variants:
        kinds = np.concatenate([kinds, np.arange(windows) % variants])
        far = random.normal(0, 0.3, (windows, 3)) + 9 * np.eye(3)[kinds[windows:] % 3]
        features, targets = np.concatenate([features, far]), np.concatenate([targets, np.full(windows, classes)])
    features = features * [1, 10, 0.5] + [5, 0, 0]
    return HeadExamples(features.astype(np.float32), targets, np.ones(len(features)), kinds)


def logits(module: torch.nn.Module, features: FloatArray) -> FloatArray:
    with torch.inference_mode():
        return np.asarray(module(torch.from_numpy(features)).numpy())


def test_discriminant_agrees_with_scikit_learn() -> None:
    # Its import takes each worker most of a second.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    given = examples()
    config, module = discriminant.fit(DiscriminantConfig(shrinkage=0.0), given, ("a", "b", "c"))
    reference = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(given.features, given.targets)
    ours, theirs = logits(module, given.features), reference.decision_function(given.features)
    assert config.rows == 1
    np.testing.assert_allclose(ours[:, 1] - ours[:, 0], theirs[:, 1] - theirs[:, 0], atol=0.05)


def test_discriminant_weights_of_windows_are_as_their_number() -> None:
    given = examples(30)
    twice = HeadExamples(*(np.concatenate([values, values[:3]]) for values in vars_of(given)))
    heavy = HeadExamples(given.features, given.targets, np.r_[np.full(3, 2.0), np.ones(27)], given.variants)
    one, other = (discriminant.fit(DiscriminantConfig(), some, ("a", "b", "c"))[1] for some in (twice, heavy))
    np.testing.assert_allclose(logits(one, given.features), logits(other, given.features), atol=1e-3)


def vars_of(given: HeadExamples) -> tuple[np.ndarray, ...]:
    return given.features, given.targets, given.weights, given.variants


def test_discriminant_variants_of_the_last_label_are_rows_and_one_logit() -> None:
    given = examples(variants=4)
    config, module = discriminant.fit(DiscriminantConfig(), given, ("a", "b", "c", "unknown"))
    assert config.rows == 4
    found = logits(module, given.features)
    assert found.shape == (180, 4)
    assert (found.argmax(axis=1) == given.targets).mean() > 0.95
    rebuilt = discriminant.build(config, 3, ("a", "b", "c", "unknown"))
    rebuilt.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(logits(rebuilt, given.features), found)


def test_discriminant_variants_leave_the_other_rows_unchanged() -> None:
    _, alone = discriminant.fit(DiscriminantConfig(), examples(), ("a", "b", "c"))
    _, with_variants = discriminant.fit(DiscriminantConfig(), examples(variants=4), ("a", "b", "c", "unknown"))
    values = examples().features
    np.testing.assert_allclose(logits(alone, values), logits(with_variants, values)[:, :3], atol=1e-4)


def test_discriminant_without_examples_of_a_label_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="got none of 'd'"):
        discriminant.fit(DiscriminantConfig(), examples(), ("a", "b", "c", "d"))


def test_ridge_agrees_with_scikit_learn() -> None:
    # Its import takes each worker most of a second.
    from sklearn.linear_model import Ridge

    given = examples()
    graded = np.clip(given.features[:, :2] / 5, 0, 1).astype(np.float32)
    given = HeadExamples(given.features, graded, given.weights, given.variants)
    config = RidgeConfig(penalty=0.5)
    _, module = ridge.fit(config, given, ("x", "y"))
    values = (given.features - given.features.mean(axis=0)) / given.features.std(axis=0)
    reference = Ridge(alpha=0.5 * len(values)).fit(values, graded).predict(values)
    np.testing.assert_allclose(logits(module, given.features) / config.slope + 0.5, reference, atol=1e-3)
