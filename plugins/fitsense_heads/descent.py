"""Gradient descent of a trunk and the layer after it, on windows that are drawn by their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fitsense.plugins import HeadExamples
    from fitsense_heads.trunk import TrunkConfig

_WEIGHT_DECAY = 0.05


def descend(
    config: TrunkConfig,
    trunk: nn.Module,
    last: nn.Module,
    examples: HeadExamples,
    chances: NDArray[np.float64],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Train both modules, and leave them in evaluation mode.

    :param chances: probability of drawing each window, (windows,).
    :param loss: maps logits and targets of the drawn windows to a scalar.
    """
    import torch

    learned = [*trunk.parameters(), *last.parameters()]
    optimizer = torch.optim.AdamW(learned, config.learning_rate, weight_decay=_WEIGHT_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, max(config.steps, 2))
    targets: Any = torch.from_numpy(examples.targets)
    rng = np.random.default_rng(config.seed)
    trunk.train()
    for _ in range(config.steps):
        chosen = rng.choice(len(chances), config.batch_size, p=chances)
        value = loss(last(trunk(torch.from_numpy(examples.features[chosen]))), targets[chosen])
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
    trunk.eval()
    last.eval()
