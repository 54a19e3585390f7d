"""A linear opinion pool (Stone, 1961): the mean of the branches' probabilities, each branch with a weight.

The weights are those that make held-out targets likeliest, found by expectation maximisation (Dempster, Laird and
Rubin, 1977): of each target, ask how likely it is to be each branch's doing; a branch's weight is the mean of that; and
so again. No round makes the targets less likely. All of it is numpy, for sessions run it without torch.
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


@attrs.frozen
class PoolConfig:
    """How much each branch counts.

    :param weights: a weight >= 0 for each branch, by name, of which the ratios count; empty for equal ones.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict)

    @weights.validator
    def _can_be_shares(self, attribute: Any, value: Mapping[str, float]) -> None:
        if not all(0 <= weight < math.inf for weight in value.values()) or (value and not any(value.values())):
            raise InvalidInputError(f"weights: expected numbers >= 0, and one above 0, got {dict(value)}")


def fuse(config: PoolConfig, branches: Mapping[str, Scores]) -> Scores:
    """The pooled scores.

    :param branches: scores by the branch's name, at least one; fitsense has checked that they agree on the task, the
        labels, the activation and the number of clips.
    :raises InvalidInputError: weights are not those of the branches.
    """
    names, first = sorted(branches), next(iter(branches.values()))
    weights = config.weights or dict.fromkeys(names, 1.0)
    if sorted(weights) != names:
        raise InvalidInputError(f"weights: expected one for each of {', '.join(names)}, got {', '.join(weights)}")
    said = [branches[name].probabilities for name in names]
    pooled = np.average(said, axis=0, weights=[weights[name] for name in names])
    return attrs.evolve(first, logits=to_logits(pooled, first.activation))


def fit(config: PoolConfig, branches: Mapping[str, Scores], targets: NDArray[Any]) -> PoolConfig:
    """`config` with the weights that make targets likeliest.

    :param targets: int64 (clips,) indices of labels for softmax, float32 (clips, labels) of 0 and 1 for sigmoid, and of
        numbers otherwise.
    """
    names, first = sorted(branches), next(iter(branches.values()))
    said = np.stack([branches[name].probabilities for name in names]).astype(np.float64)
    expected = said.shape[1:2] if first.activation == "softmax" else said.shape[1:]
    if targets.shape != expected or not len(targets):
        raise InvalidInputError(f"targets: expected shape {expected}, of at least one clip, got {targets.shape}")
    if first.activation == "softmax":
        likely = said[:, np.arange(len(targets)), targets]
    elif first.activation == "sigmoid":
        likely = np.where(targets > 0.5, said, 1 - said).reshape(len(names), -1)
    else:
        # Numbers are likely where they are near, by a normal distribution as wide as the branches' mean error.
        error = (said - targets).reshape(len(names), -1)
        likely = np.exp(-0.5 * np.square(error / max(error.std(), 1e-9)))
    likely = likely.clip(min=1e-9)  # (branches, targets)
    weights = np.full(len(names), 1 / len(names))
    for _ in range(_ROUNDS):
        doing = weights[:, None] * likely
        weights = (doing / doing.sum(axis=0)).mean(axis=1)
    return attrs.evolve(config, weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)})
