"""Mutants show that each law of fusions can fail alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.testing.contracts import FusionContract
from fitsense.testing.runner import run, subclass
from fitsense_ensemble.weighted import WeightedConfig, fit, fuse
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

Members = Mapping[str, fitsense.Scores]
GOOD = fitsense.plugins.FusionSpec(name="mean", fuse=fuse, fit=fit, config=WeightedConfig)


@attrs.frozen
class NotedConfig(WeightedConfig):
    note: Any = None


def after(change: Callable[[Any, Members], Any]) -> fitsense.plugins.FusionSpec:
    """A good fusion, and then a change of its logits."""

    def changed(config: WeightedConfig, members: Members) -> fitsense.Scores:
        fused = fuse(config, members)
        return attrs.evolve(fused, logits=np.asarray(change(fused.logits, members), np.float32))

    return attrs.evolve(GOOD, fuse=changed)


def unweighted(choose: Callable[[Any], Any]) -> fitsense.plugins.FusionSpec:
    """A good fusion where there are weights, or one member alone, and a choice among the logits where there are not."""

    def chosen(config: WeightedConfig, members: Members) -> fitsense.Scores:
        fused = fuse(config, members)
        if config.weights or len(members) == 1:
            return fused
        logits = choose(np.stack([member.logits for member in members.values()]))
        return attrs.evolve(fused, logits=logits.astype(np.float32))

    return attrs.evolve(GOOD, fuse=chosen)


def before(change: Callable[[WeightedConfig, Members], tuple[WeightedConfig, Members]]) -> fitsense.plugins.FusionSpec:
    return attrs.evolve(GOOD, fuse=lambda config, members: fuse(*change(config, members)))


def absent_counts(config: WeightedConfig, members: Members) -> tuple[WeightedConfig, Members]:
    total = sum(config.weights.values())
    return WeightedConfig({name: max(weight, 0.1 * total) for name, weight in config.weights.items()}), members


def without_nan(config: WeightedConfig, members: Members) -> tuple[WeightedConfig, Members]:
    return config, {name: attrs.evolve(m, logits=np.nan_to_num(m.logits)) for name, m in members.items()}


def unscaled(config: WeightedConfig, members: Members) -> fitsense.Scores:
    fused = fuse(config, members)
    return attrs.evolve(fused, logits=fused.logits * np.float32(sum(config.weights.values()) or 1))


def writing(config: WeightedConfig, members: Members) -> fitsense.Scores:
    fused = fuse(config, members)
    fused = attrs.evolve(fused, logits=fused.logits.copy())
    for member in members.values():
        member.logits[...] = 0
    return fused


def refusing_none(logits: Any, members: Members) -> Any:
    if len(logits) == 0:
        raise ValueError("no clips")
    return logits


MUTANTS = {
    "test_scores_have_the_labels_of_the_members": attrs.evolve(
        GOOD,
        fuse=lambda config, members: attrs.evolve(
            (fused := fuse(config, members)), labels=[label.upper() for label in fused.labels]
        ),
    ),
    "test_single_member_is_returned_unchanged": after(lambda logits, members: logits * (2 if len(members) == 1 else 1)),
    "test_zero_weight_means_absence": before(absent_counts),
    "test_scaled_weights_give_the_same_scores": attrs.evolve(GOOD, fuse=unscaled),
    "test_evidence_of_all_of_each_clip_changes_nothing": after(
        lambda logits, members: logits * (0.5 if any(one.evidence is not None for one in members.values()) else 1)
    ),
    "test_fused_scores_lie_between_the_members": after(
        lambda logits, members: logits * (1 if len(members) == 1 else 5)
    ),
    "test_order_of_members_does_not_matter": unweighted(lambda stacked: np.tensordot([0.5, 0.3, 0.2], stacked, axes=1)),
    "test_fused_scores_are_monotone_in_the_members": unweighted(
        lambda stacked: np.where(np.ptp(stacked, axis=0) > 4, stacked.min(axis=0), stacked.mean(axis=0))
    ),
    "test_nan_is_refused": before(without_nan),
    "test_batch_equals_single_clips": unweighted(
        lambda stacked: stacked.max(axis=0) if stacked.shape[1] > 1 else stacked.min(axis=0)
    ),
    "test_empty_batch_gives_empty_scores": after(refusing_none),
    "test_inputs_are_not_modified": attrs.evolve(GOOD, fuse=writing),
    "test_output_is_deterministic": after(
        lambda logits, members: logits + np.random.default_rng().uniform(0, 1e-4, logits.shape)
    ),
    "test_fitted_fusion_is_no_worse": attrs.evolve(
        GOOD, fit=lambda config, members, targets: attrs.evolve(config, weights={"one": 0, "two": 0, "three": 1})
    ),
    "test_fitted_configuration_round_trips_through_json": attrs.evolve(
        GOOD,
        config=NotedConfig,
        fit=lambda config, members, targets: NotedConfig(fit(config, members, targets).weights, note=frozenset("x")),
    ),
}


DISCLAIMERS = {
    "test_fused_scores_lie_between_the_members": "is_average",
    "test_fused_scores_are_monotone_in_the_members": "is_monotone",
    "test_order_of_members_does_not_matter": "is_symmetric",
}
"""Laws that a spec can disclaim, and its field for that."""


@pytest.mark.parametrize("law", MUTANTS)
def test_fusion_mutant_breaks_one_law(law: str) -> None:
    plugin = plugin_of(fusions=[MUTANTS[law]])
    assert broken_laws(FusionContract, plugin=plugin, name="mean") == {law}


def test_fusion_laws_all_have_a_mutant() -> None:
    assert laws(FusionContract) == set(MUTANTS)


@pytest.mark.parametrize(("law", "field"), DISCLAIMERS.items())
def test_fusion_law_that_the_spec_disclaims_is_skipped(law: str, field: str) -> None:
    disclaimed: Any = {field: False}
    plugin = plugin_of(fusions=[attrs.evolve(MUTANTS[law], **disclaimed)])
    assert broken_laws(FusionContract, plugin=plugin, name="mean") == set()


@pytest.mark.parametrize(("law", "field"), DISCLAIMERS.items())
def test_fusion_broken_law_names_the_field_that_disclaims_it(law: str, field: str) -> None:
    contract = subclass(FusionContract, plugin=plugin_of(fusions=[MUTANTS[law]]), name="mean")
    messages = [outcome.message for outcome in run({"mutant": contract}) if outcome.status == "broken"]
    assert messages
    assert all(f"the spec has {field}=False" in message for message in messages)
