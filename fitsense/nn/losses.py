"""Training losses by name. Importing this needs torch: import it lazily."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from fitsense.errors import PluginError
from fitsense.plugins.specs import HeadSpec
from fitsense.plugins.tasks import Loss, TaskSpec


def head_loss(head: HeadSpec, task: TaskSpec) -> Loss:
    """Loss of a head: its own, or else that of its task."""
    return task.loss if head.loss is None else head.loss


def loss_of_clips(loss: Loss, logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of each clip, (clips,).

    :param targets: int64 (clips,) indices of labels, or float32 (clips, labels).
    :raises PluginError: a plugin's function returns something else.
    """
    if callable(loss):
        each = loss(logits, targets)
        if not isinstance(each, Tensor) or each.shape != logits.shape[:1]:
            got = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
            raise PluginError(f"loss: expected a tensor of shape {tuple(logits.shape[:1])}, got {got}")
        return each
    if loss == "cross_entropy":
        return F.cross_entropy(logits, targets, reduction="none")
    if loss == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)
    if loss == "squared_error":
        return (logits - targets).square().sum(dim=1)
    return (logits - targets).abs().sum(dim=1)
