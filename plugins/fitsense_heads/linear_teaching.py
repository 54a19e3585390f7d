"""Teaching of labels to a linear head that gradient descent fitted.

Its rows follow from no statistics, so that those of discriminant analysis on the same features help: it gives the row
of a new label beside rows of the known ones, and the difference from their mean, in the head's own units, becomes the
row of the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense_heads import discriminant
from fitsense_heads.discriminant import DiscriminantConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fitsense.plugins import HeadExamples, LabelExamples
    from fitsense_heads.linear import LinearConfig

    Arrays = Mapping[str, NDArray[Any]]

# Features of networks are many, and differ little within a label that the network has learned.
_SHRINKAGE = 0.7
_DISCRIMINANT, _STATISTICS = "discriminant.", "statistics."


def statistics(config: LinearConfig, tensors: Arrays, examples: HeadExamples, seen: HeadExamples) -> Arrays:
    """Statistics for :func:`add_label`: of discriminant analysis, and its unit in units of the head's logits.

    Empty for a head without a bias, which cannot be taught.
    """
    if not config.bias:
        return {}
    known = sorted({*examples.targets[examples.variants < 0].tolist()})
    given, plain = _numbered(examples, known), _numbered(seen, known)
    labels = tuple(map(str, range(int(given.targets.max()) + 1)))
    of_scores, module = discriminant.fit(DiscriminantConfig(_SHRINKAGE), given, labels)
    scores = {name: one.numpy() for name, one in module.state_dict().items()}
    own = logits(config, tensors, plain.features)[:, known]
    other = discriminant.logits(of_scores, scores, plain.features)[:, : len(known)]
    own, other = own - own.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    # Features that do not differ say nothing.
    unit = float((own * other).sum() / ((other * other).sum() or 1.0))
    kept = discriminant.statistics(of_scores, scores, given, plain)
    # What a bundle ships is small.
    small = {name: one.astype(np.float16) if one.ndim == 2 else one for name, one in scores.items()}
    return {
        **{f"{_DISCRIMINANT}{name}": one for name, one in small.items()},
        **{f"{_STATISTICS}{name}": one for name, one in kept.items()},
        "labels": np.array(known, np.int64),
        "unit": np.array([unit], np.float32),
    }


def add_label(
    config: LinearConfig, tensors: Arrays, statistics: Arrays, examples: LabelExamples, position: int
) -> Arrays:
    """The tensors with a row more, of a label whose mean is estimated from few clips as
    :func:`fitsense_heads.discriminant.add_label` does."""
    scores, kept = _part(statistics, _DISCRIMINANT), _part(statistics, _STATISTICS)
    known = np.asarray(statistics["labels"])
    rows = len(scores["scores.layer.bias"])
    of_scores = DiscriminantConfig(_SHRINKAGE, rows=max(1, rows - len(known)))
    grown = discriminant.add_label(of_scores, scores, kept, examples, len(known))
    scale = np.asarray(grown["scores.scale"], np.float64)
    weights = np.asarray(grown["scores.layer.weight"], np.float64) / scale
    biases = np.asarray(grown["scores.layer.bias"], np.float64) - weights @ np.asarray(grown["scores.mean"], np.float64)
    unit, at = float(statistics["unit"][0]), len(known)
    own_weight, own_bias = _row(tensors, "weight"), _row(tensors, "bias")
    weight = own_weight[known].mean(axis=0) + unit * (weights[at] - weights[:at].mean(axis=0))
    bias = own_bias[known].mean() + unit * (biases[at] - biases[:at].mean())
    return {
        name: np.insert(one, position, np.asarray(weight if one.ndim == 2 else bias, one.dtype), axis=0)
        for name, one in tensors.items()
    }


def shift(config: LinearConfig, tensors: Arrays, position: int, amount: float) -> Arrays:
    """The tensors of a head that adds a number to the logit of the label at a position."""
    changed = {name: np.array(one) for name, one in tensors.items()}
    for one in changed.values():
        if one.ndim == 1:
            one[position] += amount
    return changed


def logits(config: LinearConfig, tensors: Arrays, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the module with these tensors, float32 (windows, labels)."""
    weight, bias = (np.asarray(_row(tensors, name), np.float32) for name in ("weight", "bias"))
    return np.asarray(features @ weight.T + bias, np.float32)


def _numbered(examples: HeadExamples, known: Sequence[int]) -> HeadExamples:
    """The examples of known labels, then variants; targets leave out labels without examples."""
    number = {label: position for position, label in enumerate(known)}
    targets = [
        len(known) if variant >= 0 else number.get(target, -1)
        for target, variant in zip(examples.targets.tolist(), examples.variants.tolist(), strict=True)
    ]
    numbered = attrs.evolve(examples, targets=np.array(targets, np.int64))
    return numbered.select(numbered.targets >= 0)


def _row(tensors: Arrays, name: str) -> NDArray[Any]:
    """The head's weight or bias: with dropout, the layer is not the module's first."""
    return np.asarray(next(one for key, one in tensors.items() if key.rpartition(".")[2] == name), np.float64)


def _part(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}
