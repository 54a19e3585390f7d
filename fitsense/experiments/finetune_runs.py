"""Networks that are trained as a whole, alike but for what an experiment varies."""

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
    """A network that was trained.

    :param digest: stands for all that it depends on.
    :param logits: of the clips that were held out, (clips, views, labels) by task.
    :param answers: the same as probabilities, averaged over views, of those that show an exercise.
    :param parameters: how many the backbone has.
    """

    backbone: nn.Module
    digest: str
    logits: Mapping[Task, FloatArray]
    answers: Predictions
    parameters: int


@attrs.frozen(eq=False)
class FinetuneRuns:
    """Where networks that take clips of one size are trained.

    :param learned: recordings to learn from.
    :param asked: recordings to measure on.
    :param skipped: clips that cannot be used, and why.
    """

    setting: Setting
    material: ExperimentData
    learned: Sequence[Recording]
    asked: Sequence[Recording]
    skipped: Sequence[Skipped]

    @classmethod
    def of(cls, setting: Setting, material: ExperimentData, network: Network) -> FinetuneRuns:
        """A bench for clips as `network` takes them."""
        spec = setting.plugins.backbone(network.backbone)
        clip = spec.clip(config_from_json(spec.config, network.config, network.backbone))
        recorder = pictures(setting.cache / "frames", clip.short_side)
        learned, lost = recorder.record(material.learned, "Frames to learn from", setting.track)
        asked, lost_too = recorder.record(material.asked, "Frames to measure on", setting.track)
        if not learned or not asked:
            raise InvalidInputError(
                f"{setting.data}: expected clips to learn from and to measure on, got {len(learned)} and {len(asked)} "
                "that can be read"
            )
        return cls(setting, material, learned, asked, [*material.pool.skipped, *lost, *lost_too])

    def train(self, network: Network, weights: str = "", start: FinetunedNetwork | None = None) -> FinetunedNetwork:
        """Train a network on both tasks, as far as its tuning gives them weight.

        :param weights: published weights or a file that it starts from; empty for random ones.
        :param start: a network whose backbone it starts from instead.
        """
        import torch

        spec = self.setting.plugins.backbone(network.backbone)
        config = config_from_json(spec.config, network.config, network.backbone)
        labels, clip = self.material.pool.labels, spec.clip(config)
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
                raise PluginError(f"head {name}: expected one that answers {task} from features")
            modules[task] = head.build(head.config(), spec.feature_dim(config), getattr(labels, task))
        module = join(backbone, {str(task): head for task, head in modules.items()})
        layers = [backbone] if spec.layers is None else list(spec.layers(backbone))
        digest = self._digest(network, weights, start)
        lesson = TrainingData(self.learned, clip, labels)
        tune(module, layers, lesson, [], network.tuning, self.setting.cache / "runs" / digest)
        said = predict(run_module(module), self.asked, clip, self.setting.scale.views)
        logits: dict[Task, FloatArray] = {task: np.stack([one[task] for one in said]) for task in _TASKS}
        footage = [recording.footage for recording in self.asked]
        answers = Predictions.of(
            footage,
            labels,
            to_probabilities(logits["exercise"], "softmax").mean(axis=1),
            to_probabilities(logits["muscles"], "sigmoid").mean(axis=1),
        )
        return FinetunedNetwork(backbone, digest, logits, answers, sum(p.numel() for p in backbone.parameters()))

    def describe(self) -> str:
        """What is learned from, and what measured on, in words."""
        learned, asked = ([one.footage for one in recordings] for recordings in (self.learned, self.asked))
        return (
            f"{len(learned)} clips of {len({item.scene for item in learned})} scenes to learn from, "
            f"{len(asked)} of {len({item.scene for item in asked})} other scenes ({self.material.held}) to measure on; "
            f"{len(self.material.pool.labels.exercise)} labels, {len(self.material.pool.labels.muscles)} groups; "
            "intervals over scenes. Each was trained once: another seed gives other figures, which no interval shows"
        )

    def _digest(self, network: Network, weights: str, start: FinetunedNetwork | None) -> str:
        stated = [
            attrs.asdict(network),
            sha256(Path(weights)) if Path(weights).is_file() else weights,
            start.digest if start else None,
            attrs.asdict(self.material.pool.labels),
            sorted(recording.footage.key for recording in self.learned),
        ]
        name = network.backbone.replace("/", "_")
        return f"{name}-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]}"
