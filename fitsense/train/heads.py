"""Heads fitted on features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitsense.data.samples import Sample
from fitsense.plugins.specs import HeadSpec
from fitsense.train.finetuning import draw_weights
from fitsense.types import FloatArray, Task

if TYPE_CHECKING:
    from torch import nn


def targets(footage: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """What a head should say of each footage: int64 (clips,) label indices for exercises, float32 (clips, labels)
    of 0 and 1 for muscles."""
    if task == "exercise":
        index = {label: position for position, label in enumerate(labels)}
        return np.array([index[item.group] for item in footage], dtype=np.int64)
    return np.array([[group in item.muscles for group in labels] for item in footage], dtype=np.float32)


def graded_targets(footage: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """What a head is trained to say: as :func:`targets`, but with muscle groups that help in between."""
    if task == "exercise":
        return targets(footage, task, labels)
    return np.array([[item.activation(group) for group in labels] for item in footage], dtype=np.float32)


def fit(
    spec: HeadSpec,
    config: Any,
    footage: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    l2: float,
    class_power: float,
) -> nn.Module:
    """A head that minimises its loss over the footage's views, plus ``l2 / 2`` times its squared weights.

    Full-batch L-BFGS, so that the result does not depend on an order or a learning rate.

    :param features: float32 (views, feature_dim) by footage's key; a clip's views share its weight.
    :param l2: biases are not penalised.
    :param class_power: 0 makes classes count alike, 1 by their number of scenes; scenes of a class count alike.
    """
    import torch
    from torch.nn import functional as F

    seen = [features[item.key] for item in footage]
    values = torch.from_numpy(np.concatenate(seen))
    views = [len(each) for each in seen]
    target = torch.from_numpy(np.repeat(graded_targets(footage, spec.task, labels), views, axis=0))
    share = torch.from_numpy(np.repeat(draw_weights(footage, class_power) / views, views).astype(np.float32))
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
        if spec.loss == "cross_entropy":
            each = F.cross_entropy(logits, target, reduction="none")
        else:
            each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)
        penalty = sum(p.square().sum() for p in head.parameters() if p.ndim > 1)
        total = (each * share).sum() + l2 / 2 * penalty
        total.backward()  # type: ignore[no-untyped-call]
        return total

    head.train()
    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return head.eval()
