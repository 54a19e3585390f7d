"""One branch of a bundle: trained without what is held out, and trained on everything."""

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
from fitsense.errors import InvalidInputError, PluginError
from fitsense.export.onnx import export_branch
from fitsense.inference.loading import load_branch, load_graph
from fitsense.inference.observation import load_observer
from fitsense.nn.branch import build_backbone, join, stream_entry
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, HeadSpec, WeightsRef
from fitsense.train import heads as fitting
from fitsense.train.features import Extractor, ViewPolicy
from fitsense.train.finetuning import DistributedConfig, TrainingData, Tuning, predict, tune
from fitsense.train.landmark_targets import LandmarkTargets
from fitsense.train.recipe import BranchRecipe, Recipe, branch_name, recipe_to_json
from fitsense.train.training_set import Partition, Pool
from fitsense.types import FloatArray, Task, to_probabilities

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

Outputs = Mapping[str, FloatArray]
"""A branch's features and logits for a footage's windows, (views, ...) by name."""


@attrs.frozen(eq=False)
class TrainedBranch:
    """A branch that was trained with something held out, or with nothing.

    :param module: from what the branch takes to its outputs.
    :param outputs: what it says of all footage that it can read, by key.
    """

    module: nn.Module
    outputs: Mapping[str, Outputs]


@attrs.frozen(eq=False)
class FittedBranch:
    """A branch of a bundle, and what is known of it.

    :param final: what the bundle has: trained on everything, unless its recipe says otherwise.
    :param out_of_fold: what branches say of footage that they were not trained on, by key.
    :param folds: the branches that said it, by partition's name.
    :param recordings: pictures or observations of all footage that it can read, by key; none for a frozen branch.
    :param skipped: footage that it cannot read.
    :param traced: its graphs so far, as :func:`export_branch` keeps them.
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
    """What fitting any branch of a recipe takes.

    :param cache: folder for features, frames and checkpoints, by which an interrupted run goes on.
    :param machines: what branches are trained on as a whole.
    """

    recipe: Recipe
    pool: Pool
    partitions: Sequence[Partition]
    plugins: PluginManager
    cache: Path
    track: Track = silent
    machines: DistributedConfig = attrs.field(factory=DistributedConfig)

    def fit(
        self, branch: BranchRecipe, teachers: Sequence[FittedBranch], guide: FittedBranch | None = None
    ) -> FittedBranch:
        """Train a branch once for each partition, and once on everything unless it is to stay as it is."""
        spec = self.plugins.backbone(branch.backbone)
        config = config_from_json(spec.config, branch.config, f"branch {branch_name(branch)}")
        if spec.build is None and (branch.finetuning or branch.weights):
            raise InvalidInputError(
                f"branch {branch_name(branch)}: {branch.backbone} has no network: expected neither tuning nor weights, "
                f"got {'tuning' if branch.finetuning else repr(branch.weights)}"
            )
        entry = self._entry(branch, spec, config)
        if branch.finetuning is None:
            if spec.build is not None and spec.observation is not None:
                raise InvalidInputError(
                    f"branch {entry.name}: {entry.backbone} has no weights of its own yet; it needs tuning"
                )
            kind: _FrozenBranchTrainer | _FinetunedBranchTrainer = _FrozenBranchTrainer(
                self, branch, spec, config, entry
            )
        else:
            kind = _FinetunedBranchTrainer(self, branch, branch.finetuning, spec, config, entry, teachers, guide)
        partial, held_out = {}, {}
        for partition in self.partitions:
            trained = kind.train([item for item in kind.footage if not partition.held(item)], partition)
            partial[partition.name] = trained
            held = [item for item in self.pool.labelled if partition.held(item) and item.key in trained.outputs]
            held_out.update({item.key: trained.outputs[item.key] for item in held})
        whole = kind.train(kind.footage, None) if branch.retrain_on_all else partial["val"]
        return FittedBranch(entry, whole, held_out, partial, kind.recordings, kind.skipped, kind.traced)

    def learned(self, branch: BranchRecipe) -> list[Sample]:
        """What a branch learns from."""
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
                # They are kept for whole clips, of which windows then take some.
                raise PluginError(
                    f"backbone {branch.backbone}: to be trained, its observation needs one entry for each of "
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
        wanted: list[tuple[Task, str]] = [("exercise", branch.exercise_head), ("muscles", branch.muscles_head)]
        entries = []
        for task, name in wanted:
            if not name:
                continue
            full = self.plugins.full_name("head", name)
            spec = self.plugins.head(full)
            if not isinstance(spec, HeadSpec) or spec.task != task:
                raise PluginError(f"head {full}: expected one that answers {task} from features")
            config = config_from_json(spec.config, branch.head_config, full)
            entries.append(HeadEntry(task, full, config_to_json(config), spec.activation))
        return entries

    def head(self, entry: HeadEntry) -> tuple[HeadSpec, Any]:
        """A head's spec and configuration."""
        spec = self.plugins.head(entry.head)
        assert isinstance(spec, HeadSpec)
        return spec, config_from_json(spec.config, entry.config, entry.head)

    def plugin_version(self, entry: BranchEntry) -> str:
        """That of the plugin which offers a branch's backbone."""
        plugin = entry.backbone.partition("/")[0]
        return next(
            report.version for report in self.plugins.reports if (report.name, report.status) == (plugin, "loaded")
        )

    def weights_digest(self, branch: BranchRecipe) -> str | None:
        """sha256 of the file that a branch starts from; None for none. Recipes name no folders."""
        if not branch.weights:
            return None
        ref = self.plugins.backbone(branch.backbone).weights.get(branch.weights) or WeightsRef(branch.weights)
        return sha256(resolve(ref, self.plugins))

    def backbone(self, branch: BranchRecipe, spec: BackboneSpec, config: Any) -> nn.Module:
        """A backbone as the recipe says that it starts."""
        import torch

        torch.manual_seed(branch.finetuning.seed if branch.finetuning else 0)
        module = build_backbone(spec, config)
        if branch.weights:
            load_backbone(spec, module, branch.weights, self.plugins)
        return module


@contextmanager
def _shipped(
    module: nn.Module, entry: BranchEntry, labels: Labels, fusion: str, traced: dict[str, Any] | None = None
) -> Iterator[Bundle]:
    """A bundle of this branch alone, for as long as it is needed: the very graph that sessions will run on clips."""
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
    """A branch whose heads alone are fitted."""

    recordings: Mapping[str, Recording] = {}

    def __init__(
        self, workshop: BranchTrainer, branch: BranchRecipe, spec: BackboneSpec, config: Any, entry: BranchEntry
    ) -> None:
        self._workshop = workshop
        self._branch = branch
        self._spec = spec
        self._config = config
        self._entry = entry
        self.traced: dict[str, Any] = {}
        learned = workshop.learned(branch)
        everything = [*learned, *workshop.pool.unknown]
        with self._looking() as extractor:
            self._features, self.skipped = extractor.extract(everything, f"Features by {entry.name}", workshop.track)
        self.footage = [item for item in learned if item.key in self._features]

    @functools.cached_property
    def _backbone(self) -> nn.Module:
        return self._workshop.backbone(self._branch, self._spec, self._config)

    @contextmanager
    def _looking(self) -> Iterator[Extractor]:
        """What looks at footage: the network, as sessions will run it, or the observer alone, which needs no torch."""
        workshop, entry = self._workshop, self._entry
        policy = ViewPolicy(workshop.recipe.views, workshop.recipe.mirror)
        cache = workshop.cache / "features"
        if self._spec.build is None:
            observe = load_observer(entry, workshop.plugins)
            assert entry.observation is not None
            # No weights tell one way to compute them from another.
            stated = [entry.backbone, workshop.plugin_version(entry), entry.config, dict(entry.observation.assets)]
            yield Extractor(lambda clips: {"features": observe(clips)}, entry, policy, json.dumps(stated), cache)
            return
        headless = attrs.evolve(entry, heads=())
        with _shipped(join(self._backbone, {}), headless, workshop.pool.labels, workshop.recipe.fusion) as bundle:
            fingerprint = sha256(bundle.path(entry.weights))
            run = load_branch(bundle, headless, bf16=False)
            yield Extractor(run, entry, policy, f"{entry.backbone} {fingerprint}", cache)

    def train(self, footage: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        import torch

        penalties = {"exercise": self._branch.l2_exercise, "muscles": self._branch.l2_muscles}
        labels, recipe = self._workshop.pool.labels, self._workshop.recipe
        modules: dict[str, nn.Module] = {}
        for entry in self._entry.heads:
            spec, config = self._workshop.head(entry)
            modules[str(entry.task)] = fitting.fit(
                spec,
                config,
                footage,
                self._features,
                getattr(labels, entry.task),
                penalties[entry.task],
                recipe.class_power,
            )
        outputs: dict[str, Outputs] = {}
        with torch.inference_mode():
            for key, features in self._features.items():
                # The first views are the windows themselves, the rest their mirror images, which no session sees.
                seen = features[: recipe.views]
                logits = {task: head(torch.from_numpy(seen)).numpy() for task, head in modules.items()}
                outputs[key] = {"features": seen, **logits}
        return TrainedBranch(join(self._backbone, modules, self._spec.streaming), outputs)


class _FinetunedBranchTrainer:
    """A branch that is trained as a whole."""

    def __init__(
        self,
        workshop: BranchTrainer,
        branch: BranchRecipe,
        tuning: Tuning,
        spec: BackboneSpec,
        config: Any,
        entry: BranchEntry,
        teachers: Sequence[FittedBranch],
        guide: FittedBranch | None,
    ) -> None:
        self._workshop = workshop
        self._branch = branch
        self._tuning = tuning
        self._spec = spec
        self._config = config
        self._entry = entry
        self.traced: dict[str, Any] = {}
        self._teachers = teachers
        self._guide = LandmarkTargets(guide.entry.clip, guide.recordings) if guide else None
        pool, clip = workshop.pool, entry.clip
        if guide and (entry.observation or clip.fit == "pad"):
            raise InvalidInputError(f"branch {entry.name}: only one that looks at cropped pictures can have a guide")
        frames = workshop.cache / "frames"
        if entry.observation is None:
            recorder = pictures(frames, clip.short_side)
        else:
            what = f"{entry.backbone} {json.dumps(dict(entry.observation.assets), sort_keys=True)}"
            recorder = observations(frames, what, clip, load_observer(entry, workshop.plugins))
        learned = workshop.learned(branch)
        everything = [*learned, *pool.unknown]
        recordings, self.skipped = recorder.record(everything, f"Frames for {entry.name}", workshop.track)
        self.recordings = {recording.footage.key: recording for recording in recordings}
        taught = [teacher.final.outputs.keys() for teacher in teachers]
        if guide:
            taught.append(guide.recordings.keys())
        self.footage = [
            item for item in learned if item.key in self.recordings and all(item.key in said for said in taught)
        ]

    def train(self, footage: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        labels = self._workshop.pool.labels
        backbone = self._workshop.backbone(self._branch, self._spec, self._config)
        modules = {}
        for entry in self._entry.heads:
            spec, config = self._workshop.head(entry)
            modules[str(entry.task)] = spec.build(config, self._entry.feature_dim, getattr(labels, entry.task))
        module = join(backbone, modules, self._spec.streaming)
        held = [item for item in self.footage if partition is not None and partition.held(item)]
        lesson = TrainingData(
            recordings=[self.recordings[item.key] for item in footage],
            spec=self._entry.clip,
            labels=labels,
            teachers=self._taught(footage, partition),
            guide=self._guide if self._tuning.landmark_weight else None,
        )
        tuning = self._tuning if held else attrs.evolve(self._tuning, patience=0)
        layers = [backbone] if self._spec.layers is None else list(self._spec.layers(backbone))
        without = f"without {partition.name}" if partition else "on everything"
        logger.info("%s: training %s, %d clips", self._entry.name, without, len(footage))
        folder = self._workshop.cache / "runs" / self._digest(footage, held, partition)
        watched = [self.recordings[item.key] for item in held]
        tune(module, layers, lesson, watched, tuning, folder, self._workshop.machines)
        recordings: list[Recording] = list(self.recordings.values())
        recipe = self._workshop.recipe
        with _shipped(module, self._entry, labels, recipe.fusion, self.traced) as bundle:
            run = load_graph(bundle, self._entry, bf16=False)
            said = predict(run, recordings, self._entry.clip, recipe.views)
        return TrainedBranch(module, {one.footage.key: each for one, each in zip(recordings, said, strict=True)})

    def _taught(
        self, footage: Sequence[Sample], partition: Partition | None
    ) -> dict[str, tuple[FloatArray, FloatArray]]:
        """What the teachers, who have not seen what is held out either, say of each footage."""
        if not self._teachers:
            return {}
        said = [teacher.folds[partition.name] if partition else teacher.final for teacher in self._teachers]
        features = np.stack(
            [np.concatenate([one.outputs[item.key]["features"].mean(axis=0) for one in said]) for item in footage]
        )
        features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
        answers = np.stack(
            [
                np.mean(
                    [to_probabilities(one.outputs[item.key]["exercise"], "softmax").mean(axis=0) for one in said],
                    axis=0,
                )
                for item in footage
            ]
        )
        return {
            item.key: (seen.astype(np.float32), answer.astype(np.float32))
            for item, seen, answer in zip(footage, features, answers, strict=True)
        }

    def _digest(self, footage: Sequence[Sample], held: Sequence[Sample], partition: Partition | None) -> str:
        """Stands for all that the result depends on."""
        recipe = self._workshop.recipe
        learned_from = _learned_from(recipe, self._entry.name)
        branches = [
            document
            for document, branch in zip(recipe_to_json(recipe)["branches"], recipe.branches, strict=True)
            if branch_name(branch) in learned_from
        ]
        for document in branches:
            # What becomes of it makes no difference to what it learns.
            for field in ("only_teaches", "refit"):
                document.pop(field)
        weights = [
            self._workshop.weights_digest(branch) for branch in recipe.branches if branch_name(branch) in learned_from
        ]
        taught = bool(self._teachers or self._guide)
        stated = [
            branches,
            weights,
            [recipe.views, recipe.mirror, recipe.class_power] if taught else None,
            attrs.asdict(self._workshop.pool.labels),
            partition.name if partition else None,
            sorted([item.key, item.group, item.scene, item.stated_muscles] for item in footage),
            sorted([item.key, item.group, item.stated_muscles] for item in held) if self._tuning.patience else None,
        ]
        return f"{self._entry.name}-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]}"


def _learned_from(recipe: Recipe, name: str) -> set[str]:
    """A branch's name, and those of its teachers and guides, of theirs, and so on."""
    branch = next(branch for branch in recipe.branches if branch_name(branch) == name)
    behind = (*branch.teachers, *([branch.landmark_teacher] if branch.landmark_teacher else []))
    return {name}.union(*(_learned_from(recipe, teacher) for teacher in behind))
