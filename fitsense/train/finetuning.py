"""Finetuning: training of a whole branch, backbone and heads together, on Lightning.

Lightning supplies checkpoints, resuming, several GPUs and machines, mixed precision and averaged weights.
"""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.atomic import atomic_path
from fitsense.bundles.manifest import Labels
from fitsense.data.frames import Recording
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.inference.base import BranchRunner
from fitsense.nn.compat import beside_torchvision
from fitsense.plugins.tasks import Loss, TaskSpec
from fitsense.train.clip_augmentation import Augmentation, evenly_spaced, window_values
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.types import ClipSpec, FloatArray

if TYPE_CHECKING:
    from torch import nn

_LAST = "last"
_FINISHED = "finished.safetensors"


@attrs.frozen
class Tuning:
    """Hyperparameters of finetuning.

    :param epochs: number of epochs; an epoch draws as many windows as there are clips.
    :param frozen_epochs: the first epochs, which train the heads alone.
    :param trainable_layers: number of the backbone's last layers that learn; None for all.
    :param stored_windows: number of windows of each clip whose values before the last ``trainable_layers`` layers are
        computed once and stored, the evenly spaced ones and then augmented ones; training then draws from these, and
        its time does not depend on the layers that do not learn. 0 to augment and compute anew in every step.
    :param batch_size: windows in a step.
    :param learning_rate: peak rate of the heads; it rises over the first tenth of the steps and falls by a cosine.
    :param backbone_rate: the rate of the backbone's last layer, as a share of the heads' rate.
    :param layer_decay: a layer's rate as a share of the rate of the layer after it.
    :param weight_decay: AdamW's weight decay.
    :param label_smoothing: label smoothing of exercises.
    :param muscles_loss: ``binary_cross_entropy``, or ``asymmetric`` (Ridnik et al., ICCV 2021, with focusing 4 for
        negatives, 1 for positives and a margin of .05), since muscle groups are seldom active.
    :param muscles_weight: weight of the muscles loss; 0 leaves the muscles head untrained.
    :param exercise_weight: weight of the exercise loss; 0 trains the muscles head only.
    :param mixup: windows are mixed in pairs, by a share from Beta(mixup, mixup) (Zhang et al., ICLR 2018); 0 for none.
    :param feature_distillation: weight of predicting the teachers' features (Romero et al., ICLR 2015).
    :param landmark_weight: weight of predicting the landmark teacher's landmarks; above 0, the backbone needs a
        :class:`fitsense.plugins.LandmarkSpec`.
    :param label_distillation: weight of the teachers' probabilities beside the labels (Hinton et al., 2015), 0..1.
    :param ema_decay: decay of the exponential moving average of the weights, which is the result; 0 for none.
    :param batch_norm: whether batch normalisation updates its statistics; False keeps those of the initial weights.
    :param class_power: 0 draws all classes alike, 1 by their number of scenes; scenes of a class are drawn alike.
    :param patience: training ends after this many epochs without a lower loss on held-out clips; 0 for never.
    :param precision: Lightning's precision, such as ``32-true`` or ``bf16-mixed``.
    :param channels_last: whether to lay out weights channels last in memory, which is faster for some networks.
    :param seed: seed of every random choice but the augmentation of stored windows.
    :param augmentation: how training windows are varied.
    """

    epochs: int = 20
    frozen_epochs: int = 0
    trainable_layers: int | None = None
    stored_windows: int = attrs.field(default=0, validator=attrs.validators.ge(0))
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


@checks_arguments
@attrs.frozen
class DistributedConfig:
    """Distributed training: a process for each device. torchrun or SLURM starts all of them.

    All processes need to see the same files. Each takes its share of every batch, so that the steps are the same as
    those of a single process.

    :param nodes: number of machines.
    :param devices: devices of each machine: GPUs, or processes where there are none.
    :param strategy: Lightning's strategy, such as ``ddp``; ``auto`` for one that permits weights that do not learn.
    """

    nodes: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    devices: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    strategy: str = "auto"

    @property
    def processes(self) -> int:
        """Number of processes of all machines."""
        return self.nodes * self.devices


@attrs.frozen(eq=False)
class TrainingTask:
    """A task that a plugin declares, with the loss of its head and the weight of that."""

    spec: TaskSpec
    loss: Loss
    weight: float


@attrs.frozen(eq=False)
class TrainingData:
    """Recordings with their targets.

    :param recordings: pictures or observations of labelled samples; or whole windows, see `stored`.
    :param spec: the clips that the branch takes.
    :param labels: the labels that its heads score.
    :param teachers: the teachers' features (dims,) and exercise probabilities (labels,), by the sample's key; empty
        for no teachers.
    :param landmarks: landmark targets of the same samples; None for none.
    :param tasks: tasks that plugins declare, by name.
    :param stored: number of evenly spaced windows with which each recording begins if its entries are whole windows;
        0 if they are frames.
    :param auxiliary: how often auxiliary clips are drawn, relative to all others; None to draw all clips alike.
    """

    recordings: Sequence[Recording]
    spec: ClipSpec
    labels: Labels
    teachers: Mapping[str, tuple[FloatArray, FloatArray]] = attrs.field(factory=dict)
    landmarks: LandmarkTargets | None = None
    tasks: Mapping[str, TrainingTask] = attrs.field(factory=dict)
    stored: int = 0
    auxiliary: float | None = None


def tune(
    branch: nn.Module,
    layers: Sequence[nn.Module],
    data: TrainingData,
    held_out: Sequence[Recording],
    tuning: Tuning,
    folder: Path,
    distributed: DistributedConfig | None = None,
) -> None:
    """Train `branch` in place, from its present weights.

    An interrupted run continues after its last complete epoch; the weights of a finished run are loaded.

    :param branch: backbone and heads, as :func:`fitsense.nn.branch.join` makes them.
    :param layers: the backbone's layers, from input to output.
    :param held_out: recordings for the validation loss, which ``patience`` needs; may be empty.
    :param folder: folder for checkpoints and logs.
    :param distributed: None for one device of this machine.
    :raises InvalidInputError: a batch cannot be shared by that number of processes, or they have not been started.
    :raises FitsenseError: the loss is not finite.
    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    import torch
    from safetensors.torch import load_file, save_file

    finished = folder / _FINISHED
    if finished.is_file():
        branch.load_state_dict(load_file(finished))
        branch.eval()
        return
    if tuning.patience and not held_out:
        raise InvalidInputError("patience: expected 0 where no clips are held out to watch")
    lightning = _lightning()
    from fitsense.train.datasets import Process, training_loader, validation_loader
    from fitsense.train.lightning_module import FinetuningModule

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(tuning.seed, verbose=False)
    if tuning.channels_last:
        _set_memory_format(branch, torch.channels_last_3d)
    module = FinetuningModule(branch, layers, data, tuning)
    trainer = _trainer(lightning, tuning, folder, distributed or DistributedConfig(), validated=bool(held_out))
    process = Process(trainer.global_rank, trainer.world_size)
    validation = attrs.evolve(data, recordings=held_out)
    last = folder / f"{_LAST}.ckpt"
    with warnings.catch_warnings(), _interruptible():
        # Such as on worker processes, which memory mapping makes needless.
        warnings.simplefilter("ignore")
        trainer.fit(
            module,
            training_loader(data, tuning, process),
            validation_loader(validation, tuning, process) if held_out else None,
            ckpt_path=str(last) if last.is_file() else None,
            weights_only=True,
        )
    # The checkpoint has the averaged weights even if this run had no epoch left to train.
    kept = torch.load(last, map_location="cpu", weights_only=True)["state_dict"]
    branch.load_state_dict({name: kept[f"branch.{name}"] for name in branch.state_dict()})
    branch.eval()
    _set_memory_format(branch, torch.contiguous_format)
    # Every process has to read the checkpoint before it is deleted.
    trainer.strategy.barrier()
    if not trainer.is_global_zero:
        return
    with atomic_path(finished) as temporary:
        save_file({name: value.contiguous() for name, value in branch.state_dict().items()}, temporary)
    last.unlink(missing_ok=True)


def predict(
    run: BranchRunner, recordings: Sequence[Recording], spec: ClipSpec, views: int
) -> list[Mapping[str, FloatArray]]:
    """Outputs of a branch for `views` evenly spaced windows of each recording: arrays (views, ...) by name."""
    return [
        run(np.stack([window_values(recording, chosen, spec) for chosen in evenly_spaced(recording, spec, views)]))
        for recording in recordings
    ]


def group_of(sample: Sample) -> str:
    """The class of a sample for :func:`sampling_weights`: its group."""
    return sample.group


def sampling_weights(
    samples: Sequence[Sample], class_power: float, class_of: Callable[[Sample], str] = group_of
) -> NDArray[np.float64]:
    """Probability of drawing each sample, float64 (samples,) of sum 1: scenes of a class alike, classes alike for
    `class_power` 0 and by their number of scenes for 1."""
    placed = [(class_of(item), item.scene) for item in samples]
    in_scene = Counter(placed)
    scenes = Counter(group for group, _ in in_scene)
    weights = np.array([scenes[place[0]] ** (class_power - 1.0) / in_scene[place] for place in placed])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def drawing_weights(data: TrainingData, class_power: float) -> NDArray[np.float64]:
    """Probability of drawing each recording, float64 (recordings,) of sum 1, see :func:`sampling_weights`."""
    samples = [recording.sample for recording in data.recordings]
    if data.auxiliary is None:
        return sampling_weights(samples, class_power)
    weights = np.zeros(len(samples))
    auxiliary = np.array([item.kind == "auxiliary" for item in samples])
    for rows, total in ((~auxiliary, 1.0), (auxiliary, data.auxiliary)):
        chosen = np.flatnonzero(rows)
        if len(chosen):
            weights[chosen] = total * sampling_weights([samples[at] for at in chosen], class_power)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _lightning() -> Any:
    try:
        lightning = beside_torchvision("pytorch_lightning")
    except ImportError as error:
        raise MissingExtraError("training", "torch", error) from error
    return lightning


def rank() -> int:
    """Rank of this training process; 0 for the only one."""
    return int(_lightning().utilities.rank_zero_only.rank)


def _distribution(distributed: DistributedConfig, tuning: Tuning) -> dict[str, Any]:
    """Arguments of Lightning's Trainer for distributed training."""
    strategy = distributed.strategy
    if distributed.processes > 1:
        if tuning.batch_size % distributed.processes:
            raise InvalidInputError(
                f"batch_size: expected a multiple of the {distributed.processes} processes that share it, "
                f"got {tuning.batch_size}"
            )
        # Lightning would start the other processes itself, again for every branch.
        started = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1)
        if started != distributed.processes:
            raise InvalidInputError(
                f"nodes and devices: expected {distributed.nodes} x {distributed.devices} processes, started by "
                f"torchrun or SLURM, got {started}"
            )
        if strategy == "auto":
            strategy = "ddp_find_unused_parameters_true"
    return {
        "num_nodes": distributed.nodes,
        "devices": distributed.devices,
        "strategy": strategy,
        # TrainingSampler gives each process its share.
        "use_distributed_sampler": False,
    }


def _trainer(lightning: Any, tuning: Tuning, folder: Path, distributed: DistributedConfig, *, validated: bool) -> Any:
    return lightning.Trainer(
        **_distribution(distributed, tuning),
        max_epochs=tuning.epochs,
        precision=tuning.precision,
        callbacks=_callbacks(lightning, tuning, folder, validated),
        logger=lightning.loggers.CSVLogger(folder, name="", version="log"),
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        default_root_dir=folder,
    )


def _callbacks(lightning: Any, tuning: Tuning, folder: Path, validated: bool) -> list[Any]:
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    from fitsense.train.lightning_module import BackboneFreeze, EpochLog

    callbacks = [
        # Only the newest checkpoint, after each epoch.
        lightning.callbacks.ModelCheckpoint(
            folder, _LAST, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        ),
        EpochLog(),
    ]
    if tuning.ema_decay:
        # Lightning's own moving average would move weights that do not learn, by rounding.
        average = get_ema_multi_avg_fn(tuning.ema_decay)  # type: ignore[no-untyped-call]
        callbacks.append(lightning.callbacks.WeightAveraging(multi_avg_fn=average))
    if tuning.patience and validated:
        callbacks.append(lightning.callbacks.EarlyStopping("held_out_loss", patience=tuning.patience))
    if tuning.frozen_epochs:
        callbacks.append(BackboneFreeze(tuning.frozen_epochs))
    return callbacks


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning exits, and restore the handler of SIGINT that it replaces."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        # Lightning exits after an interruption, and has all later ones ignored.
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


def _set_memory_format(module: nn.Module, memory_format: Any) -> None:
    for parameter in module.parameters():
        # torch refuses a layout for videos for parameters of fewer dimensions.
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)
