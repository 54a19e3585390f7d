"""Heads fitted on features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitsense.data.samples import Sample
from fitsense.data.task_targets import task_targets
from fitsense.plugins.specs import HeadSpec
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.train.finetuning import sampling_weights
from fitsense.types import FloatArray, Task

if TYPE_CHECKING:
    from torch import nn


def targets(samples: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """Targets of samples: int64 (clips,) label indices of exercises, or float32 (clips, labels), 0 or 1, of muscles."""
    if task == "exercise":
        index = {label: position for position, label in enumerate(labels)}
        return np.array([index[item.group] for item in samples], dtype=np.int64)
    return np.array([[group in item.muscles for group in labels] for item in samples], dtype=np.float32)


def graded_targets(samples: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """Training targets: as :func:`targets`, but secondary muscle groups are in between 0 and 1."""
    if task == "exercise":
        return targets(samples, task, labels)
    return np.array([[item.activation(group) for group in labels] for item in samples], dtype=np.float32)


def _training_targets(samples: Sequence[Sample], task: TaskSpec, labels: Sequence[str]) -> NDArray[Any]:
    if task.name in RESERVED:
        return graded_targets(samples, task.name, labels)
    return task_targets(samples, task, labels)


def fit(
    spec: HeadSpec,
    config: Any,
    samples: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    l2: float,
    class_power: float,
    task: TaskSpec | None = None,
) -> nn.Module:
    """Fit a head: minimise its loss over the samples' views, plus ``l2 / 2`` times its squared weights.

    Full-batch L-BFGS, so that the result does not depend on an order or a learning rate.

    :param features: float32 (views, feature_dim) by the sample's key; a clip's views share its weight.
    :param l2: penalty on squared weights; biases are not penalised.
    :param task: the head's task; None for a task of fitsense.
    :param class_power: 0 makes classes count alike, 1 by their number of scenes; scenes of a class count alike.
    """
    import torch

    from fitsense.train.losses import head_loss, loss_of_clips

    task = task or RESERVED[spec.task]
    chosen_loss = head_loss(spec, task)
    by_clip = [features[item.key] for item in samples]
    values = torch.from_numpy(np.concatenate(by_clip))
    views = [len(each) for each in by_clip]
    target = torch.from_numpy(np.repeat(_training_targets(samples, task, labels), views, axis=0))
    share = torch.from_numpy(np.repeat(sampling_weights(samples, class_power) / views, views).astype(np.float32))
    share /= share.sum()
    head = spec.build(config, values.shape[1], labels)
    optimizer = torch.optim.LBFGS(
        head.parameters(),
        max_iter=400,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = head(values)
        each = loss_of_clips(chosen_loss, logits, target)
        penalty = sum(p.square().sum() for p in head.parameters() if p.ndim > 1)
        total = (each * share).sum() + l2 / 2 * penalty
        total.backward()  # type: ignore[no-untyped-call]
        return total

    head.train()
    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return head.eval()
