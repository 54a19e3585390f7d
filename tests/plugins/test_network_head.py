"""The head whose hidden layer is learned: fitting, arrays in place of the module, and teaching."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from fitsense import InvalidInputError
from fitsense.plugins import HeadExamples, LabelExamples
from fitsense.types import FloatArray
from fitsense_heads import discriminant, network
from fitsense_heads.network import NetworkConfig

DENSE = NetworkConfig(hidden=24, steps=150, batch_size=32, dropout=0.1, input_dropout=0.0, shrinkage=0.3)
TEMPORAL = attrs.evolve(DENSE, frames=8, hidden=12)
LABELS = ("a", "b", "c", "unknown")


def rings(each: int = 60, seed: int = 0, kinds: int = 3) -> HeadExamples:
    """Windows on rings around one centre: no line divides them. The last label has two variants, far away."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(kinds), each)
    angles = random.uniform(0, 2 * np.pi, len(labels))
    radii = 1.0 + 1.5 * labels + random.normal(0, 0.15, len(labels))
    known = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    far = np.concatenate([random.normal(centre, 0.4, (each, 2)) for centre in ((9, 9), (-9, 9))])
    variants = np.concatenate([np.full(len(labels), -1), np.repeat([0, 1], each)])
    features = np.concatenate([known, far]).astype(np.float32)
    targets = np.concatenate([labels, np.full(2 * each, kinds)])
    return HeadExamples(features, targets, np.ones(len(targets)), variants)


def waves(each: int = 60, seed: int = 0) -> HeadExamples:
    """Windows of 8 frames and 2 signals, which differ in how often they swing; at which phase says nothing."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    phases = random.uniform(0, 2 * np.pi, (len(labels), 1))
    times = np.arange(8)[None] * np.array([0.4, 1.2, 2.4])[labels][:, None]
    signals = np.stack([np.sin(times + phases), np.cos(times + phases)], axis=2)
    features = (signals + random.normal(0, 0.1, signals.shape)).reshape(len(labels), -1).astype(np.float32)
    return HeadExamples(features, labels, np.ones(len(labels)), np.full(len(labels), -1))


def logits(module: torch.nn.Module, features: FloatArray) -> FloatArray:
    with torch.inference_mode():
        return np.asarray(module(torch.from_numpy(features)).numpy())


def tensors_of(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: one.numpy() for name, one in module.state_dict().items()}


def accuracy(found: FloatArray, given: HeadExamples) -> float:
    return float((found.argmax(axis=1) == given.targets).mean())


def test_network_separates_what_the_discriminant_cannot() -> None:
    given, others = rings(), rings(seed=1)
    _, flat = discriminant.fit(DENSE.of_scores(), given, LABELS)
    _, module = network.fit(DENSE, given, LABELS)
    assert accuracy(logits(flat, others.features), others) < 0.8
    assert accuracy(logits(module, others.features), others) > 0.9


def test_network_over_time_tells_speeds_whatever_the_phase() -> None:
    _, module = network.fit(TEMPORAL, waves(), LABELS[:3])
    others = waves(seed=1)
    assert accuracy(logits(module, others.features), others) > 0.9


def test_fitting_depends_on_the_seed_alone() -> None:
    given = rings(20)
    short = attrs.evolve(DENSE, steps=5)
    state = torch.random.get_rng_state()
    one, same, other = (
        network.fit(attrs.evolve(short, seed=seed), given, LABELS)[1](torch.from_numpy(given.features))
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert (one - other).abs().max() > 0.1
    assert torch.equal(torch.random.get_rng_state(), state), "the caller's generator is untouched"


@pytest.mark.parametrize(("config", "given"), [(DENSE, rings(20)), (TEMPORAL, waves(20))], ids=["dense", "temporal"])
def test_logits_by_arrays_are_those_of_the_module(config: NetworkConfig, given: HeadExamples) -> None:
    labels = LABELS[: given.targets.max() + 1]
    fitted, module = network.fit(attrs.evolve(config, steps=20), given, labels)
    expected = logits(module, given.features)
    found = network.logits(fitted, tensors_of(module), given.features)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-2)
    rebuilt = network.build(fitted, given.features.shape[1], labels)
    rebuilt.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(logits(rebuilt, given.features), expected)


def test_taught_label_is_named_and_the_others_stay() -> None:
    everything, later = rings(60, kinds=4), rings(60, seed=2, kinds=4)
    new = everything.targets == 2
    given = everything.select(~new)
    known = attrs.evolve(given, targets=np.where(given.targets > 2, given.targets - 1, given.targets))
    config, module = network.fit(DENSE, known, ("a", "b", "d", "unknown"))
    tensors = tensors_of(module)
    statistics = network.statistics(config, tensors, known, known)
    own = LabelExamples(everything.features[new], np.arange(int(new.sum())) // 6)
    taught = network.add_label(config, tensors, statistics, own, 2)
    changed = {name for name in taught if not np.array_equal(taught[name], tensors[name])}
    assert changed == {"discriminant.scores.layer.weight", "discriminant.scores.layer.bias"}
    raised = network.shift(config, taught, 2, 2.5)
    before, after = (network.logits(config, one, later.features) for one in (taught, raised))
    np.testing.assert_allclose(after[:, 2] - before[:, 2], 2.5, atol=1e-3)
    assert accuracy(before[later.targets != 2], later.select(later.targets != 2)) > 0.85


def test_features_that_do_not_divide_into_frames_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="frames: expected a divisor of the 9 features, got 4"):
        network.build(NetworkConfig(frames=4), 9, LABELS)
