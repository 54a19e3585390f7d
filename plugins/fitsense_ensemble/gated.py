"""A sum of looked-up scores and of learned ones, which are weighted by the doubt of the look-up.

The look-up of muscles distributes the probability of the known exercises; ``unknown`` adds nothing to it. Learned
members get the rest, the probability of ``unknown``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense import Cascade, InvalidInputError, Scores, to_logits
from fitsense_ensemble.weighted import check_weights, shares_of_clips

_STEPS = 4
# Below .5, muscles of known exercises suffer.
_POWERS = (1.0, 0.7, 0.5)


@attrs.frozen
class GatedConfig:
    """Configuration of the fusion.

    :param weights: non-negative weight of each learned member, by name; scaled to sum to 1. Empty for equal weights.
    :param lookup: name of the look-up member.
    :param doubt: name of the member with the probability of ``unknown``.
    :param power: exponent of that probability, in 0..1; below 1, learned members count sooner.
    :param cascade: the members to run first; None to run all. Learned members that did not run have
        no weight.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict)
    lookup: str = "lookup"
    doubt: str = "doubt"
    power: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    cascade: Cascade | None = None

    @weights.validator
    def _sum_positive(self, attribute: Any, value: Mapping[str, float]) -> None:
        check_weights(value)


def fuse(config: GatedConfig, branches: Mapping[str, Scores]) -> Scores:
    """The looked-up scores, plus the weighted mean of the learned ones times the doubt.

    :raises InvalidInputError: the look-up or the doubt is missing, a learned member has no weight, or members disagree
        on their shape.
    """
    looked_up, doubt, learned = _members(config, branches)
    mean = _mean(_weights(config, learned), _values(learned), learned) if learned else None
    fused = _sum(looked_up.probabilities, doubt.probabilities, mean, config.power)
    return attrs.evolve(looked_up, logits=to_logits(fused.astype(np.float32), "sigmoid"))


def cascade(config: GatedConfig) -> Cascade | None:
    """The cascade of a configuration."""
    return config.cascade


def fit(config: GatedConfig, branches: Mapping[str, Scores], targets: NDArray[Any]) -> GatedConfig:
    """Return `config` with the weights and the power of the highest mean average precision, of a grid.

    Clips of exercises that the look-up does not know decide best: of those that it knows, it knows the muscles too.

    :param targets: float32 (clips, labels), 0 or 1.
    """
    looked_up, doubt, learned = _members(config, branches)
    if not learned:
        raise InvalidInputError("branches: expected a learned member, got none")
    if np.shape(targets) != looked_up.logits.shape:
        raise InvalidInputError(f"targets: expected shape {looked_up.logits.shape}, got {np.shape(targets)}")
    values = _values(learned)

    def precision(tried: tuple[tuple[int, ...], float]) -> float:
        shares, power = tried
        mean = _mean(np.array(shares) / _STEPS, values, learned)
        fused = _sum(looked_up.probabilities, doubt.probabilities, mean, power)
        return _mean_average_precision(fused, np.asarray(targets) > 0)

    grids = [shares for shares in itertools.product(range(_STEPS + 1), repeat=len(learned)) if sum(shares) == _STEPS]
    # Of equal ones the first: that with the least influence of the learned members on what is known.
    shares, power = max(((shares, power) for power in _POWERS for shares in grids), key=precision)
    weights = {name: share / _STEPS for name, share in zip(learned, shares, strict=True)}
    return attrs.evolve(config, weights=weights, power=power)


def _mean_average_precision(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Mean over labels of the average precision of ranking clips, of labels that some clips have and others lack."""
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, order, axis=0)
    precision = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    count = hits.sum(axis=0)
    varied = (count > 0) & (count < len(hits))
    return float(((precision * hits).sum(axis=0)[varied] / count[varied]).mean()) if varied.any() else 0.0


def _values(learned: Mapping[str, Scores]) -> NDArray[np.float32]:
    """Probabilities of the learned members, (members, clips, labels)."""
    return np.stack([scores.probabilities for scores in learned.values()])


def _mean(weights: NDArray[Any], values: NDArray[np.float32], learned: Mapping[str, Scores]) -> NDArray[Any]:
    """Mean of the learned members' probabilities by weight and evidence, (clips, labels)."""
    return np.asarray(np.einsum("mc,mcl->cl", shares_of_clips(weights, list(learned.values())), values))


def _sum(looked_up: NDArray[Any], doubt: NDArray[Any], learned: NDArray[Any] | None, power: float) -> NDArray[Any]:
    return looked_up if learned is None else np.asarray(np.clip(looked_up + doubt**power * learned, 0.0, 1.0))


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
    return np.array([config.weights[name] if config.weights else 1.0 for name in learned])
