"""Heads on features of a frozen backbone; each is fitted in seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from fitsense._internal.atomic import atomic_path
from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import Labels
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import PluginError
from fitsense.experiments.base import Setting
from fitsense.experiments.predictions import Predictions
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, HeadSpec
from fitsense.plugins.tasks import RESERVED
from fitsense.train import heads
from fitsense.train.branch_trainer import BranchTrainer
from fitsense.train.recipe import BranchRecipe, Recipe
from fitsense.train.training_set import Pool
from fitsense.types import FloatArray, Scores, Task, to_logits, to_probabilities

_LOOKUP = "heads/lookup_muscles"


@attrs.frozen(eq=False)
class FrozenRuns:
    """Clips with their features by a frozen backbone.

    :param samples: clips that could be read.
    :param features: mean over a clip's windows, (1, feature_dim), by the sample's key.
    :param skipped: the other clips.
    """

    setting: Setting
    branch: BranchRecipe
    samples: Sequence[Sample]
    features: Mapping[str, FloatArray]
    skipped: Sequence[Skipped]

    @classmethod
    def of(cls, setting: Setting, pool: Pool) -> FrozenRuns:
        """Compute the features of a pool's clips."""
        branch = BranchRecipe(backbone=setting.scale.frozen, weights=setting.weights, exercise_head="", muscles_head="")
        recipe = Recipe((branch,), views=setting.scale.views, synthetic_clips=0)
        trainer = BranchTrainer(recipe, pool, (), setting.plugins, setting.cache, setting.track)
        fitted = trainer.fit(branch, ())
        features = {
            key: outputs["features"].mean(axis=0, keepdims=True) for key, outputs in fitted.final.outputs.items()
        }
        samples = [item for item in pool.labelled if item.key in features]
        return cls(setting, branch, samples, features, [*pool.skipped, *fitted.skipped])

    def head(
        self, task: Task, training: Sequence[Sample], held_out: Sequence[Sample], labels: tuple[str, ...]
    ) -> FloatArray:
        """Probabilities (clips, labels) of `held_out`, by a linear head that is fitted on `training`; cached."""
        default = BranchRecipe()
        name, l2 = (
            (default.exercise_head, default.l2_exercise)
            if task == "exercise"
            else (default.muscles_head, default.l2_muscles)
        )
        spec = self.setting.plugins.head(name)
        if not isinstance(spec, HeadSpec):
            raise PluginError(f"head {name}: expected one that predicts {task} from features, got a derived head")
        file = self.setting.cache / "heads" / f"{self._digest(name, l2, training, held_out, labels)}.npy"
        if file.is_file():
            return np.asarray(np.load(file), dtype=np.float32)
        predicted = self._fitted(spec, name, l2, training, held_out, labels)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            np.save(temporary, predicted)
        return predicted

    def cross_validated(self, folds: Sequence[int], labels: Labels, description: str) -> Predictions:
        """Predictions of each fold, by heads that are fitted on the other folds.

        :param folds: the fold of each sample.
        """
        fold = np.array(folds)
        exercise = np.zeros((len(fold), len(labels.exercise)), np.float32)
        muscles = np.zeros((len(fold), len(labels.muscles)), np.float32)
        for held in self.setting.track(sorted(set(folds)), description):
            training = [item for item, other in zip(self.samples, folds, strict=True) if other != held]
            held_out = [item for item, other in zip(self.samples, folds, strict=True) if other == held]
            exercise[fold == held] = self.head("exercise", training, held_out, labels.exercise)
            muscles[fold == held] = self.head("muscles", training, held_out, labels.muscles)
        return Predictions.of(self.samples, labels, exercise, muscles)

    def describe(self) -> str:
        """Describe the method, in words."""
        return (
            f"linear heads on features of a frozen {self.branch.backbone}, the mean over {self.setting.scale.views} "
            "windows of each clip"
        )

    def _fitted(
        self,
        spec: HeadSpec,
        name: str,
        l2: float,
        training: Sequence[Sample],
        held_out: Sequence[Sample],
        labels: tuple[str, ...],
    ) -> FloatArray:
        import torch

        config = config_from_json(spec.config, {}, name)
        data = heads.HeadData(spec, config, RESERVED[spec.task], training, self.features, labels, Recipe().class_power)
        module = heads.fit(data, l2)
        with torch.inference_mode():
            logits = module(torch.from_numpy(np.concatenate([self.features[item.key] for item in held_out]))).numpy()
        return to_probabilities(logits, RESERVED[spec.task].activation)

    def _digest(
        self, name: str, l2: float, training: Sequence[Sample], held_out: Sequence[Sample], labels: tuple[str, ...]
    ) -> str:
        """Digest of all inputs of a head's predictions."""
        facts = [(item.group, item.scene, item.stated_muscles) for item in training]
        digest = hashlib.sha256(json.dumps([name, l2, labels, facts]).encode())
        for item in (*training, *held_out):
            digest.update(self.features[item.key].tobytes())
        return digest.hexdigest()


def look_up(
    plugins: PluginManager, exercise: FloatArray, exercises: tuple[str, ...], groups: tuple[str, ...]
) -> FloatArray:
    """Activations (clips, groups) by the catalogue: the probability of an exercise that works the group.

    :param exercise: probabilities (clips, exercises).
    """
    head = plugins.head(_LOOKUP)
    if not isinstance(head, DerivedHeadSpec):
        raise PluginError(f"head {_LOOKUP}: expected one that derives muscles")
    scores = Scores("exercise", exercises, to_logits(exercise, "softmax"), "softmax")
    return head.derive(head.config(), scores, groups).probabilities
