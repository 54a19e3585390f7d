"""Finetuning of a backbone's last layers on stored values of the layers before them.

The first layers do not learn, so that what they make of a clip's windows is computed once, stored on disk, and shared
by all folds. A step then costs the last layers alone.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense._internal.hashing import sha256
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.frames import Recording, Values
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_branch
from fitsense.nn.branch import join
from fitsense.plugins.specs import BackboneSpec
from fitsense.train import heads as fitting
from fitsense.train.clip_augmentation import PERSON_ROOM
from fitsense.train.features import Extractor, ViewPolicy
from fitsense.train.finetuned_branch import run_name
from fitsense.train.finetuning import TrainingData, Tuning, tune
from fitsense.train.frozen_branch import HeadsTrainer, digest_of, located_by, people_of
from fitsense.train.recipe import BranchRecipe
from fitsense.train.trained_branch import FittedBranch, TrainedBranch, temporary_bundle
from fitsense.train.training_set import Partition
from fitsense.types import FloatArray

if TYPE_CHECKING:
    from torch import nn

    from fitsense.train.branch_trainer import BranchTrainer

logger = logging.getLogger(__name__)

# Layers compute the same as the network they are of, up to rounding.
_TOLERANCE = 1e-3


class LastLayersTrainer(HeadsTrainer):
    """Trains the last layers of a backbone, and its heads.

    Heads that gradient descent fits learn together with the layers. Heads in closed form are fitted to their features
    afterwards; while the layers learn, a linear layer stands for that of exercises.

    :param people: the branch whose landmarks say where the person is; None for none.
    :raises InvalidInputError: the recipe does not suit the backbone.
    """

    def __init__(
        self,
        trainer: BranchTrainer,
        branch: BranchRecipe,
        tuning: Tuning,
        spec: BackboneSpec,
        config: Any,
        entry: BranchEntry,
        people: FittedBranch | None,
    ) -> None:
        super().__init__(trainer, branch, spec, config, entry)
        self._tuning = tuning
        self._people = people_of(entry, people)
        self._check()
        self._learned: nn.Module = self._backbone
        self._tuned: dict[str, nn.Module] = {}
        learned = trainer.samples(branch)
        everything = trainer.with_predicted(learned)
        self._stored = self._store(everything)
        self.samples = [item for item in learned if item.key in self._stored and self._is_labelled(item)]

    def train(self, samples: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        """Train the last layers on some samples, then the heads that are fitted to their features."""
        tuning, name = self._tuning, self.entry.name
        self._learned = self._trainer.backbone(self._branch, self._spec, self._config)
        last = self._last_layers(self._learned)
        held = [item for item in self.samples if partition is not None and partition.held(item)]
        tuning = attrs.evolve(tuning, trainable_layers=None, patience=tuning.patience if held else 0)
        logger.info(
            "%s: training %s, %d clips",
            name,
            f"without {partition.name}" if partition else "on everything",
            len(samples),
        )
        self._tuned = self._heads()
        data = TrainingData(
            recordings=[self._recording(item) for item in samples],
            spec=self.entry.clip,
            labels=self._trainer.pool.labels,
            stored=self._trainer.recipe.views,
            auxiliary=self._branch.exercise_weights.auxiliary,
        )
        watched = held if tuning.patience else []
        further = [
            self._trainer.recipe.views,
            digest_of(self._people),
            sorted([item.key, item.kind] for item in samples),
        ]
        run = run_name(self._trainer, name, samples, watched, partition, further=further)
        folder = self._trainer.cache / "runs" / run
        branch = join(last, self._tuned)
        tune(
            branch,
            list(last.children()),
            data,
            [self._recording(item) for item in held],
            tuning,
            folder,
            self._trainer.distributed,
        )
        views = self._trainer.recipe.views
        self.features = self.windows = {key: self._run(last, rows[:views]) for key, rows in self._stored.items()}
        return super().train(samples, partition)

    def _fit(self, task: str, data: fitting.HeadData) -> tuple[Any, nn.Module]:
        # Heads without `fit` have learned with the layers.
        return super()._fit(task, data) if data.spec.fit else (data.config, self._tuned[task])

    def _network(self) -> nn.Module:
        return self._learned

    def _check(self) -> None:
        tuning, branch, name = self._tuning, self._branch, self.entry.name
        views = self._trainer.recipe.views
        if self._spec.layers is None or self.entry.observation is not None or not tuning.trainable_layers:
            raise InvalidInputError(
                f"branch {name}: stored_windows: expected 0 without trainable_layers, or for a backbone without "
                f"layers or on observations, got {tuning.stored_windows}"
            )
        if tuning.trainable_layers >= len(self._spec.layers(self._backbone)):
            raise InvalidInputError(
                f"branch {name}: trainable_layers: expected fewer than the backbone's "
                f"{len(self._spec.layers(self._backbone))} with stored_windows, got {tuning.trainable_layers}"
            )
        if branch.use_auxiliary and not branch.exercise_weights.auxiliary:
            raise InvalidInputError(
                f"branch {name}: exercise_weights: expected a weight of auxiliary clips above 0 with use_auxiliary and "
                "stored_windows, got 0"
            )
        if tuning.stored_windows < views:
            raise InvalidInputError(
                f"branch {name}: stored_windows: expected at least the {views} views, got {tuning.stored_windows}"
            )
        if branch.teachers or branch.landmark_teacher or branch.tasks or self._trainer.recipe.mirror:
            raise InvalidInputError(
                f"branch {name}: stored_windows: expected 0 with teachers, tasks of plugins or mirror images, "
                f"got {tuning.stored_windows}"
            )

    def _is_labelled(self, item: Sample) -> bool:
        """True unless muscles are learned together with the layers, and the sample states none."""
        return not self._tuning.muscles_weight or "muscles" not in self._heads() or item.has_muscles

    def _heads(self) -> dict[str, nn.Module]:
        """Untrained heads that learn with the layers."""
        from torch import nn

        labels, modules = self._trainer.pool.labels, dict[str, nn.Module]()
        for entry in self.entry.heads:
            spec, config = self._trainer.head(entry)
            if not spec.fit:
                modules[str(entry.task)] = spec.build(config, self.entry.feature_dim, labels.of(entry.task))
            elif entry.task == "exercise":
                modules["exercise"] = nn.Linear(self.entry.feature_dim, len(labels.exercise))
        return modules

    def _last_layers(self, backbone: nn.Module) -> nn.Sequential:
        from torch import nn

        assert self._spec.layers is not None
        assert self._tuning.trainable_layers is not None
        return nn.Sequential(*list(self._spec.layers(backbone))[-self._tuning.trainable_layers :])

    def _store(self, samples: Sequence[Sample]) -> dict[str, Values]:
        """Inputs of the last layers, float16 (windows, ...) by key."""
        trainer, entry, tuning = self._trainer, self.entry, self._tuning
        last = self._last_layers(self._backbone)
        first, self._shape = _before(self._backbone, last, entry)
        wide = attrs.evolve(entry, heads=(), feature_dim=math.prod(self._shape), stream=None)
        views = trainer.recipe.views
        policy = ViewPolicy(views, False, tuning.stored_windows - views, tuning.augmentation)
        with temporary_bundle(join(first, {}), wide, trainer.pool.labels, trainer.recipe.fusion) as bundle:
            run = load_branch(bundle, wide, RuntimeConfig(bf16=False))
            weights = sha256(bundle.path(wide.weights))
            fingerprint = f"{entry.backbone} {tuning.trainable_layers} {PERSON_ROOM} {weights}{digest_of(self._people)}"
            extractor = Extractor(run, entry, policy, fingerprint, trainer.cache / "stored", located_by(self._people))
            stored, self.skipped = extractor.store(samples, f"Windows for {entry.name}", trainer.track)
        return stored

    def _recording(self, item: Sample) -> Recording:
        values = _Shaped(self._stored[item.key], self._shape)
        return Recording(item, np.arange(self._tuning.stored_windows, dtype=np.float64), values)

    def _run(self, last: nn.Module, values: Any) -> FloatArray:
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(values.astype(np.float32)).reshape(len(values), *self._shape)
            features: FloatArray = last.eval()(inputs).numpy()
        return features


class _Shaped:
    """Stored rows of values in the shape of the layers' input."""

    def __init__(self, values: Values, shape: tuple[int, ...]) -> None:
        self._values = values
        self._shape = shape

    def __getitem__(self, index: Any, /) -> Any:
        return self._values[index].reshape(self._shape)


def _before(backbone: nn.Module, last: nn.Sequential, entry: BranchEntry) -> tuple[nn.Module, tuple[int, ...]]:
    """The network up to its last layers, with one row of values for each clip, and the shape of these values.

    :raises InvalidInputError: the last layers do not each take what the one before returns.
    """
    import torch
    from torch import nn

    first, spec = copy.deepcopy(backbone), entry.clip
    names = {id(module): name for name, module in backbone.named_modules()}
    for layer in last:
        first.set_submodule(names[id(layer)], nn.Identity())
    shape = (1, spec.frames, spec.size, spec.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, values = backbone(clips), first(clips)
        try:
            found = last.eval()(values)
        except RuntimeError:
            found = values
    if found.shape != expected.shape or not float((found - expected).abs().max()) <= _TOLERANCE:
        raise InvalidInputError(
            f"branch {entry.name}: stored_windows: expected 0, since the last layers of {entry.backbone} do not each "
            "take what the one before returns"
        )
    return nn.Sequential(first, nn.Flatten(1)).eval(), tuple(values.shape[1:])
