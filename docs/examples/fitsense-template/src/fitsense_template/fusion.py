"""A linear opinion pool (Stone, 1961): the mean of the branches' probabilities, each branch with a weight.

The weights maximise the likelihood of held-out targets by expectation maximisation (Dempster, Laird and Rubin, 1977):
compute the responsibility of each branch for each target; its mean is the branch's new weight; repeat. No round lowers
the likelihood. It needs only NumPy, since sessions run without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from fitsense import InvalidInputError, Scores, to_logits
from numpy.typing import NDArray

_ROUNDS = 200


def _check_weights(config: PoolConfig, attribute: Any, value: Mapping[str, float]) -> None:
    if not all(0 <= weight < math.inf for weight in value.values()) or (value and not any(value.values())):
        raise InvalidInputError(f"weights: expected numbers >= 0, and one above 0, got {dict(value)}")


@attrs.frozen
class PoolConfig:
    """Weights of the branches.

    :param weights: non-negative weight of each branch, by name; only ratios matter. Empty for equal weights.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict, validator=_check_weights)


def fuse(config: PoolConfig, branches: Mapping[str, Scores]) -> Scores:
    """Pool scores.

    :param branches: scores by branch, at least one; fitsense has checked that they agree on the task, the
        labels, the activation and the number of clips.
    :raises InvalidInputError: the weights do not name exactly the branches.
    """
    names, first = sorted(branches), next(iter(branches.values()))
    weights = config.weights or dict.fromkeys(names, 1.0)
    if sorted(weights) != names:
        raise InvalidInputError(f"weights: expected one for each of {', '.join(names)}, got {', '.join(weights)}")
    probabilities = [branches[name].probabilities for name in names]
    pooled = np.average(probabilities, axis=0, weights=[weights[name] for name in names])
    return attrs.evolve(first, logits=to_logits(pooled, first.activation))


def fit(config: PoolConfig, branches: Mapping[str, Scores], targets: NDArray[Any]) -> PoolConfig:
    """Return `config` with the weights that maximise the likelihood of `targets`.

    :param targets: int64 (clips,) indices of labels for softmax, float32 (clips, labels) of 0 and 1 for sigmoid, and of
        numbers otherwise.
    """
    names, first = sorted(branches), next(iter(branches.values()))
    probabilities = np.stack([branches[name].probabilities for name in names]).astype(np.float64)
    expected = probabilities.shape[1:2] if first.activation == "softmax" else probabilities.shape[1:]
    if targets.shape != expected or not len(targets):
        raise InvalidInputError(f"targets: expected shape {expected}, of at least one clip, got {targets.shape}")
    if first.activation == "softmax":
        likely = probabilities[:, np.arange(len(targets)), targets]
    elif first.activation == "sigmoid":
        likely = np.where(targets > 0.5, probabilities, 1 - probabilities).reshape(len(names), -1)
    else:
        # Densities of a normal distribution as wide as the branches' errors, up to a factor.
        errors = (probabilities - targets).reshape(len(names), -1)
        likely = np.exp(-0.5 * np.square(errors / max(errors.std(), 1e-9)))
    likely = likely.clip(min=1e-9)  # (branches, targets)
    weights = np.full(len(names), 1 / len(names))
    for _ in range(_ROUNDS):
        joint = weights[:, None] * likely
        weights = (joint / joint.sum(axis=0)).mean(axis=1)
    return attrs.evolve(config, weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)})
