"""A weighted average of the logits or probabilities of any number of branches.

arXiv 2406.06703 averages raw logits: for exercises .25 SlowFast and .75 X3D, for muscles the reverse. Here a branch
that saw the person in a part of a clip counts there for that share of its weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense import Cascade, InvalidInputError, Scores, to_logits, to_probabilities

Space = Literal["logits", "probabilities"]
_SPACES = ("logits", "probabilities")


def check_weights(weights: Mapping[str, float]) -> None:
    """Check that weights are non-negative, and that one is positive if there are any.

    :raises InvalidInputError: they are not.
    """
    for branch, weight in weights.items():
        if not (weight >= 0 and math.isfinite(weight)):
            raise InvalidInputError(f"weights[{branch!r}]: expected a number >= 0, got {weight!r}")
    if weights and sum(weights.values()) <= 0:
        raise InvalidInputError("weights: expected at least one above 0, got none")


@attrs.frozen
class WeightedConfig:
    """Weights of the branches.

    :param weights: non-negative weight of each branch, by name; scaled to sum to 1. Empty for equal weights.
    :param space: values that are averaged: ``logits`` or ``probabilities``.
    :param cascade: the branches to run first; None to run all branches for every window. The first branches alone keep
        their weights, scaled to sum to 1.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict)
    space: Space = attrs.field(default="logits", validator=attrs.validators.in_(_SPACES))
    cascade: Cascade | None = attrs.field(default=None)

    @weights.validator
    def _sum_positive(self, attribute: Any, value: Mapping[str, float]) -> None:
        check_weights(value)

    @cascade.validator
    def _check_cascade(self, attribute: Any, value: Cascade | None) -> None:
        if value and self.weights and not any(self.weights.get(name, 0) > 0 for name in value.first):
            raise InvalidInputError(f"cascade: expected a weight above 0 for one of {', '.join(value.first)}")


def fuse(config: WeightedConfig, branches: Mapping[str, Scores]) -> Scores:
    """Weighted average of the branches' scores.

    :param branches: at least one; they agree on task, labels, activation and shape.
    :raises InvalidInputError: the weights do not name exactly the branches.
    """
    weights = _weights(config, branches)
    first = next(iter(branches.values()))
    present = {name: scores for name, scores in branches.items() if weights[name] > 0}
    if len(present) == 1:
        return next(iter(present.values()))
    # In order of names: results must not depend on the order of the branches, not even by rounding.
    names = sorted(present)
    values = np.stack([_values(present[name], config.space) for name in names])
    shares = shares_of_clips(np.array([weights[name] for name in names]), [present[name] for name in names])
    mean = np.einsum("mc,mcl->cl", shares, values).astype(np.float32)
    # Rounding must not leave the range of the members.
    mean = np.clip(mean, values.min(axis=0), values.max(axis=0))
    logits = mean if config.space == "logits" else to_logits(mean, first.activation)
    return attrs.evolve(first, logits=logits)


def cascade(config: WeightedConfig) -> Cascade | None:
    """The cascade of a configuration."""
    return config.cascade


def fit(config: WeightedConfig, branches: Mapping[str, Scores], targets: NDArray[Any]) -> WeightedConfig:
    """Return `config` with the weights that minimise the log loss on held-out `targets`; of numbers, the squared error.

    It is minimised over the simplex by exponentiated gradient descent (Kivinen and Warmuth, 1997). Where all members
    saw all of each clip, the loss is convex in the weights.

    :param targets: int64 (clips,) label indices for softmax, float32 (clips, labels) otherwise.
    """
    first = next(iter(branches.values()))
    names = sorted(branches)
    space = config.space if first.activation in ("softmax", "sigmoid") else "probabilities"
    values = np.stack([_values(branches[name], space) for name in names]).astype(np.float64)
    truth = np.asarray(targets)
    if first.activation == "softmax":
        truth = np.eye(len(first.labels))[truth]
    if truth.shape != values.shape[1:]:
        raise InvalidInputError(
            f"targets: expected one for each of {values.shape[1]} clips, got shape {np.shape(targets)}"
        )
    evidence = _evidence([branches[name] for name in names])
    weights = np.full(len(names), 1.0 / len(names))
    rate = 1.0
    loss, gradient = _loss(weights, values, evidence, truth, first.activation, space)
    for _ in range(500):
        step = weights * np.exp(-rate * (gradient - gradient.min()))
        step /= step.sum()
        new_loss, new_gradient = _loss(step, values, evidence, truth, first.activation, space)
        if new_loss > loss:
            rate /= 2
            if rate < 1e-6:
                break
            continue
        improved = loss - new_loss
        weights, loss, gradient, rate = step, new_loss, new_gradient, rate * 1.5
        if improved < 1e-9:
            break
    return attrs.evolve(config, weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)})


def shares_of_clips(weights: NDArray[Any], members: Sequence[Scores]) -> NDArray[np.float64]:
    """Share of each member in the average of each clip, (members, clips): by weight and by evidence.

    Where no member has evidence, weights alone decide.
    """
    return _shares(weights, _evidence(members))


def _evidence(members: Sequence[Scores]) -> NDArray[np.float64]:
    """Evidence of members, (members, clips)."""
    given = [np.ones(len(one.logits)) if one.evidence is None else one.evidence for one in members]
    return np.stack(given).astype(np.float64)


def _shares(weights: NDArray[Any], evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    counted = weights[:, None] * evidence
    total = counted.sum(axis=0)
    plain = np.broadcast_to(weights[:, None] / max(weights.sum(), 1e-12), counted.shape)
    return np.where(total > 0, counted / np.maximum(total, 1e-12), plain)


def _loss(
    weights: NDArray[Any],
    values: NDArray[Any],
    evidence: NDArray[np.float64],
    truth: NDArray[Any],
    activation: Any,
    space: Space,
) -> tuple[float, NDArray[Any]]:
    """Mean log loss of the weighted average, and its gradient with respect to the weights; of numbers, the mean squared
    error as a share of their variance."""
    shares = _shares(weights, evidence)
    mean = np.einsum("mc,mcl->cl", shares, values)
    # Change of the mean by a weight, up to a number that is the same for all weights, as these sum to 1.
    change = np.divide(shares, weights[:, None], out=np.zeros_like(shares), where=weights[:, None] > 0)[..., None] * (
        values - mean
    )
    if activation not in ("softmax", "sigmoid"):
        scale = max(truth.size, 1) * max(float(truth.var()), 1e-12) if truth.size else 1.0
        error = mean - truth
        return float(np.square(error).sum()) / scale, 2 * (error * change).sum(axis=(1, 2)) / scale
    probabilities = to_probabilities(mean, activation) if space == "logits" else mean
    probabilities = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    loss = -(truth * np.log(probabilities)).sum()
    if activation == "sigmoid":
        loss -= ((1 - truth) * np.log1p(-probabilities)).sum()
    if space == "logits":
        slope = probabilities - truth
    elif activation == "softmax":
        slope = -truth / probabilities
    else:
        slope = (probabilities - truth) / (probabilities * (1 - probabilities))
    clips = max(len(truth), 1)
    return float(loss) / clips, (slope * change).sum(axis=(1, 2)) / clips


def _values(scores: Scores, space: Space) -> NDArray[np.float32]:
    return scores.logits if space == "logits" else scores.probabilities


def _weights(config: WeightedConfig, branches: Mapping[str, Scores]) -> dict[str, float]:
    weights = config.weights or dict.fromkeys(branches, 1.0)
    if config.cascade and set(branches) == set(config.cascade.first):
        weights = {name: weights[name] for name in branches if name in weights}
    if set(weights) != set(branches):
        raise InvalidInputError(
            f"weights: expected one for each of the branches {sorted(branches)}, got {sorted(weights)}"
        )
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
