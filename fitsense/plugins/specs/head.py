"""Specs of a head: on features, or derived from the scores of another task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


@attrs.frozen(eq=False)
class LabelExamples:
    """Examples of one label that a head is taught.

    :param features: float32 (windows, feature_dim).
    :param clips: int64 (windows,): which clip a window is of.
    """

    features: FloatArray
    clips: NDArray[np.int64]


@attrs.frozen
class HeadTeaching:
    """Teaching of further labels to a fitted head, by arrays alone, without torch.

    A head's tensors are those of its module's state dict, by name. A new label only adds a row to some of them.

    :param statistics: function of (config, tensors, examples, seen) that returns what ``add_label`` needs, by name: of
        the :class:`HeadExamples` that the head was fitted on, and of windows of the same clips as sessions see them,
        which may differ where training varies windows. A bundle ships it: it should be small.
    :param add_label: function of (config, tensors, statistics, :class:`LabelExamples`, position) that returns the
        tensors of the head with a row more for a label at that position among the labels.
    :param shift: function of (config, tensors, position, amount) that returns the tensors of a head that adds an amount
        to the logit of the label at a position.
    :param logits: function of (config, tensors, features) that returns what the module does, float32
        (windows, labels).
    """

    statistics: Callable[[Any, Mapping[str, NDArray[Any]], HeadExamples, HeadExamples], Mapping[str, NDArray[Any]]]
    add_label: Callable[
        [Any, Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]], LabelExamples, int], Mapping[str, NDArray[Any]]
    ]
    shift: Callable[[Any, Mapping[str, NDArray[Any]], int, float], Mapping[str, NDArray[Any]]]
    logits: Callable[[Any, Mapping[str, NDArray[Any]], FloatArray], FloatArray]


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
    :param fit: function of (config, :class:`HeadExamples`, labels) that fits a head on a frozen backbone, in closed
        form or otherwise, and returns the config, with what the examples determine, and the module that ``build`` gives
        for it with its weights. None to minimise the loss by gradient descent.
    :param loss: training loss, on logits; None for the task's.
    :param teaching: how further labels are taught to a fitted head; None for a head that cannot be taught.
    """

    name: str
    task: Task
    build: Callable[[Any, int, tuple[str, ...]], nn.Module]
    config: type[Any]
    summary: str = ""
    fit: Callable[[Any, HeadExamples, tuple[str, ...]], tuple[Any, nn.Module]] | None = None
    loss: Loss | None = None
    teaching: HeadTeaching | None = None


@attrs.frozen
class DerivedHeadSpec:
    """Derives the scores of one task from those of another, without features and without torch.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param task: the task.
    :param from_task: the task whose scores are the input.
    :param derive: function of (config, scores of ``from_task``, labels) that returns the scores of ``task``.
    :param config: attrs class; every field has a default.
    :param summary: one line for ``fitsense plugins``.
    :param add_label: function of (config, label of ``from_task``, labels of ``task``) that returns the config of a head
        that knows that this label goes with these; None if a further label changes nothing.
    """

    name: str
    task: Task
    from_task: Task
    derive: Callable[[Any, Scores, tuple[str, ...]], Scores]
    config: type[Any]
    summary: str = ""
    add_label: Callable[[Any, str, tuple[str, ...]], Any] | None = None
