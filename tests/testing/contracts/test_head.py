"""Mutants show that each law of heads can fail alone. Laws of all networks are tested with backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import nn

import fitsense
from fitsense.testing.contracts import DerivedHeadContract, HeadContract
from fitsense.testing.contracts.networks import NetworkContract
from fitsense_heads import fitsense_heads
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

_SPECS = {spec.name: spec for spec in fitsense_heads()}
_linear, _lookup = _SPECS["linear_exercise"], _SPECS["lookup_muscles"]
assert isinstance(_linear, fitsense.plugins.HeadSpec)
assert isinstance(_lookup, fitsense.plugins.DerivedHeadSpec)
LINEAR: fitsense.plugins.HeadSpec = _linear
LOOKUP: fitsense.plugins.DerivedHeadSpec = _lookup


class Changed(nn.Module):
    """A linear head on changed features."""

    def __init__(self, width: int, labels: int, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(width, labels), change

    def forward(self, features: Any) -> Any:
        return self.layer(self.change(features))


def refusing_none(features: Any) -> Any:
    if len(features) == 0:
        raise ValueError("no clips")
    return features


def changed(change: Callable[[Any], Any], fewest: int = 0) -> fitsense.plugins.HeadSpec:
    return attrs.evolve(
        LINEAR, build=lambda config, width, labels: Changed(width, max(fewest, len(labels)), change).eval()
    )


HEADS = {
    "test_probabilities_of_large_features_are_valid": changed(torch.exp),
    "test_empty_batch_gives_empty_scores": changed(refusing_none),
    "test_any_number_of_labels_is_accepted": changed(nn.Identity(), fewest=2),
}


def after(change: Callable[[fitsense.Scores, Any], Any]) -> fitsense.plugins.DerivedHeadSpec:
    def derive(config: Any, source: fitsense.Scores, labels: tuple[str, ...]) -> fitsense.Scores:
        scores = LOOKUP.derive(config, source, labels)
        return attrs.evolve(scores, logits=np.asarray(change(source, scores.logits), np.float32))

    return attrs.evolve(LOOKUP, derive=derive)


def in_own_order(config: Any, source: fitsense.Scores, labels: tuple[str, ...]) -> fitsense.Scores:
    return attrs.evolve(LOOKUP.derive(config, source, tuple(sorted(labels))), labels=labels)


def by_place(config: Any, source: fitsense.Scores, labels: tuple[str, ...]) -> fitsense.Scores:
    return LOOKUP.derive(config, attrs.evolve(source, labels=sorted(source.labels)), labels)


def writing(source: fitsense.Scores, logits: Any) -> Any:
    assert source.logits.base is not None
    source.logits.base[...] = 0
    return logits


DERIVED = {
    "test_scores_have_the_requested_labels": attrs.evolve(
        LOOKUP,
        derive=lambda config, source, labels: attrs.evolve(
            LOOKUP.derive(config, source, labels),
            task="exercise",
        ),
    ),
    "test_labels_in_any_order_give_the_same_scores": attrs.evolve(LOOKUP, derive=in_own_order),
    "test_input_labels_in_any_order_give_the_same_scores": attrs.evolve(LOOKUP, derive=by_place),
    "test_batch_equals_single_clips": after(lambda source, logits: logits + len(logits)),
    "test_empty_batch_gives_empty_scores": after(lambda source, logits: refusing_none(logits)),
    "test_output_is_deterministic": after(
        lambda source, logits: logits + np.random.default_rng().uniform(0, 1e-4, logits.shape)
    ),
    "test_inputs_are_not_modified": after(writing),
}


@pytest.mark.parametrize("law", HEADS)
def test_head_mutant_breaks_one_law(law: str) -> None:
    plugin = plugin_of(heads=[HEADS[law]])
    assert broken_laws(HeadContract, plugin=plugin, name="linear_exercise", exports=False) == {law}


@pytest.mark.parametrize("law", DERIVED)
def test_derived_head_mutant_breaks_one_law(law: str) -> None:
    plugin = plugin_of(heads=[DERIVED[law]])
    assert broken_laws(DerivedHeadContract, plugin=plugin, name="lookup_muscles") == {law}


def test_head_laws_all_have_a_mutant() -> None:
    assert laws(HeadContract) - laws(NetworkContract) == set(HEADS)
    assert laws(DerivedHeadContract) == set(DERIVED)
