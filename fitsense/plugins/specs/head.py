"""Specs of a head: on features, or derived from the scores of another task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.plugins.tasks import Loss
from fitsense.types import FloatArray, Scores, Task

if TYPE_CHECKING:
    from torch import nn


@attrs.frozen(eq=False)
class HeadExamples:
    """Training examples of a head with a closed-form fit.

    :param features: float32 (windows, feature_dim).
    :param targets: int64 (windows,) indices of labels, or float32 (windows, labels) graded from 0 to 1.
    :param weights: weight of each window, float64 (windows,), of any sum.
    :param variants: int64 (windows,): which variant of its label a window shows, or -1 where labels have none.
    """

    features: FloatArray
    targets: NDArray[Any]
    weights: NDArray[np.float64]
    variants: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_]) -> HeadExamples:
        """Some of the windows, bool (windows,)."""
        return HeadExamples(self.features[chosen], self.targets[chosen], self.weights[chosen], self.variants[chosen])


@attrs.frozen
class HeadSpec:
    """Turns features into the scores of one task.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: name of the task: ``exercise``, ``muscles``, or one that a plugin declares with ``fitsense_tasks``.
        Its :class:`TaskSpec` states the activation.
    :param build: function of (config, feature_dim, labels) that returns a torch module from float32
        (clips, feature_dim) to logits, float32 (clips, labels).
    :param config: attrs class; every field has a default.
    :param summary: one line for ``fitsense plugins``.
    :param fit: function of (config, :class:`HeadExamples`, labels) that fits a head on a frozen backbone in closed
        form, and returns the config, with what the examples determine, and the module that ``build`` gives for it with
        its weights. None to minimise the loss by gradient descent.
    :param loss: training loss, on logits; None for the task's.
    """

    name: str
    task: Task
    build: Callable[[Any, int, tuple[str, ...]], nn.Module]
    config: type[Any]
    summary: str = ""
    fit: Callable[[Any, HeadExamples, tuple[str, ...]], tuple[Any, nn.Module]] | None = None
    loss: Loss | None = None


@attrs.frozen
class DerivedHeadSpec:
    """Derives the scores of one task from those of another, without features and without torch.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: the task.
    :param from_task: the task whose scores are the input.
    :param derive: function of (config, scores of ``from_task``, labels) that returns the scores of ``task``.
    :param config: attrs class; every field has a default.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    task: Task
    from_task: Task
    derive: Callable[[Any, Scores, tuple[str, ...]], Scores]
    config: type[Any]
    summary: str = ""
