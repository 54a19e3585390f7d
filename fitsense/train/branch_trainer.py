"""Training of the branches of a recipe: each without the held-out clips of each partition, and on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense._internal.hashing import sha256
from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.manifest import BranchEntry, HeadEntry, ObservationEntry
from fitsense.bundles.weights import load_backbone, resolve
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, PluginError
from fitsense.nn.branch import build_backbone, stream_entry
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, HeadSpec, WeightsRef
from fitsense.train.finetuned_branch import FinetunedBranchTrainer
from fitsense.train.finetuning import DistributedConfig
from fitsense.train.frozen_branch import FrozenBranchTrainer, ObservedBranchTrainer
from fitsense.train.last_layers import LastLayersTrainer
from fitsense.train.recipe import BranchRecipe, Recipe, branch_name
from fitsense.train.trained_branch import FittedBranch
from fitsense.train.training_set import Partition, Pool
from fitsense.types import Task

if TYPE_CHECKING:
    from torch import nn


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
    track: ProgressBar = silent
    distributed: DistributedConfig = attrs.field(factory=DistributedConfig)

    def fit(
        self,
        branch: BranchRecipe,
        teachers: Sequence[FittedBranch],
        landmark_teacher: FittedBranch | None = None,
        people: FittedBranch | None = None,
    ) -> FittedBranch:
        """Train a branch once for each partition, and once on everything if its recipe asks for that.

        :param teachers: branches whose features and probabilities it learns from.
        :param landmark_teacher: a branch whose landmarks it learns from; None for none.
        :param people: a branch whose landmarks say where the person is; None for none.
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
            trainer: FrozenBranchTrainer | ObservedBranchTrainer | LastLayersTrainer | FinetunedBranchTrainer
            if spec.build is not None and spec.observation is not None:
                trainer = ObservedBranchTrainer(self, branch, spec, config, entry)
            else:
                trainer = FrozenBranchTrainer(self, branch, spec, config, entry, people)
        elif branch.finetuning.stored_windows:
            trainer = LastLayersTrainer(self, branch, branch.finetuning, spec, config, entry, people)
        else:
            if entry.clip.fit == "person":
                raise InvalidInputError(
                    f"branch {entry.name}: fit: expected a frozen backbone or stored_windows with the fit 'person', "
                    "got finetuning of pictures"
                )
            trainer = FinetunedBranchTrainer(
                self, branch, branch.finetuning, spec, config, entry, teachers, landmark_teacher
            )
        folds, out_of_fold = {}, {}
        for partition in self.partitions:
            fold = trainer.train([item for item in trainer.samples if partition.trained(item)], partition)
            folds[partition.name] = fold
            held = [item for item in self.pool.measured if partition.held(item) and item.key in fold.outputs]
            out_of_fold.update({item.key: fold.outputs[item.key] for item in held})
        final = trainer.train(trainer.samples, None) if branch.retrain_on_all else folds["val"]
        return FittedBranch(
            trainer.entry,
            final,
            out_of_fold,
            folds,
            trainer.recordings,
            trainer.skipped,
            trainer.traced,
            trainer.statistics,
        )

    def samples(self, branch: BranchRecipe) -> list[Sample]:
        """Samples that a branch learns from, without photo pairs."""
        sources = branch.auxiliary_sources
        auxiliary = [item for item in self.pool.auxiliary if not sources or item.source in sources]
        if branch.use_auxiliary and sources and not auxiliary:
            raise InvalidInputError(
                f"branch {branch_name(branch)}: auxiliary_sources: expected sources of auxiliary clips, "
                f"got {', '.join(sources)}"
            )
        return [*self.pool.measured, *self.pool.synthetic, *(auxiliary if branch.use_auxiliary else ())]

    def with_predicted(self, samples: Sequence[Sample]) -> list[Sample]:
        """Samples to learn from, and those that are only predicted; each once."""
        return list({item.key: item for item in (*samples, *self.pool.predicted)}.values())

    def _entry(self, branch: BranchRecipe, spec: BackboneSpec, config: Any) -> BranchEntry:
        name = branch_name(branch)
        observation = None
        if spec.observation is not None:
            missing = [asset for asset, ref in spec.assets.items() if ref.sha256 is None]
            if missing:
                raise PluginError(f"backbone {branch.backbone}: assets without sha256: {', '.join(missing)}")
            assets = {asset: str(ref.sha256) for asset, ref in spec.assets.items()}
            observation = ObservationEntry(tuple(spec.observation.shape(config)), assets)
            if spec.build is not None and observation.shape[0] != spec.clip(config).frames:
                # Observations are kept for whole clips, and windows are some of their frames.
                raise PluginError(
                    f"backbone {branch.backbone}: training needs an observation with one entry for each of "
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
        unused = set(branch.head_config)
        for task, name, stated in wanted:
            if not name:
                continue
            full = self.plugins.full_name("head", name)
            spec = self.plugins.head(full)
            if not isinstance(spec, HeadSpec) or spec.task != task:
                raise PluginError(f"head {full}: expected one that scores {task} from features")
            own = stated
            if stated is branch.head_config:
                # Shared by two heads: each takes the fields that it has.
                own = {key: value for key, value in stated.items() if key in attrs.fields_dict(spec.config)}
                unused -= own.keys()
            config = config_from_json(spec.config, own, full)
            entries.append(HeadEntry(task, full, config_to_json(config), self.plugins.task(task).activation_name))
        if unused:
            raise InvalidInputError(
                f"branch {branch_name(branch)}: head_config: expected fields of its heads' configurations, "
                f"got {', '.join(sorted(unused))}"
            )
        return entries

    def head(self, entry: HeadEntry) -> tuple[HeadSpec, Any]:
        """Spec and configuration of a head."""
        spec = self.plugins.head(entry.head)
        assert isinstance(spec, HeadSpec)
        return spec, config_from_json(spec.config, entry.config, entry.head)

    def with_config(self, entry: HeadEntry, config: Any) -> HeadEntry:
        """A head's entry with the configuration that fitting gave."""
        return attrs.evolve(entry, config=config_to_json(config))

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
