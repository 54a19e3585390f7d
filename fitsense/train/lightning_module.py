"""Lightning module and callbacks of finetuning. Importing this needs torch and Lightning: import it lazily."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fitsense.errors import FitsenseError
from fitsense.nn.compat import beside_torchvision
from fitsense.nn.losses import loss_of_clips
from fitsense.train.clip_augmentation import evenly_spaced, window_values
from fitsense.train.finetuning import TrainingData, Tuning

lightning: Any = beside_torchvision("pytorch_lightning")

logger = logging.getLogger(__name__)

# Lines of the log for a whole training.
_MAX_LOGGED_EPOCHS = 20


class FinetuningModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains a branch: losses, learning rates, and which layers learn.

    :param branch: backbone and heads, as :func:`fitsense.nn.branch.join` makes them.
    :param layers: the backbone's layers, from input to output.
    """

    # Any module's attributes may be tensors, to a type checker.
    branch: Any

    def __init__(self, branch: nn.Module, layers: Sequence[nn.Module], data: TrainingData, tuning: Tuning) -> None:
        # The data are not kept: averaging copies the module with all that it has.
        super().__init__()
        self.branch = branch
        self.tuning = tuning
        self.backbone_layers = layers
        self.feature_projection = _feature_projection(branch, data) if tuning.feature_distillation else None
        self.tasks = dict(data.tasks)
        self.backbone_learns = True
        self.fixed = [parameter for layer in self._fixed_layers() for parameter in layer.parameters()]
        for parameter in self.fixed:
            parameter.requires_grad_(False)

    def on_train_epoch_start(self) -> None:
        self.branch.train()
        for layer in self._fixed_layers() if self.backbone_learns else [self.branch.backbone]:
            layer.eval()
        if not self.tuning.batch_norm:
            for part in self.branch.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()
        fixed = {id(parameter) for parameter in self.fixed}
        for parameter in self.branch.backbone.parameters():
            parameter.requires_grad_(self.backbone_learns and id(parameter) not in fixed)

    def on_train_batch_start(self, batch: dict[str, Tensor], index: int) -> None:
        # Mixing and dropout of a step do not depend on whether training was interrupted before it.
        lightning.seed_everything(self.tuning.seed + self.global_step, verbose=False)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        tuning = self.tuning
        share, order = 1.0, torch.arange(len(batch["input"]))
        values = batch["input"]
        if tuning.mixup:
            share = float(np.random.beta(tuning.mixup, tuning.mixup))
            order = torch.randperm(len(values))
            mixed = share * values.float() + (1 - share) * values[order].float()
            values = mixed.round().to(values.dtype) if values.dtype == torch.uint8 else mixed
        outputs = self.branch.forward_with_landmarks(values) if "landmarks" in batch else self.branch(values)
        loss = share * self._loss(outputs, batch)
        if share < 1.0:
            loss = loss + (1 - share) * self._loss(outputs, {name: value[order] for name, value in batch.items()})
        if not torch.isfinite(loss):
            # The averaged and saved weights are sound; one more step would spoil them.
            raise FitsenseError(
                f"training diverged in epoch {self.current_epoch + 1} of {tuning.epochs}: expected a finite loss, "
                f"got {float(loss)}; lower learning_rate, which is {tuning.learning_rate}"
                + ("" if tuning.precision == "32-true" else ", or set precision to 32-true")
            )
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(values), sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        outputs = self.branch(batch["input"])
        size = len(batch["input"])
        if "exercise" not in outputs and "muscles" not in outputs:
            self.log("held_out_loss", self._task_losses(outputs, batch), batch_size=size, sync_dist=True)
            return
        if "exercise" not in outputs or not self.tuning.exercise_weight:
            loss = F.binary_cross_entropy_with_logits(outputs["muscles"].float(), batch["muscles"])
            self.log("held_out_loss", loss, batch_size=size, sync_dist=True)
            return
        logits = outputs["exercise"].float()
        loss = F.cross_entropy(logits, batch["exercise"])
        self.log("held_out_loss", loss, batch_size=size, sync_dist=True)
        correct = (logits.argmax(dim=1) == batch["exercise"]).float().mean()
        self.log("held_out_top1", correct, batch_size=size, sync_dist=True)

    def configure_optimizers(self) -> Any:
        tuning, projection = self.tuning, self.feature_projection
        heads = [*self.branch.heads.parameters(), *(projection.parameters() if projection is not None else ())]
        groups: list[dict[str, Any]] = [{"params": heads, "lr": tuning.learning_rate}]
        fixed = {id(parameter) for parameter in self.fixed}
        rate = tuning.learning_rate * tuning.backbone_rate
        for layer in reversed(self.backbone_layers):
            learning = [parameter for parameter in layer.parameters() if id(parameter) not in fixed]
            if learning:
                groups.append({"params": learning, "lr": rate})
            rate *= tuning.layer_decay
        optimizer = torch.optim.AdamW(groups, weight_decay=tuning.weight_decay)
        steps = max(3, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in groups],
            total_steps=steps,
            # The rise takes at least one step; torch divides by zero otherwise.
            pct_start=max(0.1, 2 / steps),
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _fixed_layers(self) -> Sequence[nn.Module]:
        """The backbone's layers that never learn."""
        trainable, layers = self.tuning.trainable_layers, self.backbone_layers
        return () if trainable is None else layers[: max(0, len(layers) - trainable)]

    def _loss(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        tuning = self.tuning
        loss = torch.zeros(())
        if "exercise" in outputs and tuning.exercise_weight:
            logits = outputs["exercise"].float()
            exercise = F.cross_entropy(logits, batch["exercise"], label_smoothing=tuning.label_smoothing)
            if tuning.label_distillation and "teacher_probabilities" in batch:
                soft = F.cross_entropy(logits, batch["teacher_probabilities"])
                exercise = (1 - tuning.label_distillation) * exercise + tuning.label_distillation * soft
            loss = loss + tuning.exercise_weight * exercise
        if "muscles" in outputs and tuning.muscles_weight:
            muscles = muscles_loss(outputs["muscles"].float(), batch["muscles"], tuning.muscles_loss)
            loss = loss + tuning.muscles_weight * muscles
        loss = loss + self._task_losses(outputs, batch)
        if "landmarks" in outputs:
            loss = loss + tuning.landmark_weight * landmark_loss(outputs["landmarks"], batch["landmarks"])
        if self.feature_projection is not None:
            predicted = self.feature_projection(outputs["features"].float())
            loss = loss + tuning.feature_distillation * F.mse_loss(predicted, batch["teacher_features"])
        return loss

    def _task_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Weighted loss of the tasks that plugins declare, over the clips that have a target."""
        loss = torch.zeros((), device=outputs["features"].device)
        for name, task in self.tasks.items():
            given = batch[task_given(name)]
            each = loss_of_clips(task.loss, outputs[name].float(), batch[task_target(name)])
            loss = loss + task.weight * (each * given).sum() / given.sum().clamp(min=1.0)
        return loss


def task_target(name: str) -> str:
    """Key of a task's targets in a batch."""
    return f"{name} target"


def task_given(name: str) -> str:
    """Key in a batch of whether clips have a target of a task, float32 (clips,)."""
    return f"{name} given"


class EpochLog(lightning.callbacks.Callback):  # type: ignore[misc]
    """Logs the progress of training, at most twenty times."""

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        done = trainer.current_epoch + 1
        if done % max(1, trainer.max_epochs // _MAX_LOGGED_EPOCHS) and done < trainer.max_epochs:
            return
        metrics = sorted(trainer.callback_metrics.items())
        values = ", ".join(f"{name.replace('_', ' ')} {float(value):.3f}" for name, value in metrics)
        logger.info("epoch %d of %d: %s", done, trainer.max_epochs, values)


class BackboneFreeze(lightning.callbacks.Callback):  # type: ignore[misc]
    """Freezes the backbone for the first epochs."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        module.backbone_learns = trainer.current_epoch >= self._epochs


def muscles_loss(logits: Tensor, targets: Tensor, kind: str) -> Tensor:
    """Loss of muscle groups, both float32 (clips, labels); kinds as in :class:`fitsense.train.finetuning.Tuning`."""
    if kind == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(logits, targets)
    active = logits.sigmoid()
    inactive = (1 - active + 0.05).clamp(max=1.0)
    positive = targets * (1 - active) * active.clamp(min=1e-8).log()
    negative = (1 - targets) * (1 - inactive) ** 4 * inactive.clamp(min=1e-8).log()
    return -(positive + negative).mean()


def landmark_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean distance of landmarks, both (clips, frames, points, 6), in metres plus half of that in sides of the crop.

    Landmarks that the teacher does not see count less, and not at all in frames where it found no person.
    """
    visible = targets[..., 5]
    weight = (visible.sum(dim=2, keepdim=True) > 0) * (0.3 + 0.7 * visible)
    # The place of a joint outside of the crop can only be guessed.
    image = (predicted[..., :2] - targets[..., :2].clamp(-0.6, 0.6)).abs().sum(dim=-1)
    world = (predicted[..., 2:5] - targets[..., 2:5]).abs().sum(dim=-1)
    return ((world + 0.5 * image) * weight).sum() / weight.sum().clamp(min=1.0)


def _feature_projection(branch: nn.Module, data: TrainingData) -> nn.Module | None:
    """A layer from the branch's features to the teachers'; None without teachers."""
    dim = next((len(features) for features, _ in data.teachers.values()), 0)
    if not dim:
        return None
    projection = nn.LazyLinear(dim)
    # The first call of a lazy layer makes its weights, which the optimizer needs.
    with torch.no_grad():
        first = data.recordings[0]
        window = window_values(first, evenly_spaced(first, data.spec, 1)[0], data.spec)[None]
        projection(branch.eval()(torch.from_numpy(window))["features"])
    return projection
