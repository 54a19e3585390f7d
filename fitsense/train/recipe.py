"""Recipes of bundles. A bundle contains its recipe, from which it can be trained again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.tasks import RESERVED
from fitsense.train.finetuning import Tuning

LOOKUP = "lookup"
"""Name of the fusion member that derives muscles from exercises."""

DOUBT = "doubt"
"""Name of the fusion member that states the probability of ``unknown``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@attrs.frozen
class MaterialWeights:
    """Weights of training material beside the recorded clips, in heads that are fitted in closed form.

    :param auxiliary: weight of all auxiliary clips together, where all recorded clips have 1.
    :param photos: likewise of all photo pairs, for branches on landmarks.
    """

    auxiliary: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    photos: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))


@attrs.frozen
class TaskRecipe:
    """Head for a task that a plugin declares.

    :param head: full name of a head on features for the task.
    :param config: the head's configuration.
    :param l2: penalty on the head's squared weights, for a frozen backbone and a head that is fitted by gradient
        descent.
    :param weight: weight of the head's loss, for finetuning.
    """

    head: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    l2: float = 0.01
    weight: float = 0.5


@attrs.frozen
class BranchRecipe:
    """Recipe of one branch.

    :param name: the branch's name in the bundle; empty for its backbone's name.
    :param backbone: full name of a backbone.
    :param config: values that differ from the backbone's default configuration.
    :param weights: initial weights: one of the backbone's published weights, or a file; empty for random ones.
    :param weights_origin: origin and licence of a file of weights, for the model card.
    :param finetuning: hyperparameters of finetuning; None to freeze the backbone and fit the heads alone.
    :param teachers: branches before this one in the recipe whose features and probabilities it learns from.
    :param landmark_teacher: a branch before this one that observes landmarks, which this one learns to predict; empty
        for none.
    :param teacher_only: whether the bundle leaves this branch out.
    :param retrain_on_all: whether to train once more, on everything, for the bundle. Otherwise the bundle has the
        branch that was trained without the split ``val``, which takes half the time.
    :param use_auxiliary: whether to learn from auxiliary clips too, such as drawn people, which metrics leave out.
    :param auxiliary_sources: learn from auxiliary clips of these publishers alone, as the column ``source`` names them;
        empty for all.
    :param exercise_head: full name of the head for exercises; empty for none.
    :param muscles_head: full name of the head for muscle groups; empty for none.
    :param head_config: fields of the heads' configurations, each for the heads that have it.
    :param l2_exercise: penalty on the exercise head's squared weights, for a frozen backbone and a head that is fitted
        by gradient descent.
    :param l2_muscles: likewise of the muscles head.
    :param random_windows: for a frozen backbone on observations, number of random, augmented windows of each sample
        that heads are fitted on.
    :param window_speed: random windows are faster or slower by up to this share.
    :param exercise_weights: weights of further material in an exercise head that is fitted in closed form; and of
        auxiliary clips where the last layers learn on stored windows.
    :param muscles_weights: likewise in a muscles head.
    :param background_clusters: for a head with ``unknown``, number of clusters of photo pairs that show no trained
        exercise; each is a variant of ``unknown``.
    :param tasks: heads for tasks that plugins declare, by task; the manifest's column of that name has the targets.
    """

    name: str = ""
    backbone: str = "x3d/s"
    config: Mapping[str, Any] = attrs.field(factory=dict)
    weights: str = ""
    weights_origin: str = ""
    finetuning: Tuning | None = None
    teachers: tuple[str, ...] = ()
    landmark_teacher: str = ""
    teacher_only: bool = False
    retrain_on_all: bool = True
    use_auxiliary: bool = False
    auxiliary_sources: tuple[str, ...] = ()
    exercise_head: str = "heads/linear_exercise"
    muscles_head: str = "heads/linear_muscles"
    head_config: Mapping[str, Any] = attrs.field(factory=dict)
    l2_exercise: float = 0.01
    l2_muscles: float = 0.002
    random_windows: int = attrs.field(default=12, validator=attrs.validators.ge(1))
    window_speed: float = attrs.field(default=0.25, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    exercise_weights: MaterialWeights = attrs.field(factory=MaterialWeights)
    muscles_weights: MaterialWeights = attrs.field(factory=MaterialWeights)
    background_clusters: int = attrs.field(default=80, validator=attrs.validators.ge(1))
    tasks: Mapping[str, TaskRecipe] = attrs.field(factory=dict)


@attrs.frozen
class Recipe:
    """Recipe of a bundle.

    :param branches: its branches, at least one.
    :param views: windows of each clip for fitting heads and for metrics.
    :param mirror: whether to fit heads on mirror images of the windows too.
    :param synthetic_clips: number of rendered clips of each kind to add.
    :param min_scenes: smallest number of scenes of a trained exercise.
    :param class_power: for heads on a frozen backbone, 0 makes classes count alike, 1 by their number of scenes.
    :param validation: the held-out clips that fusion, temperature and thresholds are fitted on: ``folds`` holds out
        each fold in turn, ``val`` the split of that name.
    :param fusion: full name of the fusion, for each task.
    :param muscles_fusion: full name of the fusion for muscles; empty for that of exercises.
    :param lookup_head: full name of a derived head that is fused with the muscles heads; empty for none.
    :param doubt_head: full name of a derived head that gives the muscles fusion the probability of ``unknown``; empty
        for none.
    :param derived_heads: full names of heads that derive tasks of plugins from the exercise; each is a further member,
        by its short name, of the fusion of its task.
    :param unknown: whether exercises have the label ``unknown``, trained on the split of exercises that are not
        trained by name. Each fold then holds some of these exercises out.
    :param error_cost: cost of a wrong name, where a correct one gains 1; it sets the naming threshold.
    :param max_unknown_named: largest share of held-out clips of unknown exercises that may be named; the naming
        threshold is at least as high. None for no limit.
    """

    branches: tuple[BranchRecipe, ...] = (BranchRecipe(weights="kinetics400"),)
    views: int = 4
    mirror: bool = True
    synthetic_clips: int = 0
    min_scenes: int = 5
    class_power: float = 0.0
    validation: Literal["folds", "val"] = "folds"
    fusion: str = "ensemble/weighted"
    muscles_fusion: str = ""
    lookup_head: str = "heads/lookup_muscles"
    doubt_head: str = ""
    derived_heads: tuple[str, ...] = ()
    unknown: bool = False
    error_cost: float = 1.0
    max_unknown_named: float | None = attrs.field(
        default=None, validator=attrs.validators.optional([attrs.validators.ge(0), attrs.validators.le(1)])
    )

    def __attrs_post_init__(self) -> None:
        reserved = {task for branch in self.branches for task in branch.tasks if task in RESERVED}
        if reserved:
            raise InvalidInputError(
                f"tasks: expected those that plugins declare, got {', '.join(sorted(reserved))}; use exercise_head and "
                "muscles_head"
            )
        if all(branch.teacher_only for branch in self.branches):
            raise InvalidInputError("branches: expected at least one that is in the bundle, got none")
        names = [branch_name(branch) for branch in self.branches]
        if len({*names, LOOKUP, DOUBT}) < len(names) + 2:
            raise InvalidInputError(
                f"branches: expected distinct names other than {LOOKUP!r} and {DOUBT!r}, got {', '.join(names)}"
            )
        for name in names:
            if not _NAME.fullmatch(name):
                raise InvalidInputError(f"branch {name!r}: expected a name of lower-case letters, digits, - and _")
        if self.validation != "val" and not all(branch.retrain_on_all for branch in self.branches):
            raise InvalidInputError("retrain_on_all: expected true with validation by folds, got false")
        if self.validation != "folds" and self.unknown:
            raise InvalidInputError(f"unknown: expected validation by folds, got {self.validation!r}")
        without_exercise = {name for name, branch in zip(names, self.branches, strict=True) if not branch.exercise_head}
        for position, branch in enumerate(self.branches):
            if others := sorted(without_exercise.intersection(branch.teachers)):
                raise InvalidInputError(
                    f"branch {names[position]}: expected teachers with a head for exercises, got {', '.join(others)}"
                )
            for teacher in (*branch.teachers, *([branch.landmark_teacher] if branch.landmark_teacher else [])):
                if teacher not in names[:position]:
                    raise InvalidInputError(
                        f"branch {names[position]}: expected teachers among the branches before it "
                        f"({', '.join(names[:position]) or 'none'}), got {teacher!r}"
                    )


@attrs.frozen
class Sources:
    """Data that a bundle is trained and measured on.

    :param data: a folder with a ``manifest.csv``.
    :param auxiliary: further folders, whose clips branches may learn from, but which are never held out or measured on.
    :param photos: a folder with a ``photo_pairs.csv``, for heads in closed form on landmarks; None for none.
    :param splits: the splits to train on.
    :param unknown_split: split of exercises that are not trained, for the naming threshold; None for none.
    :param test_split: split whose metrics go into the model card; None for none.
    """

    data: Path
    splits: Sequence[str] = ("train", "val")
    unknown_split: str | None = "extra"
    test_split: str | None = "test"
    auxiliary: Sequence[Path] = ()
    photos: Path | None = None


def plugin_tasks(recipe: Recipe, plugins: PluginManager) -> tuple[str, ...]:
    """Names of the tasks that plugins declare and the bundle scores, in the order of the recipe."""
    of_branches = [task for one in recipe.branches if not one.teacher_only for task in one.tasks]
    return tuple(dict.fromkeys([*of_branches, *(plugins.head(name).task for name in recipe.derived_heads)]))


def branch_name(branch: BranchRecipe) -> str:
    """Name of a branch in the bundle."""
    return branch.name or branch.backbone.replace("/", "_")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a JSON file: a recipe alone, or a bundle's ``model.json``.

    :raises InvalidInputError: the file contains no valid recipe; the message says why.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"recipe {path}: {error}") from error
    if isinstance(document, Mapping) and isinstance(document.get("training"), Mapping):
        document = document["training"].get("recipe")
    if not isinstance(document, Mapping):
        raise InvalidInputError(f"recipe {path}: expected a JSON object, got {type(document).__name__}")
    return config_from_json(Recipe, document, f"recipe {path}")


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Convert a recipe to a JSON object. Files of weights are named without their folders."""
    branches = [attrs.evolve(branch, weights=Path(branch.weights).name) for branch in recipe.branches]
    return config_to_json(attrs.evolve(recipe, branches=tuple(branches)))
