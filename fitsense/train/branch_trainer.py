"""Training of one branch: once without each partition's held-out clips, and once on everything."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense._internal.hashing import sha256
from fitsense._internal.progress import Track, silent
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import (
    BranchEntry,
    Calibration,
    FusionEntry,
    HeadEntry,
    Labels,
    Manifest,
    ObservationEntry,
)
from fitsense.bundles.weights import load_backbone, resolve
from fitsense.data.frames import Recording, observations, pictures
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.data.task_targets import has_target
from fitsense.errors import InvalidInputError, PluginError
from fitsense.export.onnx import export_branch
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_branch, load_graph
from fitsense.inference.observation import load_observer
from fitsense.nn.branch import build_backbone, join, stream_entry
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, HeadSpec, WeightsRef
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.train import heads as fitting
from fitsense.train.features import Extractor, ViewPolicy
from fitsense.train.finetuning import DistributedConfig, TrainingData, TrainingTask, Tuning, predict, tune
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.train.recipe import BranchRecipe, Recipe, branch_name, recipe_to_json
from fitsense.train.training_set import Partition, Pool
from fitsense.types import FloatArray, Task, to_probabilities

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

Outputs = Mapping[str, FloatArray]
"""Features and logits of a branch for the windows of a sample, (views, ...) by name."""


@attrs.frozen(eq=False)
class TrainedBranch:
    """A trained branch and its outputs.

    :param module: from the branch's inputs to its outputs.
    :param outputs: its outputs for all readable samples, by key.
    """

    module: nn.Module
    outputs: Mapping[str, Outputs]


@attrs.frozen(eq=False)
class FittedBranch:
    """A branch of a bundle: trained on everything, and without each partition's held-out clips.

    :param entry: the branch's entry in the bundle.
    :param final: the branch in the bundle: trained on everything, unless its recipe says otherwise.
    :param out_of_fold: outputs for samples by the branch that was trained without them, by key.
    :param folds: the branches that gave these outputs, by partition's name.
    :param recordings: pictures or observations of all readable samples, by key; none for a frozen branch.
    :param skipped: samples that cannot be read.
    :param traced: graphs exported so far, as :func:`export_branch` keeps them.
    """

    entry: BranchEntry
    final: TrainedBranch
    out_of_fold: Mapping[str, Outputs]
    folds: Mapping[str, TrainedBranch]
    recordings: Mapping[str, Recording]
    skipped: Sequence[Skipped]
    traced: dict[str, Any]


@attrs.frozen(eq=False)
class BranchTrainer:
    """Trains the branches of a recipe.

    :param pool: the samples.
    :param partitions: the ways of holding clips out.
    :param cache: folder for features, frames and checkpoints, from which an interrupted run continues.
    :param track: reports progress.
    :param distributed: processes and devices for finetuning.
    """

    recipe: Recipe
    pool: Pool
    partitions: Sequence[Partition]
    plugins: PluginManager
    cache: Path
    track: Track = silent
    distributed: DistributedConfig = attrs.field(factory=DistributedConfig)

    def fit(
        self, branch: BranchRecipe, teachers: Sequence[FittedBranch], landmark_teacher: FittedBranch | None = None
    ) -> FittedBranch:
        """Train a branch once for each partition, and once on everything if its recipe asks for that.

        :param teachers: branches whose features and probabilities it learns from.
        :param landmark_teacher: a branch whose landmarks it learns from; None for none.
        :raises InvalidInputError: the recipe does not suit the backbone.
        """
        spec = self.plugins.backbone(branch.backbone)
        config = config_from_json(spec.config, branch.config, f"branch {branch_name(branch)}")
        if spec.build is None and (branch.finetuning or branch.weights):
            raise InvalidInputError(
                f"branch {branch_name(branch)}: expected neither finetuning nor weights, since {branch.backbone} has "
                f"no network, got {'finetuning' if branch.finetuning else repr(branch.weights)}"
            )
        if branch.finetuning and branch.finetuning.landmark_weight and spec.landmarks is None:
            raise InvalidInputError(
                f"branch {branch_name(branch)}: landmark_weight: expected 0, since backbone {branch.backbone} predicts "
                f"no landmarks, got {branch.finetuning.landmark_weight:g}"
            )
        entry = self._entry(branch, spec, config)
        if branch.finetuning is None:
            if spec.build is not None and spec.observation is not None:
                raise InvalidInputError(
                    f"branch {entry.name}: {entry.backbone} has untrained weights: expected finetuning, got none"
                )
            trainer: _FrozenBranchTrainer | _FinetunedBranchTrainer = _FrozenBranchTrainer(
                self, branch, spec, config, entry
            )
        else:
            trainer = _FinetunedBranchTrainer(
                self, branch, branch.finetuning, spec, config, entry, teachers, landmark_teacher
            )
        folds, out_of_fold = {}, {}
        for partition in self.partitions:
            fold = trainer.train([item for item in trainer.samples if not partition.held(item)], partition)
            folds[partition.name] = fold
            held = [item for item in self.pool.labelled if partition.held(item) and item.key in fold.outputs]
            out_of_fold.update({item.key: fold.outputs[item.key] for item in held})
        final = trainer.train(trainer.samples, None) if branch.retrain_on_all else folds["val"]
        return FittedBranch(entry, final, out_of_fold, folds, trainer.recordings, trainer.skipped, trainer.traced)

    def samples(self, branch: BranchRecipe) -> list[Sample]:
        """Samples that a branch learns from."""
        return [*self.pool.labelled, *self.pool.synthetic, *(self.pool.auxiliary if branch.use_auxiliary else ())]

    def _entry(self, branch: BranchRecipe, spec: BackboneSpec, config: Any) -> BranchEntry:
        name = branch_name(branch)
        observation = None
        if spec.observation is not None:
            missing = [asset for asset, ref in spec.assets.items() if ref.sha256 is None]
            if missing:
                raise PluginError(f"backbone {branch.backbone}: assets without sha256: {', '.join(missing)}")
            assets = {asset: str(ref.sha256) for asset, ref in spec.assets.items()}
            observation = ObservationEntry(tuple(spec.observation.shape(config)), assets)
            if branch.finetuning and observation.shape[0] != spec.clip(config).frames:
                # Observations are kept for whole clips, and windows are some of their frames.
                raise PluginError(
                    f"backbone {branch.backbone}: finetuning needs an observation with one entry for each of "
                    f"{spec.clip(config).frames} frames, got shape {observation.shape}"
                )
        return BranchEntry(
            name=name,
            backbone=self.plugins.full_name("backbone", branch.backbone),
            config=config_to_json(config),
            clip=spec.clip(config),
            feature_dim=spec.feature_dim(config),
            graph=f"{name}.onnx",
            weights=f"{name}.safetensors",
            heads=tuple(self._heads(branch)),
            observation=observation,
            stream=stream_entry(name, spec, config),
        )

    def _heads(self, branch: BranchRecipe) -> list[HeadEntry]:
        wanted: list[tuple[Task, str, Mapping[str, Any]]] = [
            ("exercise", branch.exercise_head, branch.head_config),
            ("muscles", branch.muscles_head, branch.head_config),
            *((task, one.head, one.config) for task, one in branch.tasks.items()),
        ]
        entries = []
        for task, name, stated in wanted:
            if not name:
                continue
            full = self.plugins.full_name("head", name)
            spec = self.plugins.head(full)
            if not isinstance(spec, HeadSpec) or spec.task != task:
                raise PluginError(f"head {full}: expected one that scores {task} from features")
            config = config_from_json(spec.config, stated, full)
            entries.append(HeadEntry(task, full, config_to_json(config), self.plugins.task(task).activation_name))
        return entries

    def head(self, entry: HeadEntry) -> tuple[HeadSpec, Any]:
        """Spec and configuration of a head."""
        spec = self.plugins.head(entry.head)
        assert isinstance(spec, HeadSpec)
        return spec, config_from_json(spec.config, entry.config, entry.head)

    def plugin_version(self, entry: BranchEntry) -> str:
        """Version of the plugin that provides a branch's backbone."""
        plugin = entry.backbone.partition("/")[0]
        return next(
            report.version for report in self.plugins.reports if (report.name, report.status) == (plugin, "loaded")
        )

    def weights_digest(self, branch: BranchRecipe) -> str | None:
        """sha256 of a branch's initial weights; None for none. Recipes name files without their folders."""
        if not branch.weights:
            return None
        ref = self.plugins.backbone(branch.backbone).weights.get(branch.weights) or WeightsRef(branch.weights)
        return sha256(resolve(ref, self.plugins))

    def backbone(self, branch: BranchRecipe, spec: BackboneSpec, config: Any) -> nn.Module:
        """Build a backbone with its initial weights."""
        import torch

        torch.manual_seed(branch.finetuning.seed if branch.finetuning else 0)
        module = build_backbone(spec, config)
        if branch.weights:
            load_backbone(spec, module, branch.weights, self.plugins)
        return module


@contextmanager
def _temporary_bundle(
    module: nn.Module, entry: BranchEntry, labels: Labels, fusion: str, traced: dict[str, Any] | None = None
) -> Iterator[Bundle]:
    """A bundle of this branch alone, deleted afterwards: the same graph that sessions run on clips."""
    entry = attrs.evolve(entry, stream=None)
    with tempfile.TemporaryDirectory(prefix="fitsense-branch-") as name:
        folder = Path(name)
        export_branch(module, entry, folder, traced=traced)
        yield save(
            folder,
            Manifest(
                name="branch",
                version="0",
                licence="",
                labels=labels,
                branches=(entry,),
                fusion={head.task: FusionEntry(fusion, {}) for head in entry.heads},
                calibration=Calibration(1.0, 0.5, 0.5),
            ),
        )


class _FrozenBranchTrainer:
    """Trains the heads of a branch on features of its frozen backbone."""

    recordings: Mapping[str, Recording] = {}

    def __init__(
        self, trainer: BranchTrainer, branch: BranchRecipe, spec: BackboneSpec, config: Any, entry: BranchEntry
    ) -> None:
        self._trainer = trainer
        self._branch = branch
        self._spec = spec
        self._config = config
        self._entry = entry
        self.traced: dict[str, Any] = {}
        learned = trainer.samples(branch)
        everything = [*learned, *trainer.pool.unknown]
        with self._extractor() as extractor:
            self._features, self.skipped = extractor.extract(everything, f"Features by {entry.name}", trainer.track)
        self.samples = [item for item in learned if item.key in self._features]

    @functools.cached_property
    def _backbone(self) -> nn.Module:
        return self._trainer.backbone(self._branch, self._spec, self._config)

    @contextmanager
    def _extractor(self) -> Iterator[Extractor]:
        """Extractor of features: the network as sessions run it, or the observer alone, which needs no torch."""
        trainer, entry = self._trainer, self._entry
        policy = ViewPolicy(trainer.recipe.views, trainer.recipe.mirror)
        cache = trainer.cache / "features"
        if self._spec.build is None:
            observe = load_observer(entry, trainer.plugins)
            assert entry.observation is not None
            # Without weights, these identify how the features are computed.
            stated = [entry.backbone, trainer.plugin_version(entry), entry.config, dict(entry.observation.assets)]
            yield Extractor(lambda clips: {"features": observe(clips)}, entry, policy, json.dumps(stated), cache)
            return
        headless = attrs.evolve(entry, heads=())
        with _temporary_bundle(
            join(self._backbone, {}), headless, trainer.pool.labels, trainer.recipe.fusion
        ) as bundle:
            fingerprint = sha256(bundle.path(entry.weights))
            run = load_branch(bundle, headless, RuntimeConfig(bf16=False))
            yield Extractor(run, entry, policy, f"{entry.backbone} {fingerprint}", cache)

    def train(self, samples: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        import torch

        penalties = {
            "exercise": self._branch.l2_exercise,
            "muscles": self._branch.l2_muscles,
            **{task: one.l2 for task, one in self._branch.tasks.items()},
        }
        labels, recipe = self._trainer.pool.labels, self._trainer.recipe
        modules: dict[str, nn.Module] = {}
        for entry in self._entry.heads:
            spec, config = self._trainer.head(entry)
            task = self._trainer.plugins.task(entry.task)
            modules[entry.task] = fitting.fit(
                spec,
                config,
                labelled(samples, task, f"branch {self._entry.name}"),
                self._features,
                labels.of(entry.task),
                penalties[entry.task],
                recipe.class_power,
                task,
            )
        outputs: dict[str, Outputs] = {}
        with torch.inference_mode():
            for key, features in self._features.items():
                # The views after these are mirror images, which sessions do not use.
                windows = features[: recipe.views]
                logits = {task: head(torch.from_numpy(windows)).numpy() for task, head in modules.items()}
                outputs[key] = {"features": windows, **logits}
        return TrainedBranch(join(self._backbone, modules, self._spec.streaming), outputs)


class _FinetunedBranchTrainer:
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
        self._entry = entry
        self.traced: dict[str, Any] = {}
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
        learned = trainer.samples(branch)
        everything = [*learned, *pool.unknown]
        recordings, self.skipped = recorder.record(everything, f"Frames for {entry.name}", trainer.track)
        self.recordings = {recording.footage.key: recording for recording in recordings}
        readable = [teacher.final.outputs.keys() for teacher in teachers]
        if landmark_teacher:
            readable.append(landmark_teacher.recordings.keys())
        self.samples = [
            item for item in learned if item.key in self.recordings and all(item.key in keys for keys in readable)
        ]

    def train(self, samples: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        from fitsense.train.losses import head_loss

        labels, plugins = self._trainer.pool.labels, self._trainer.plugins
        backbone = self._trainer.backbone(self._branch, self._spec, self._config)
        modules, tasks = {}, {}
        for entry in self._entry.heads:
            spec, config = self._trainer.head(entry)
            if entry.task in self._branch.tasks:
                task = plugins.task(entry.task)
                labelled(samples, task, f"branch {self._entry.name}")
                tasks[entry.task] = TrainingTask(task, head_loss(spec, task), self._branch.tasks[entry.task].weight)
            modules[str(entry.task)] = spec.build(config, self._entry.feature_dim, labels.of(entry.task))
        module = join(backbone, modules, self._spec.streaming, self._spec.landmarks)
        held = [item for item in self.samples if partition is not None and partition.held(item)]
        data = TrainingData(
            recordings=[self.recordings[item.key] for item in samples],
            spec=self._entry.clip,
            labels=labels,
            tasks=tasks,
            teachers=self._teacher_outputs(samples, partition),
            landmarks=self._landmarks if self._tuning.landmark_weight else None,
        )
        tuning = self._tuning if held else attrs.evolve(self._tuning, patience=0)
        layers = [backbone] if self._spec.layers is None else list(self._spec.layers(backbone))
        without = f"without {partition.name}" if partition else "on everything"
        logger.info("%s: training %s, %d clips", self._entry.name, without, len(samples))
        folder = self._trainer.cache / "runs" / self._digest(samples, held, partition)
        validation = [self.recordings[item.key] for item in held]
        tune(module, layers, data, validation, tuning, folder, self._trainer.distributed)
        recordings: list[Recording] = list(self.recordings.values())
        recipe = self._trainer.recipe
        with _temporary_bundle(module, self._entry, labels, recipe.fusion, self.traced) as bundle:
            run = load_graph(bundle, self._entry, RuntimeConfig(bf16=False))
            outputs = predict(run, recordings, self._entry.clip, recipe.views)
        return TrainedBranch(module, {one.footage.key: each for one, each in zip(recordings, outputs, strict=True)})

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

    def _answers(self, item: Sample) -> list[str]:
        """Cells of the tasks that plugins declare."""
        return [item.answers.get(task, "") for task in self._branch.tasks]

    def _digest(self, samples: Sequence[Sample], held: Sequence[Sample], partition: Partition | None) -> str:
        """Name and digest of everything that the result depends on."""
        recipe = self._trainer.recipe
        learned_from = _learned_from(recipe, self._entry.name)
        branches = [
            document
            for document, branch in zip(recipe_to_json(recipe)["branches"], recipe.branches, strict=True)
            if branch_name(branch) in learned_from
        ]
        for document in branches:
            # The use of the result makes no difference to training.
            for field in ("teacher_only", "retrain_on_all"):
                document.pop(field)
        weights = [
            self._trainer.weights_digest(branch) for branch in recipe.branches if branch_name(branch) in learned_from
        ]
        has_teacher = bool(self._teachers or self._landmarks)
        stated = [
            branches,
            weights,
            [recipe.views, recipe.mirror, recipe.class_power] if has_teacher else None,
            attrs.asdict(self._trainer.pool.labels),
            partition.name if partition else None,
            sorted([item.key, item.group, item.scene, item.stated_muscles, self._answers(item)] for item in samples),
            sorted([item.key, item.group, item.stated_muscles] for item in held) if self._tuning.patience else None,
        ]
        return f"{self._entry.name}-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]}"


def labelled(samples: Sequence[Sample], task: TaskSpec, what: str) -> list[Sample]:
    """Samples that are labelled for a task.

    :raises InvalidInputError: none is.
    """
    if task.name in RESERVED:
        return list(samples)
    chosen = [item for item in samples if has_target(item, task)]
    if not chosen:
        raise InvalidInputError(f"{what}: expected clips to train on with a cell in the column {task.name}, got none")
    return chosen


def _learned_from(recipe: Recipe, name: str) -> set[str]:
    """Names of a branch, of its teachers, of their teachers, and so on."""
    branch = next(branch for branch in recipe.branches if branch_name(branch) == name)
    teachers = (*branch.teachers, *([branch.landmark_teacher] if branch.landmark_teacher else []))
    return {name}.union(*(_learned_from(recipe, teacher) for teacher in teachers))
