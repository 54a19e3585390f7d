"""A sum of what is looked up and what is learned, in which the learned part counts as far as the look-up knows nothing.

The look-up of muscles gives each exercise its share of the probability, and ``unknown`` nothing. What is left is the
probability of ``unknown``; the learned members fill it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense import Cascade, InvalidInputError, Scores, to_logits

_STEPS = 4
_POWERS = (1.0, 0.7, 0.5, 0.35, 0.25)
# Log loss of a single score is limited, since the look-up is certain of what it does not know.
_LEAST = 0.02


@attrs.frozen
class GatedConfig:
    """Configuration of the fusion.

    :param weights: non-negative weight of each learned member, by name; scaled to sum to 1. Empty for equal weights.
    :param lookup: name of the member that looks up.
    :param doubt: name of the member that states the probability that nothing can be looked up.
    :param power: exponent of that probability, in 0..1; below 1, learned members count sooner.
    :param cascade: which members are asked first; None for asking all at once. Learned members that are not asked have
        no weight.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict)
    lookup: str = "lookup"
    doubt: str = "doubt"
    power: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    cascade: Cascade | None = None

    @weights.validator
    def _sum_positive(self, attribute: Any, value: Mapping[str, float]) -> None:
        for member, weight in value.items():
            if not (weight >= 0 and math.isfinite(weight)):
                raise InvalidInputError(f"weights[{member!r}]: expected a number >= 0, got {weight!r}")
        if value and sum(value.values()) <= 0:
            raise InvalidInputError("weights: expected at least one above 0")


def fuse(config: GatedConfig, branches: Mapping[str, Scores]) -> Scores:
    """The looked-up scores, plus the weighted mean of the learned ones times the doubt.

    :raises InvalidInputError: the look-up or the doubt is missing, a learned member has no weight, or members disagree
        on their shape.
    """
    looked_up, doubt, learned = _members(config, branches)
    values = np.stack([scores.probabilities for scores in learned.values()]) if learned else None
    weights = _weights(config, learned)
    fused = _sum(looked_up.probabilities, doubt.probabilities, values, weights, config.power)
    return attrs.evolve(looked_up, logits=to_logits(fused.astype(np.float32), "sigmoid"))


def cascade(config: GatedConfig) -> Cascade | None:
    """The cascade of a configuration."""
    return config.cascade


def fit(config: GatedConfig, branches: Mapping[str, Scores], targets: NDArray[Any]) -> GatedConfig:
    """Return `config` with the weights and the power of the lowest log loss, of a grid.

    :param targets: float32 (clips, labels), 0 or 1.
    """
    looked_up, doubt, learned = _members(config, branches)
    if not learned:
        raise InvalidInputError("branches: expected a learned member, got none")
    if np.shape(targets) != looked_up.logits.shape:
        raise InvalidInputError(f"targets: expected shape {looked_up.logits.shape}, got {np.shape(targets)}")
    values = np.stack([scores.probabilities for scores in learned.values()])

    def loss(tried: tuple[tuple[int, ...], float]) -> float:
        shares, power = tried
        fused = _sum(looked_up.probabilities, doubt.probabilities, values, np.array(shares) / _STEPS, power)
        fused = np.clip(fused, _LEAST, 1 - _LEAST)
        return -float((targets * np.log(fused) + (1 - targets) * np.log1p(-fused)).mean())

    grids = [shares for shares in itertools.product(range(_STEPS + 1), repeat=len(learned)) if sum(shares) == _STEPS]
    shares, power = min(itertools.product(grids, _POWERS), key=loss)
    weights = {name: share / _STEPS for name, share in zip(learned, shares, strict=True)}
    return attrs.evolve(config, weights=weights, power=power)


def _sum(
    looked_up: NDArray[Any], doubt: NDArray[Any], learned: NDArray[Any] | None, weights: NDArray[Any], power: float
) -> NDArray[Any]:
    if learned is None:
        return looked_up
    mean = np.tensordot(weights, learned, axes=1)
    return np.asarray(np.clip(looked_up + doubt**power * mean, 0.0, 1.0))


def _members(config: GatedConfig, branches: Mapping[str, Scores]) -> tuple[Scores, Scores, dict[str, Scores]]:
    for name in (config.lookup, config.doubt):
        if name not in branches:
            raise InvalidInputError(f"branches: expected a member {name!r}, got {', '.join(sorted(branches))}")
    looked_up, doubt = branches[config.lookup], branches[config.doubt]
    for name, scores in branches.items():
        if scores.activation != "sigmoid" or scores.logits.shape != looked_up.logits.shape:
            raise InvalidInputError(
                f"branches: expected sigmoid scores of shape {looked_up.logits.shape}, got {scores.activation} of "
                f"{scores.logits.shape} from {name}"
            )
    # In order of names: results must not depend on the order of the branches, not even by rounding.
    return looked_up, doubt, {name: branches[name] for name in sorted(set(branches) - {config.lookup, config.doubt})}


def _weights(config: GatedConfig, learned: Mapping[str, Scores]) -> NDArray[np.float64]:
    expected = set(config.weights)
    if config.cascade and expected.issuperset(learned):
        expected = set(learned)
    if config.weights and set(learned) != expected:
        raise InvalidInputError(f"weights: expected one for each of {sorted(learned)}, got {sorted(config.weights)}")
    weights = np.array([config.weights[name] if config.weights else 1.0 for name in learned])
    return weights / weights.sum() if weights.sum() > 0 else weights
