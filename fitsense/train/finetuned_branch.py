"""Training of a branch as a whole: backbone and heads together, by gradient descent."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import BranchEntry
from fitsense.data.frames import Recording, observations, pictures
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_graph
from fitsense.inference.observation import load_observer
from fitsense.nn.branch import join
from fitsense.plugins.specs import BackboneSpec
from fitsense.train.finetuning import TrainingData, TrainingTask, Tuning, predict, tune
from fitsense.train.heads import labelled
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.train.recipe import BranchRecipe, Recipe, branch_name, recipe_to_json
from fitsense.train.trained_branch import FittedBranch, TrainedBranch, temporary_bundle
from fitsense.train.training_set import Partition
from fitsense.types import FloatArray, to_probabilities

if TYPE_CHECKING:
    from fitsense.train.branch_trainer import BranchTrainer

logger = logging.getLogger(__name__)


class FinetunedBranchTrainer:
    """Trains backbone and heads of a branch together."""

    def __init__(
        self,
        trainer: BranchTrainer,
        branch: BranchRecipe,
        tuning: Tuning,
        spec: BackboneSpec,
        config: Any,
        entry: BranchEntry,
        teachers: Sequence[FittedBranch],
        landmark_teacher: FittedBranch | None,
    ) -> None:
        self._trainer = trainer
        self._branch = branch
        self._tuning = tuning
        self._spec = spec
        self._config = config
        self.entry = entry
        self.traced: dict[str, Any] = {}
        # Features of training windows, which vary in every step, are not kept.
        self.statistics: Mapping[str, NDArray[Any]] = {}
        self._teachers = teachers
        self._landmarks = (
            LandmarkTargets(landmark_teacher.entry.clip, landmark_teacher.recordings) if landmark_teacher else None
        )
        pool, clip = trainer.pool, entry.clip
        if landmark_teacher and (entry.observation or clip.fit == "pad"):
            raise InvalidInputError(
                f"branch {entry.name}: landmark_teacher: expected none, since backbone {entry.backbone} does not take "
                f"cropped pictures, got {branch.landmark_teacher!r}"
            )
        frames = trainer.cache / "frames"
        if entry.observation is None:
            recorder = pictures(frames, clip.short_side)
        else:
            key = f"{entry.backbone} {json.dumps(dict(entry.observation.assets), sort_keys=True)}"
            recorder = observations(frames, key, clip, load_observer(entry, trainer.plugins))
        learned = [item for item in trainer.samples(branch) if item.has_muscles]
        everything = list({item.key: item for item in (*learned, *pool.predicted)}.values())
        recordings, self.skipped = recorder.record(everything, f"Frames for {entry.name}", trainer.track)
        self.recordings = {recording.sample.key: recording for recording in recordings}
        readable = [teacher.final.outputs.keys() for teacher in teachers]
        if landmark_teacher:
            readable.append(landmark_teacher.recordings.keys())
        self.samples = [
            item for item in learned if item.key in self.recordings and all(item.key in keys for keys in readable)
        ]

    def train(self, samples: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        from fitsense.nn.losses import head_loss

        labels = self._trainer.pool.labels
        backbone = self._trainer.backbone(self._branch, self._spec, self._config)
        modules, tasks = {}, {}
        for entry in self.entry.heads:
            spec, config = self._trainer.head(entry)
            if entry.task in self._branch.tasks:
                task = self._trainer.plugins.task(entry.task)
                labelled(samples, task, f"branch {self.entry.name}")
                weight = self._branch.tasks[entry.task].weight
                tasks[entry.task] = TrainingTask(task, head_loss(spec, task), weight)
            modules[str(entry.task)] = spec.build(config, self.entry.feature_dim, labels.of(entry.task))
        module = join(backbone, modules, self._spec.streaming, self._spec.landmarks)
        held = [item for item in self.samples if partition is not None and partition.held(item)]
        data = TrainingData(
            recordings=[self.recordings[item.key] for item in samples],
            spec=self.entry.clip,
            labels=labels,
            tasks=tasks,
            teachers=self._teacher_outputs(samples, partition),
            landmarks=self._landmarks if self._tuning.landmark_weight else None,
        )
        tuning = self._tuning if held else attrs.evolve(self._tuning, patience=0)
        layers = [backbone] if self._spec.layers is None else list(self._spec.layers(backbone))
        without = f"without {partition.name}" if partition else "on everything"
        logger.info("%s: training %s, %d clips", self.entry.name, without, len(samples))
        has_teacher = bool(self._teachers or self._landmarks)
        watched = held if self._tuning.patience else []
        name = run_name(self._trainer, self.entry.name, samples, watched, partition, has_teacher=has_teacher)
        folder = self._trainer.cache / "runs" / name
        validation = [self.recordings[item.key] for item in held]
        tune(module, layers, data, validation, tuning, folder, self._trainer.distributed)
        recordings: list[Recording] = list(self.recordings.values())
        recipe = self._trainer.recipe
        with temporary_bundle(module, self.entry, labels, recipe.fusion, self.traced) as bundle:
            run = load_graph(bundle, self.entry, RuntimeConfig(bf16=False))
            outputs = predict(run, recordings, self.entry.clip, recipe.views)
        return TrainedBranch(module, {one.sample.key: each for one, each in zip(recordings, outputs, strict=True)})

    def _teacher_outputs(
        self, samples: Sequence[Sample], partition: Partition | None
    ) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Mean features and probabilities of the teachers, trained without the same partition, by sample's key."""
        if not self._teachers:
            return {}
        teachers = [teacher.folds[partition.name] if partition else teacher.final for teacher in self._teachers]
        features = np.stack(
            [np.concatenate([one.outputs[item.key]["features"].mean(axis=0) for one in teachers]) for item in samples]
        )
        features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
        probabilities = np.stack(
            [
                np.mean(
                    [to_probabilities(one.outputs[item.key]["exercise"], "softmax").mean(axis=0) for one in teachers],
                    axis=0,
                )
                for item in samples
            ]
        )
        return {
            item.key: (mean.astype(np.float32), probability.astype(np.float32))
            for item, mean, probability in zip(samples, features, probabilities, strict=True)
        }


def run_name(
    trainer: BranchTrainer,
    name: str,
    samples: Sequence[Sample],
    held: Sequence[Sample],
    partition: Partition | None,
    *,
    has_teacher: bool = False,
    further: Any = None,
) -> str:
    """Name of a branch and digest of everything that the result of its finetuning depends on.

    :param held: held-out clips, where training may end early.
    :param further: what else it depends on, as JSON.
    """
    recipe = trainer.recipe
    learned_from = _learned_from(recipe, name)
    branches = [
        document
        for document, branch in zip(recipe_to_json(recipe)["branches"], recipe.branches, strict=True)
        if branch_name(branch) in learned_from
    ]
    for document in branches:
        # The use of the result makes no difference to training.
        for field in ("teacher_only", "retrain_on_all"):
            document.pop(field)
    weights = [trainer.weights_digest(branch) for branch in recipe.branches if branch_name(branch) in learned_from]
    tasks = next(branch.tasks for branch in recipe.branches if branch_name(branch) == name)
    stated = [
        branches,
        weights,
        [recipe.views, recipe.mirror, recipe.class_power] if has_teacher else None,
        attrs.asdict(trainer.pool.labels),
        partition.name if partition else None,
        sorted(
            [item.key, item.group, item.scene, item.stated_muscles, [item.answers.get(task, "") for task in tasks]]
            for item in samples
        ),
        sorted([item.key, item.group, item.stated_muscles] for item in held),
        further,
    ]
    return f"{name}-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]}"


def _learned_from(recipe: Recipe, name: str) -> set[str]:
    """Names of a branch, of its teachers, of their teachers, and so on."""
    branch = next(branch for branch in recipe.branches if branch_name(branch) == name)
    teachers = (*branch.teachers, *([branch.landmark_teacher] if branch.landmark_teacher else []))
    return {name}.union(*(_learned_from(recipe, teacher) for teacher in teachers))
