"""A small network whose last hidden layer is classified by discriminant analysis.

Gradient descent trains the network to name the labels; its last layer is then replaced by :mod:`.discriminant` on what
the hidden layer gives, so that the head can be taught like one on the features themselves. Beside such a head it names
other windows wrongly, so that the two together are better than each.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense import InvalidInputError
from fitsense_heads import discriminant, standardised
from fitsense_heads.descent import descend
from fitsense_heads.discriminant import DiscriminantConfig
from fitsense_heads.trunk import TrunkConfig, build_trunk, hidden_values, width_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples, LabelExamples

    Arrays = Mapping[str, NDArray[Any]]

_SCORES = "discriminant."
_LABEL_SMOOTHING = 0.1
# Windows at once where nothing is learned.
_BATCH = 512


@attrs.frozen
class NetworkConfig(TrunkConfig):
    """A network with one hidden layer, or with convolutions over time, and a discriminant on it.

    :param unknown_share: share of the windows in a step that are of variants of the last label, all variants alike.
    :param shrinkage: as of the discriminant.
    :param sharpness: likewise.
    :param rows: likewise; fitting sets it.
    """

    unknown_share: float = attrs.field(default=0.15, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])
    shrinkage: float = attrs.field(default=0.1, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    sharpness: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    rows: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    def of_scores(self) -> DiscriminantConfig:
        """Configuration of the discriminant on the hidden layer."""
        # The hidden layer separates the variants so well that without a shared prior they claim people who stand still.
        return DiscriminantConfig(self.shrinkage, self.sharpness, self.rows, shared_prior=True)


def build(config: NetworkConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    """Build a module from float32 (clips, feature_dim) to logits, float32 (clips, labels).

    :raises InvalidInputError: the features do not divide into the frames.
    """
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = build_trunk(config, feature_dim)
            self.discriminant = discriminant.build(config.of_scores(), width_of(config), labels)

        def forward(self, features: Tensor) -> Tensor:
            scores: Tensor = self.discriminant(self.trunk(features))
            return scores

    return Network().eval()


def fit(config: NetworkConfig, examples: HeadExamples, labels: tuple[str, ...]) -> tuple[NetworkConfig, nn.Module]:
    """Fit the network by gradient descent, and the discriminant on its hidden layer.

    Windows are drawn by their weights.

    :raises InvalidInputError: as :func:`fitsense_heads.discriminant.fit`.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        trunk = _trained(config, examples, labels)
        hidden = attrs.evolve(examples, features=_hidden(trunk, examples.features))
        of_scores, scores = discriminant.fit(config.of_scores(), hidden, labels)
        fitted = attrs.evolve(config, rows=of_scores.rows)
        module: Any = build(fitted, examples.features.shape[1], labels)
    module.trunk.load_state_dict(trunk.state_dict())
    module.discriminant.load_state_dict(scores.state_dict())
    return fitted, module


def _trained(config: NetworkConfig, examples: HeadExamples, labels: tuple[str, ...]) -> nn.Module:
    from torch import nn
    from torch.nn.functional import cross_entropy

    trunk: Any = build_trunk(config, examples.features.shape[1])
    trunk.set_moments(*standardised.moments(examples.select(examples.variants < 0)))
    last = nn.Linear(width_of(config), len(labels))
    loss = functools.partial(cross_entropy, label_smoothing=_LABEL_SMOOTHING)
    descend(config, trunk, last, examples, _chances(examples, config.unknown_share), loss)
    result: nn.Module = trunk
    return result


def _chances(examples: HeadExamples, unknown_share: float) -> NDArray[np.float64]:
    """Probability of drawing each window."""
    varied = examples.variants >= 0
    chances = np.where(varied, 0.0, examples.weights)
    chances *= (1 - unknown_share * bool(varied.any())) / chances.sum()
    if varied.any():
        _, position = np.unique(examples.variants[varied], return_inverse=True)
        of_variant = np.bincount(position, examples.weights[varied])
        chances[varied] = unknown_share * examples.weights[varied] / of_variant[position] / len(of_variant)
    return np.asarray(chances / chances.sum(), np.float64)


def _hidden(trunk: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        parts = [trunk(torch.from_numpy(features[at : at + _BATCH])) for at in range(0, len(features), _BATCH)]
    return np.asarray(torch.cat(parts).numpy())


def statistics(config: NetworkConfig, tensors: Arrays, examples: HeadExamples, seen: HeadExamples) -> Arrays:
    """Statistics for :func:`add_label`: those of the discriminant on the hidden layer."""
    inner = [attrs.evolve(one, features=_values(config, tensors, one.features)) for one in (examples, seen)]
    return discriminant.statistics(config.of_scores(), _of_scores(tensors), *inner)


def add_label(
    config: NetworkConfig, tensors: Arrays, statistics: Arrays, examples: LabelExamples, position: int
) -> Arrays:
    """The tensors with a row more in the discriminant, see :func:`fitsense_heads.discriminant.add_label`."""
    inner = attrs.evolve(examples, features=_values(config, tensors, examples.features))
    return _replaced(
        tensors, discriminant.add_label(config.of_scores(), _of_scores(tensors), statistics, inner, position)
    )


def shift(config: NetworkConfig, tensors: Arrays, position: int, amount: float) -> Arrays:
    """The tensors of a head that adds a number to the logit of the label at a position."""
    return _replaced(tensors, discriminant.shift(config.of_scores(), _of_scores(tensors), position, amount))


def logits(config: NetworkConfig, tensors: Arrays, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the module with these tensors, float32 (windows, labels)."""
    return discriminant.logits(config.of_scores(), _of_scores(tensors), _values(config, tensors, features))


def _of_scores(tensors: Arrays) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(_SCORES): one for name, one in tensors.items() if name.startswith(_SCORES)}


def _replaced(tensors: Arrays, scores: Arrays) -> dict[str, NDArray[Any]]:
    return {**tensors, **{f"{_SCORES}{name}": one for name, one in scores.items()}}


def _values(config: NetworkConfig, tensors: Arrays, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hidden values of windows by arrays alone, float32 (windows, width)."""
    trunk = {name.removeprefix("trunk."): one for name, one in tensors.items() if name.startswith("trunk.")}
    if not trunk:
        raise InvalidInputError("tensors: expected those of a network's head, got none of its trunk")
    parts = [hidden_values(config, trunk, features[at : at + _BATCH]) for at in range(0, len(features), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, width_of(config)), np.float32)
