"""Training of a whole branch, backbone and heads together, on Lightning.

Lightning brings checkpoints, resuming, several GPUs and machines, mixed precision and averaged weights.
"""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.atomic import atomic_path
from fitsense.bundles.manifest import Labels
from fitsense.data.frames import Recording
from fitsense.data.samples import Sample
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError
from fitsense.inference.base import BranchRunner
from fitsense.nn.compat import beside_torchvision
from fitsense.train.clip_augmentation import Augmentation, at_random, centred, spread, varied
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.types import ClipSpec, FloatArray

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger(__name__)

_LAST = "last"
_FINISHED = "finished.safetensors"
# Windows of each clip that validation looks at.
_VALIDATION_VIEWS = 2
_TOLD_EPOCHS = 20


@attrs.frozen
class Tuning:
    """How a branch is trained as a whole.

    :param epochs: times that as many windows are seen as there are clips.
    :param frozen_epochs: so many of them first train the heads alone.
    :param trainable_layers: how many of the backbone's last layers learn; None for all.
    :param batch_size: windows in a step.
    :param learning_rate: of the heads, at its peak; it rises over the first tenth, and falls by a cosine.
    :param backbone_rate: the learning rate of the backbone's last layer, as a share of the heads'.
    :param layer_decay: a layer's learning rate as a share of the following one's.
    :param weight_decay: AdamW's.
    :param label_smoothing: of exercises.
    :param muscles_loss: ``binary_cross_entropy``, or ``asymmetric`` (Ridnik et al., ICCV 2021, with focusing 4 for
        negatives, 1 for positives and a margin of .05), for muscle groups are seldom active.
    :param muscles_weight: the muscles' loss as a share of the exercises'; 0 leaves the muscles' head untrained.
    :param exercise_weight: likewise; 0 trains for muscles alone.
    :param mixup: windows are mixed in pairs, by a share from Beta(mixup, mixup) (Zhang et al., ICLR 2018); 0 for none.
    :param feature_distillation: weight of predicting the teachers' features (Romero et al., ICLR 2015).
    :param landmark_weight: weight of imagining the guide's landmarks, for a backbone that can.
    :param label_distillation: weight of the teachers' answers beside the labels (Hinton et al., 2015); at most 1.
    :param ema_decay: decay of the exponential average of weights that is kept in the end; 0 for none.
    :param batch_norm: whether batch normalisation learns statistics; False keeps those of the weights.
    :param class_power: 0 draws all classes alike, 1 by their number of scenes; scenes of a class are drawn alike.
    :param patience: epochs without a better loss on held-out clips after which training ends; 0 for never.
    :param precision: Lightning's, such as ``32-true`` or ``bf16-mixed``.
    :param channels_last: whether weights are laid out so in memory, which is faster for some networks.
    :param seed: of everything that is random.
    """

    epochs: int = 20
    frozen_epochs: int = 0
    trainable_layers: int | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    backbone_rate: float = 1.0
    layer_decay: float = 1.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    muscles_loss: Literal["binary_cross_entropy", "asymmetric"] = "binary_cross_entropy"
    muscles_weight: float = 0.5
    exercise_weight: float = 1.0
    mixup: float = 0.0
    feature_distillation: float = 0.0
    landmark_weight: float = 0.0
    label_distillation: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    ema_decay: float = 0.98
    batch_norm: bool = True
    class_power: float = 0.5
    patience: int = 0
    precision: str = "32-true"
    channels_last: bool = False
    seed: int = 0
    augmentation: Augmentation = attrs.field(factory=Augmentation)


@attrs.frozen
class DistributedConfig:
    """What a branch is trained on: a process for each device, all of which torchrun or SLURM has started.

    They need to see the same files. Each takes its share of every batch, so that they take the steps that one would.

    :param nodes: machines.
    :param devices: of each; GPUs, or processes where there are none.
    :param strategy: Lightning's, such as ``ddp``; ``auto`` for one that allows for weights that do not learn.
    """

    nodes: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    devices: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    strategy: str = "auto"

    @property
    def processes(self) -> int:
        """Of all machines."""
        return self.nodes * self.devices


@attrs.frozen(eq=False)
class TrainingData:
    """What there is to learn from.

    :param recordings: pictures or observations of labelled footage.
    :param spec: the clips that the branch takes.
    :param labels: what its heads score.
    :param teachers: for a footage's key, what teachers see in it: features (dims,) and exercise probabilities
        (labels,); empty for none.
    :param guide: landmarks of the same footage; None for none.
    """

    recordings: Sequence[Recording]
    spec: ClipSpec
    labels: Labels
    teachers: Mapping[str, tuple[FloatArray, FloatArray]] = attrs.field(factory=dict)
    guide: LandmarkTargets | None = None


def tune(
    module: nn.Module,
    layers: Sequence[nn.Module],
    lesson: TrainingData,
    held_out: Sequence[Recording],
    tuning: Tuning,
    folder: Path,
    machines: DistributedConfig | None = None,
) -> None:
    """Train `module`, a branch that starts as it is, in place.

    A run that was interrupted goes on from its last whole epoch; one that had finished is taken as it is.

    :param layers: the backbone's layers, from input to output.
    :param held_out: what the loss is watched on, and training ended by with ``patience``; may be empty.
    :param folder: for checkpoints and logs.
    :param machines: None for one device of this one.
    :raises InvalidInputError: a batch cannot be shared by so many processes, or nobody has started them.
    :raises FitsenseError: the loss is no longer a number.
    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    import torch
    from safetensors.torch import load_file, save_file

    finished = folder / _FINISHED
    if finished.is_file():
        module.load_state_dict(load_file(finished))
        module.eval()
        return
    if tuning.landmark_weight and not hasattr(module.backbone, "imagine"):
        raise InvalidInputError("guided: expected 0 for a backbone that cannot imagine landmarks")
    if tuning.patience and not held_out:
        raise InvalidInputError("patience: expected 0 where no clips are held out to watch")
    lightning = _lightning()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(tuning.seed, verbose=False)
    if tuning.channels_last:
        _lay_out(module, torch.channels_last_3d)
    learner = _learner(lightning, module, layers, lesson, tuning)
    trainer = lightning.Trainer(
        **_placed(machines or DistributedConfig(), tuning),
        max_epochs=tuning.epochs,
        precision=tuning.precision,
        callbacks=_callbacks(lightning, tuning, folder, bool(held_out)),
        logger=lightning.loggers.CSVLogger(folder, name="", version="log"),
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        default_root_dir=folder,
    )
    last = folder / f"{_LAST}.ckpt"
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        # On worker processes, which memory mapping makes needless, and the like.
        warnings.simplefilter("ignore")
        try:
            trainer.fit(
                learner,
                _batches(lesson, tuning, trainer, training=True),
                _batches(attrs.evolve(lesson, recordings=held_out), tuning, trainer, training=False)
                if held_out
                else None,
                ckpt_path=str(last) if last.is_file() else None,
                weights_only=True,
            )
        except SystemExit:
            # Lightning's answer to an interruption, after which it would have all later ones ignored.
            if handler is not None:
                signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None
    # The averaged weights are there even if this run found nothing left to train.
    kept = torch.load(last, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict({name: kept[f"branch.{name}"] for name in module.state_dict()})
    module.eval()
    _lay_out(module, torch.contiguous_format)
    # All have read the last one before it goes.
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return
    with atomic_path(finished) as temporary:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, temporary)
    last.unlink(missing_ok=True)


def predict(
    run: BranchRunner, recordings: Sequence[Recording], spec: ClipSpec, views: int
) -> list[Mapping[str, FloatArray]]:
    """A branch's outputs for `views` windows of each recording, spread evenly: arrays (views, ...) by name."""
    return [
        run(np.stack([_look(recording, chosen, spec) for chosen in spread(recording, spec, views)]))
        for recording in recordings
    ]


def draw_weights(footage: Sequence[Sample], class_power: float) -> NDArray[np.float64]:
    """How likely each footage is to be drawn, of sum 1: scenes of a class alike, classes alike for `class_power` 0
    and by their number of scenes for 1."""
    in_scene = Counter((item.group, item.scene) for item in footage)
    scenes = Counter(group for group, _ in in_scene)
    weights = np.array(
        [scenes[item.group] ** (class_power - 1.0) / in_scene[item.group, item.scene] for item in footage]
    )
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _lightning() -> Any:
    try:
        lightning = beside_torchvision("pytorch_lightning")
    except ImportError as error:
        raise MissingExtraError("training", "torch", error) from error
    return lightning


def rank() -> int:
    """Which of several training processes this is; 0 where it is the only one."""
    return int(_lightning().utilities.rank_zero_only.rank)


def _placed(machines: DistributedConfig, tuning: Tuning) -> dict[str, Any]:
    """What Lightning's Trainer is told of machines."""
    strategy = machines.strategy
    if machines.processes > 1:
        if tuning.batch_size % machines.processes:
            raise InvalidInputError(
                f"batch_size: expected a multiple of the {machines.processes} processes that share it, "
                f"got {tuning.batch_size}"
            )
        # Lightning would start the others itself, for every branch anew.
        started = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1)
        if started != machines.processes:
            raise InvalidInputError(
                f"nodes and devices: expected {machines.nodes} x {machines.devices} processes, started by torchrun "
                f"or SLURM, got {started}"
            )
        if strategy == "auto":
            strategy = "ddp_find_unused_parameters_true"
    return {
        "num_nodes": machines.nodes,
        "devices": machines.devices,
        "strategy": strategy,
        # Windows are drawn by us, for all processes.
        "use_distributed_sampler": False,
    }


def _callbacks(lightning: Any, tuning: Tuning, folder: Path, watched: bool) -> list[Any]:
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    callbacks = [
        # The newest alone, after each epoch.
        lightning.callbacks.ModelCheckpoint(
            folder, _LAST, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        ),
        _told(lightning),
    ]
    if tuning.ema_decay:
        # Lightning's own exponential average would move weights that do not learn, by rounding.
        average = get_ema_multi_avg_fn(tuning.ema_decay)  # type: ignore[no-untyped-call]
        callbacks.append(lightning.callbacks.WeightAveraging(multi_avg_fn=average))
    if tuning.patience and watched:
        callbacks.append(lightning.callbacks.EarlyStopping("held_out_loss", patience=tuning.patience))
    if tuning.frozen_epochs:
        callbacks.append(_thawing(lightning, tuning.frozen_epochs))
    return callbacks


def _told(lightning: Any) -> Any:
    class Told(lightning.callbacks.Callback):  # type: ignore[misc]
        """Says how far training is, at most twenty times."""

        def on_train_epoch_end(self, trainer: Any, learner: Any) -> None:
            done = trainer.current_epoch + 1
            if done % max(1, trainer.max_epochs // _TOLD_EPOCHS) and done < trainer.max_epochs:
                return
            metrics = sorted(trainer.callback_metrics.items())
            figures = ", ".join(f"{name.replace('_', ' ')} {float(value):.3f}" for name, value in metrics)
            logger.info("epoch %d of %d: %s", done, trainer.max_epochs, figures)

    return Told()


def _thawing(lightning: Any, frozen_epochs: int) -> Any:
    class Thawing(lightning.callbacks.Callback):  # type: ignore[misc]
        """Keeps the backbone as it is for the first epochs."""

        def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
            learner.thawed = trainer.current_epoch >= frozen_epochs

    return Thawing()


def _learner(
    lightning: Any, module: nn.Module, layers: Sequence[nn.Module], lesson: TrainingData, tuning: Tuning
) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    hint_dim = next((len(features) for features, _ in lesson.teachers.values()), 0)

    class Learner(lightning.LightningModule):  # type: ignore[misc]
        # Its backbone and heads; any module's attributes may be tensors, to a type checker.
        branch: Any

        def __init__(self) -> None:
            super().__init__()
            self.branch = module
            self.hints = nn.LazyLinear(hint_dim) if hint_dim and tuning.feature_distillation else None
            if self.hints is not None:
                # Lazy layers are made by their first use, which has to be before the optimizer.
                with torch.no_grad():
                    first = lesson.recordings[0]
                    window = _look(first, spread(first, lesson.spec, 1)[0], lesson.spec)[None]
                    self.hints(module.eval()(torch.from_numpy(window))["features"])
            self.thawed = True
            self.fixed = [p for layer in _fixed(module, layers, tuning) for p in layer.parameters()]
            for parameter in self.fixed:
                parameter.requires_grad_(False)

        def on_train_epoch_start(self) -> None:
            self.branch.train()
            still = list(_fixed(module, layers, tuning)) if self.thawed else [self.branch.backbone]
            for layer in still:
                layer.eval()
            if not tuning.batch_norm:
                for part in self.branch.modules():
                    if isinstance(part, nn.modules.batchnorm._BatchNorm):
                        part.eval()
            fixed = {id(parameter) for parameter in self.fixed}
            for parameter in self.branch.backbone.parameters():
                parameter.requires_grad_(self.thawed and id(parameter) not in fixed)

        def on_train_batch_start(self, batch: dict[str, Tensor], index: int) -> None:
            # What a step mixes and drops out does not depend on whether training was interrupted before it.
            lightning.seed_everything(tuning.seed + self.global_step, verbose=False)

        def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
            share, order = 1.0, torch.arange(len(batch["input"]))
            values = batch["input"]
            if tuning.mixup:
                share = float(np.random.beta(tuning.mixup, tuning.mixup))
                order = torch.randperm(len(values))
                mixed = share * values.float() + (1 - share) * values[order].float()
                values = mixed.round().to(values.dtype) if values.dtype == torch.uint8 else mixed
            outputs = self._imagined(values) if "guide" in batch else self.branch(values)
            loss = share * self._loss(outputs, batch)
            if share < 1.0:
                loss = loss + (1 - share) * self._loss(outputs, {name: value[order] for name, value in batch.items()})
            if not torch.isfinite(loss):
                # What was averaged and kept so far is sound; one more step would spoil all of it.
                raise FitsenseError(
                    f"training diverged in epoch {self.current_epoch + 1} of {tuning.epochs}: expected a finite loss, "
                    f"got {float(loss)}; lower learning_rate, which is {tuning.learning_rate}"
                    + ("" if tuning.precision == "32-true" else ", or set precision to 32-true")
                )
            self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(values), sync_dist=True)
            return loss

        def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
            outputs = self.branch(batch["input"])
            trained = "exercise" in outputs and tuning.exercise_weight
            logits = outputs["exercise"].float() if trained else None
            loss = (
                F.cross_entropy(logits, batch["exercise"])
                if logits is not None
                else F.binary_cross_entropy_with_logits(outputs["muscles"].float(), batch["muscles"])
            )
            size = len(batch["input"])
            self.log("held_out_loss", loss, batch_size=size, sync_dist=True)
            if logits is not None:
                right = (logits.argmax(dim=1) == batch["exercise"]).float().mean()
                self.log("held_out_top1", right, batch_size=size, sync_dist=True)

        def _imagined(self, values: Tensor) -> dict[str, Tensor]:
            features, landmarks = self.branch.backbone.imagine(values)
            answers = {task: head(features) for task, head in self.branch.heads.items()}
            return {"features": features, "landmarks": landmarks, **answers}

        def _loss(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
            loss = torch.zeros(())
            if "exercise" in outputs and tuning.exercise_weight:
                logits = outputs["exercise"].float()
                exercise = F.cross_entropy(logits, batch["exercise"], label_smoothing=tuning.label_smoothing)
                if tuning.label_distillation and "teacher" in batch:
                    soft = F.cross_entropy(logits, batch["teacher"])
                    exercise = (1 - tuning.label_distillation) * exercise + tuning.label_distillation * soft
                loss = loss + tuning.exercise_weight * exercise
            if "muscles" in outputs and tuning.muscles_weight:
                muscles = _muscles_loss(outputs["muscles"].float(), batch["muscles"], tuning.muscles_loss)
                loss = loss + tuning.muscles_weight * muscles
            if "landmarks" in outputs:
                loss = loss + tuning.landmark_weight * _guided_loss(outputs["landmarks"], batch["guide"])
            if self.hints is not None:
                loss = loss + tuning.feature_distillation * F.mse_loss(
                    self.hints(outputs["features"].float()), batch["hints"]
                )
            return loss

        def configure_optimizers(self) -> Any:
            heads = [*self.branch.heads.parameters(), *(self.hints.parameters() if self.hints is not None else ())]
            groups: list[dict[str, Any]] = [{"params": heads, "lr": tuning.learning_rate}]
            fixed = {id(parameter) for parameter in self.fixed}
            rate = tuning.learning_rate * tuning.backbone_rate
            for layer in reversed(layers):
                learning = [p for p in layer.parameters() if id(p) not in fixed]
                if learning:
                    groups.append({"params": learning, "lr": rate})
                rate *= tuning.layer_decay
            optimizer = torch.optim.AdamW(groups, weight_decay=tuning.weight_decay)
            steps = max(3, int(self.trainer.estimated_stepping_batches))
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                [group["lr"] for group in groups],
                total_steps=steps,
                # The rise takes a step at least; torch divides by zero otherwise.
                pct_start=max(0.1, 2 / steps),
                cycle_momentum=False,
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    return Learner()


def _lay_out(module: nn.Module, memory_format: Any) -> None:
    for parameter in module.parameters():
        # Those of fewer dimensions know no layout for videos; torch would refuse it.
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)


def _fixed(module: nn.Module, layers: Sequence[nn.Module], tuning: Tuning) -> Sequence[nn.Module]:
    """The backbone's layers that do not learn."""
    return () if tuning.trainable_layers is None else layers[: max(0, len(layers) - tuning.trainable_layers)]


def _muscles_loss(logits: Tensor, truth: Tensor, kind: str) -> Tensor:
    from torch.nn import functional as F

    if kind == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(logits, truth)
    active = logits.sigmoid()
    inactive = (1 - active + 0.05).clamp(max=1.0)
    positive = truth * (1 - active) * active.clamp(min=1e-8).log()
    negative = (1 - truth) * (1 - inactive) ** 4 * inactive.clamp(min=1e-8).log()
    return -(positive + negative).mean()


def _guided_loss(imagined: Tensor, guide: Tensor) -> Tensor:
    """Mean distance of landmarks, (clips, frames, points, 6), in metres and, half as much, in sides of the crop.

    Those that the guide does not see count less, and not at all where it found nobody.
    """
    visible = guide[..., 5]
    weight = (visible.sum(dim=2, keepdim=True) > 0) * (0.3 + 0.7 * visible)
    # Where a joint is beyond the crop can only be guessed.
    image = (imagined[..., :2] - guide[..., :2].clamp(-0.6, 0.6)).abs().sum(dim=-1)
    world = (imagined[..., 2:5] - guide[..., 2:5]).abs().sum(dim=-1)
    return ((world + 0.5 * image) * weight).sum() / weight.sum().clamp(min=1.0)


def _look(recording: Recording, chosen: NDArray[np.intp], spec: ClipSpec) -> NDArray[Any]:
    """A window as a session sees it: pictures cropped, observations as they are."""
    values = recording.values[chosen]
    return centred(values, spec) if values.dtype == np.uint8 else np.asarray(values)


def _batches(lesson: TrainingData, tuning: Tuning, trainer: Any, *, training: bool) -> Any:
    from torch.utils.data import DataLoader, Dataset, Sampler

    labels = lesson.labels
    index = {label: position for position, label in enumerate(labels.exercise)}
    spec, recordings = lesson.spec, lesson.recordings
    rank, processes = trainer.global_rank, trainer.world_size

    class Windows(Dataset[dict[str, Any]]):
        """A window for each (recording, seed), so that it does not depend on who asks, or when."""

        def __len__(self) -> int:
            return len(recordings)

        def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
            position, seed = key
            recording = recordings[position]
            if training:
                rng = np.random.default_rng(seed)
                chosen = at_random(recording, spec, tuning.augmentation, rng)
                values = recording.values[chosen]
                if values.dtype == np.uint8:
                    times = recording.times[chosen]
                    values, cut = varied(values, spec, tuning.augmentation, rng)
            else:
                values = _look(recording, spread(recording, spec, _VALIDATION_VIEWS)[seed], spec)
            footage = recording.footage
            item = {
                "input": np.ascontiguousarray(values),
                "exercise": index[footage.group],
                "muscles": np.array([footage.activation(group) for group in labels.muscles], dtype=np.float32),
            }
            if training and lesson.guide is not None:
                item["guide"] = lesson.guide.landmarks(footage.key, times, cut)
            if training and lesson.teachers:
                item["hints"], item["teacher"] = lesson.teachers[footage.key]
            return item

    class Draws(Sampler[tuple[int, int]]):
        """Which windows an epoch sees: the same ones in the same epoch, also after it was interrupted.

        Of every batch, each process takes its share.
        """

        def __init__(self) -> None:
            self.epoch = 0
            self.weights = draw_weights([recording.footage for recording in recordings], tuning.class_power)

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __len__(self) -> int:
            # In training all processes take as many steps.
            return len(recordings) // processes if training else len(range(rank, len(self._looks()), processes))

        def __iter__(self) -> Iterator[tuple[int, int]]:
            if not training:
                return iter(self._looks()[rank::processes])
            rng = np.random.default_rng([tuning.seed, self.epoch])
            drawn = rng.choice(len(recordings), len(recordings), p=self.weights)
            keys = list(zip(drawn.tolist(), rng.integers(0, 2**31, len(drawn)).tolist(), strict=True))
            return iter(keys[rank::processes][: len(self)])

        def _looks(self) -> list[tuple[int, int]]:
            return [(at, view) for at in range(len(recordings)) for view in range(_VALIDATION_VIEWS)]

    return DataLoader(
        Windows(),
        batch_size=tuning.batch_size // processes,
        sampler=Draws(),
        # A last batch of one window has no statistics for batch normalisation.
        drop_last=training and len(recordings) > tuning.batch_size,
    )
