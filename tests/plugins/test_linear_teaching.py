"""Teaching of labels to a linear head that gradient descent fitted."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.plugins import HeadExamples, LabelExamples
from fitsense_heads import linear, linear_teaching
from fitsense_heads.linear import LinearConfig

torch = pytest.importorskip("torch")

CONFIGS = [LinearConfig(), LinearConfig(dropout=0.5)]
DIM = 12


def clouds(count: int, labels: int, seed: int = 0) -> HeadExamples:
    """Windows around a centre of each label, far less apart within a label than between labels."""
    centres = np.random.default_rng(7).normal(0, 2, (labels, DIM))
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(labels), count)
    features = (centres[targets] + rng.normal(0, 1, (len(targets), DIM))).astype(np.float32)
    return HeadExamples(features, targets, np.ones(len(targets)), np.full(len(targets), -1))


def fitted(config: LinearConfig, examples: HeadExamples, labels: int) -> tuple[Any, dict[str, Any]]:
    """The head after gradient descent, and its tensors."""
    module = linear.build(config, DIM, tuple(map(str, range(labels))))
    optimizer = torch.optim.Adam(module.parameters(), 0.05)
    features, targets = torch.from_numpy(examples.features), torch.from_numpy(examples.targets)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(features), targets, label_smoothing=0.1).backward()
        optimizer.step()
    return module.eval(), {name: one.detach().numpy() for name, one in module.state_dict().items()}


def without(examples: HeadExamples, label: int) -> HeadExamples:
    kept = examples.select(examples.targets != label)
    return attrs.evolve(kept, targets=kept.targets - (kept.targets > label))


@pytest.mark.parametrize("config", CONFIGS)
def test_logits_by_arrays_are_those_of_the_module(config: LinearConfig) -> None:
    given = clouds(20, 4)
    module, tensors = fitted(config, given, 4)
    with torch.no_grad():
        expected = module(torch.from_numpy(given.features)).numpy()
    np.testing.assert_allclose(linear_teaching.logits(config, tensors, given.features), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("position", [3, 4])
def test_taught_label_is_named_and_the_others_stay(config: LinearConfig, position: int) -> None:
    """The position is that before the last label, or after it."""
    labels, new = 6, 2
    everything, later = clouds(40, labels), clouds(40, labels, seed=1)
    known = without(everything, new)
    _, tensors = fitted(config, known, labels - 1)
    statistics = linear_teaching.statistics(config, tensors, known, known)
    own = everything.features[everything.targets == new][:12]
    taught = linear_teaching.add_label(config, tensors, statistics, LabelExamples(own, np.arange(12) // 2), position)
    for name, before in tensors.items():
        np.testing.assert_array_equal(np.delete(taught[name], position, axis=0), before)
    order = [label for label in range(labels) if label != new]
    order.insert(position, new)
    named = np.array(order)[linear_teaching.logits(config, taught, later.features).argmax(axis=1)]
    assert (named == later.targets)[later.targets == new].mean() > 0.6
    assert (named == later.targets)[later.targets != new].mean() > 0.9


def test_second_label_is_taught_after_the_first() -> None:
    config, labels = LinearConfig(), 7
    everything, later = clouds(40, labels), clouds(40, labels, seed=1)
    known = everything.select(everything.targets < 5)
    _, tensors = fitted(config, known, 5)
    statistics = linear_teaching.statistics(config, tensors, known, known)
    taught: Any = tensors
    for label in (5, 6):
        own = LabelExamples(everything.features[everything.targets == label], np.arange(40) // 4)
        taught = linear_teaching.add_label(config, taught, statistics, own, label)
    named = linear_teaching.logits(config, taught, later.features).argmax(axis=1)
    assert (named == later.targets).mean() > 0.85


def test_shift_raises_one_logit() -> None:
    config, given = CONFIGS[1], clouds(10, 3)
    _, tensors = fitted(config, given, 3)
    before = linear_teaching.logits(config, tensors, given.features)
    after = linear_teaching.logits(config, linear_teaching.shift(config, tensors, 1, 2.5), given.features)
    np.testing.assert_allclose(after - before, np.array([0, 2.5, 0]) * np.ones_like(before), atol=1e-5)


def test_labels_without_examples_and_variants_of_the_last_are_left_out() -> None:
    config, given = CONFIGS[0], clouds(20, 6)
    _, tensors = fitted(config, given, 6)
    some = given.select(given.targets != 1)
    varied = attrs.evolve(some, variants=np.where(some.targets == 5, np.arange(len(some.targets)) % 3, -1))
    statistics = linear_teaching.statistics(config, tensors, varied, varied)
    assert statistics["labels"].tolist() == [0, 2, 3, 4]
    own = LabelExamples(given.features[given.targets == 1], np.arange(20) // 4)
    taught = linear_teaching.add_label(config, tensors, statistics, own, 5)
    later = clouds(20, 6, seed=1)
    named = linear_teaching.logits(config, taught, later.features).argmax(axis=1)
    # The head knew label 1, which lies elsewhere in it.
    assert np.isin(named[later.targets == 1], (1, 5)).mean() > 0.9
    others = np.isin(later.targets, (0, 2, 3, 4))
    assert (named[others] == later.targets[others]).mean() > 0.9
    raised = linear_teaching.shift(config, taught, 5, 3.0)
    named = linear_teaching.logits(config, raised, later.features).argmax(axis=1)
    assert (named[later.targets == 1] == 5).mean() > 0.5


def test_head_without_bias_has_no_statistics() -> None:
    config, given = LinearConfig(bias=False), clouds(5, 3)
    assert linear_teaching.statistics(config, {"weight": np.zeros((3, DIM), np.float32)}, given, given) == {}


def test_features_that_do_not_differ_give_statistics() -> None:
    config, given = CONFIGS[0], clouds(5, 3)
    same = attrs.evolve(given, features=np.ones_like(given.features))
    tensors = {"weight": np.zeros((3, DIM), np.float32), "bias": np.zeros(3, np.float32)}
    assert linear_teaching.statistics(config, tensors, same, same)["unit"].tolist() == [0.0]
