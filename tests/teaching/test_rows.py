"""Rows of taught labels, and the covariance that they need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fitsense.plugins import HeadExamples, LabelExamples
from fitsense_heads import discriminant
from fitsense_heads.covariance import Covariance
from fitsense_heads.discriminant import DiscriminantConfig

DIMENSIONS = 24


def windows(classes: int, each: int, seed: int = 0, unknown: int = 0) -> HeadExamples:
    """Windows about a centre for each class, with correlated noise; the last one has variants if `unknown`."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(DIMENSIONS, DIMENSIONS)) / 4
    centres = np.random.default_rng(98).normal(0, 1.5, (40, DIMENSIONS))
    labels = np.repeat(np.arange(classes + unknown), each)
    features = centres[labels] + random.normal(size=(len(labels), DIMENSIONS)) @ mixing
    variants = np.where(labels >= classes, labels - classes, -1)
    return HeadExamples(
        features.astype(np.float32), np.minimum(labels, classes), np.ones(len(labels)), variants.astype(np.int64)
    )


def fitted(examples: HeadExamples, labels: int) -> tuple[DiscriminantConfig, dict[str, np.ndarray], torch.nn.Module]:
    config, module = discriminant.fit(DiscriminantConfig(), examples, tuple("abcdefghijklmn"[:labels]))
    return config, {name: one.numpy() for name, one in module.state_dict().items()}, module


@given(st.integers(0, 1000), st.integers(1, 12))
def test_covariance_solve_inverts_times(seed: int, rank: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(60, 12)) * random.uniform(0.2, 3, 12)
    covariance = Covariance.of(np.cov(values.T), rank)
    rows = random.normal(size=(3, 12))

    np.testing.assert_allclose(covariance.solve(covariance.times(rows)), rows, atol=1e-6)
    matrix = covariance.times(np.eye(12))
    np.testing.assert_allclose(np.diagonal(matrix), np.diagonal(np.cov(values.T)), rtol=1e-6)


def test_covariance_of_full_rank_is_the_matrix() -> None:
    matrix = np.cov(np.random.default_rng(0).normal(size=(50, 8)).T)
    whole = Covariance.of(matrix, 7)

    np.testing.assert_allclose(whole.times(np.eye(8)), matrix, atol=1e-9)


@pytest.mark.parametrize("unknown", [0, 3])
def test_logits_are_those_of_the_module(unknown: int) -> None:
    examples = windows(4, 30, unknown=unknown)
    config, tensors, module = fitted(examples, 4 + bool(unknown))

    with torch.inference_mode():
        expected = module(torch.from_numpy(examples.features)).numpy()
    np.testing.assert_allclose(discriminant.logits(config, tensors, examples.features), expected, atol=1e-3)


@pytest.mark.parametrize("unknown", [0, 3])
def test_taught_row_names_its_windows_and_keeps_the_other_rows(unknown: int) -> None:
    known = windows(4, 40, unknown=unknown)
    config, tensors, _ = fitted(known, 4 + bool(unknown))
    statistics = discriminant.statistics(config, tensors, known, known)
    everything = windows(30, 60, seed=1)
    own = everything.features[everything.targets == 20]
    examples = LabelExamples(own[:30], np.repeat(np.arange(10), 3))
    taught = discriminant.add_label(config, tensors, statistics, examples, 4)

    rest = np.delete(taught["scores.layer.weight"], 4, axis=0)
    np.testing.assert_array_equal(rest, tensors["scores.layer.weight"])
    assert (discriminant.logits(config, taught, own[30:]).argmax(axis=1) == 4).mean() > 0.9
    held = windows(4, 40, seed=2)
    before, after = (discriminant.logits(config, one, held.features).argmax(axis=1) for one in (tensors, taught))
    assert (after == np.where(before >= 4, before + 1, before)).mean() > 0.95


def test_taught_row_has_the_scale_of_trained_rows() -> None:
    known = windows(12, 60)
    config, tensors, _ = fitted(known, 12)
    statistics = discriminant.statistics(config, tensors, known, known)
    own = known.features[known.targets == 5]
    taught = discriminant.add_label(config, tensors, statistics, LabelExamples(own, np.arange(len(own))), 12)
    logits = discriminant.logits(config, taught, windows(12, 60, seed=3).features)

    # Label 5 was taught once more, from its own windows: both rows say the same.
    assert np.corrcoef(logits[:, 5], logits[:, 12])[0, 1] > 0.99
    assert np.polyfit(logits[:, 5], logits[:, 12], 1)[0] == pytest.approx(1, abs=0.1)


def test_labels_taught_one_after_the_other_do_not_depend_on_each_other() -> None:
    known = windows(4, 40, unknown=2)
    config, tensors, _ = fitted(known, 5)
    statistics = discriminant.statistics(config, tensors, known, known)
    everything = windows(30, 20, seed=4)
    first, second = (
        LabelExamples(everything.features[everything.targets == label], np.arange(20) // 4) for label in (20, 25)
    )
    both = discriminant.add_label(
        config, discriminant.add_label(config, tensors, statistics, first, 4), statistics, second, 5
    )
    alone = discriminant.add_label(config, tensors, statistics, second, 4)

    np.testing.assert_allclose(both["scores.layer.weight"][5], alone["scores.layer.weight"][4], rtol=1e-5)


def test_variant_that_a_clip_resembles_is_switched_off() -> None:
    known = windows(3, 40, unknown=4)
    config, tensors, _ = fitted(known, 4)
    statistics = discriminant.statistics(config, tensors, known, known)
    stranger = known.features[known.variants == 1]
    examples = LabelExamples(stranger, np.arange(len(stranger)) // 10)
    taught = discriminant.add_label(config, tensors, statistics, examples, 3)

    off = taught["scores.layer.bias"] < -1e4
    assert off.tolist() == [False, False, False, False, False, True, False, False]
    # A vanishing variant changes no other logit: the label has finite ones.
    assert np.isfinite(discriminant.logits(config, taught, known.features)).all()
    assert (discriminant.logits(config, taught, stranger).argmax(axis=1) == 3).mean() > 0.9
