"""Training of whole networks under equal conditions, except for what an experiment varies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from fitsense._internal.configs import config_from_json
from fitsense._internal.hashing import sha256
from fitsense.bundles.weights import load_backbone
from fitsense.data.frames import Recording, pictures
from fitsense.data.manifest import Skipped
from fitsense.errors import InvalidInputError, PluginError
from fitsense.experiments.base import Setting
from fitsense.experiments.dataset import ExperimentData
from fitsense.experiments.predictions import Predictions
from fitsense.experiments.presets import Network
from fitsense.inference.torch import run_module
from fitsense.nn.branch import build_backbone, join
from fitsense.plugins.specs import HeadSpec
from fitsense.train.finetuning import TrainingData, predict, tune
from fitsense.train.recipe import BranchRecipe
from fitsense.types import FloatArray, Task, to_probabilities

if TYPE_CHECKING:
    from torch import nn

_TASKS: Mapping[Task, str] = {"exercise": BranchRecipe().exercise_head, "muscles": BranchRecipe().muscles_head}


@attrs.frozen(eq=False)
class FinetunedNetwork:
    """A trained network.

    :param digest: digest of all inputs of the training.
    :param logits: logits of the held-out clips, (clips, views, labels) by task.
    :param answers: probabilities of the held-out clips that show an exercise, averaged over views.
    :param parameters: number of parameters of the backbone.
    """

    backbone: nn.Module
    digest: str
    logits: Mapping[Task, FloatArray]
    answers: Predictions
    parameters: int


@attrs.frozen(eq=False)
class FinetuneRuns:
    """Trains networks whose clips have one size.

    :param training: recordings to train on.
    :param held_out: recordings to measure on.
    :param skipped: clips that could not be read.
    """

    setting: Setting
    data: ExperimentData
    training: Sequence[Recording]
    held_out: Sequence[Recording]
    skipped: Sequence[Skipped]

    @classmethod
    def of(cls, setting: Setting, data: ExperimentData, network: Network) -> FinetuneRuns:
        """Record the frames of clips for `network`."""
        spec = setting.plugins.backbone(network.backbone)
        clip = spec.clip(config_from_json(spec.config, network.config, network.backbone))
        recorder = pictures(setting.cache / "frames", clip.short_side)
        training, lost = recorder.record(data.training, "Frames to train on", setting.track)
        held_out, lost_too = recorder.record(data.held_out, "Frames to measure on", setting.track)
        if not training or not held_out:
            raise InvalidInputError(
                f"{setting.data}: expected readable clips to train on and to measure on, got {len(training)} and "
                f"{len(held_out)}"
            )
        return cls(setting, data, training, held_out, [*data.pool.skipped, *lost, *lost_too])

    def train(self, network: Network, weights: str = "", start: FinetunedNetwork | None = None) -> FinetunedNetwork:
        """Train a network on the tasks that have a weight in its tuning.

        :param weights: initial weights: the name of published ones, or a file; empty for random ones.
        :param start: a trained network whose backbone replaces `weights`.
        """
        import torch

        spec = self.setting.plugins.backbone(network.backbone)
        config = config_from_json(spec.config, network.config, network.backbone)
        labels, clip = self.data.pool.labels, spec.clip(config)
        torch.manual_seed(network.tuning.seed)
        backbone = build_backbone(spec, config)
        if start is not None:
            backbone.load_state_dict(start.backbone.state_dict())
        elif weights:
            load_backbone(spec, backbone, weights, self.setting.plugins)
        modules = {}
        for task, name in _TASKS.items():
            head = self.setting.plugins.head(name)
            if not isinstance(head, HeadSpec):
                raise PluginError(f"head {name}: expected one that predicts {task} from features, got a derived head")
            modules[task] = head.build(head.config(), spec.feature_dim(config), labels.of(task))
        module = join(backbone, {str(task): head for task, head in modules.items()})
        layers = [backbone] if spec.layers is None else list(spec.layers(backbone))
        digest = self._digest(network, weights, start)
        training_data = TrainingData(self.training, clip, labels)
        tune(module, layers, training_data, [], network.tuning, self.setting.cache / "runs" / digest)
        predicted = predict(run_module(module), self.held_out, clip, self.setting.scale.views)
        logits: dict[Task, FloatArray] = {task: np.stack([one[task] for one in predicted]) for task in _TASKS}
        samples = [recording.sample for recording in self.held_out]
        answers = Predictions.of(
            samples,
            labels,
            to_probabilities(logits["exercise"], "softmax").mean(axis=1),
            to_probabilities(logits["muscles"], "sigmoid").mean(axis=1),
        )
        return FinetunedNetwork(backbone, digest, logits, answers, sum(p.numel() for p in backbone.parameters()))

    def describe(self) -> str:
        """Describe the clips, in words."""
        training, held_out = ([one.sample for one in recordings] for recordings in (self.training, self.held_out))
        return (
            f"{len(training)} clips of {len({item.scene for item in training})} scenes to train on, {len(held_out)} "
            f"of {len({item.scene for item in held_out})} other scenes ({self.data.holdout}) to measure on; "
            f"{len(self.data.pool.labels.exercise)} labels, {len(self.data.pool.labels.muscles)} groups; "
            "intervals over scenes. Each network was trained once; the intervals do not include the variation by seed"
        )

    def _digest(self, network: Network, weights: str, start: FinetunedNetwork | None) -> str:
        stated = [
            attrs.asdict(network),
            sha256(Path(weights)) if Path(weights).is_file() else weights,
            start.digest if start else None,
            attrs.asdict(self.data.pool.labels),
            sorted(recording.sample.key for recording in self.training),
        ]
        name = network.backbone.replace("/", "_")
        return f"{name}-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]}"
