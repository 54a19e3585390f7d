"""What makes a bundle: saved in it, and read again to make it anew."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.errors import InvalidInputError
from fitsense.train.finetuning import Tuning

LOOKUP = "lookup"
"""What the bundle calls muscles that are derived from exercises."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@attrs.frozen
class BranchRecipe:
    """What makes one branch.

    :param name: what the bundle calls it; empty for its backbone's name.
    :param backbone: a backbone's name.
    :param config: what differs from the backbone's default configuration.
    :param weights: what it starts from: one of the backbone's published weights, or a file; empty for random ones.
    :param weights_origin: where a file of weights comes from, and its licence; for the model card.
    :param finetuning: how it is trained as a whole; None to leave the backbone as it is, and fit the heads alone.
    :param teachers: branches before this one in the recipe, from which it learns beside the labels.
    :param landmark_teacher: a branch before this one that observes landmarks, which this one learns to imagine; empty
        for none.
    :param teacher_only: whether it is left out of the bundle.
    :param retrain_on_all: whether it is trained once more, on everything, for the bundle. Otherwise the bundle has what
        was trained without the split ``val``, which takes half the time.
    :param use_auxiliary: whether it learns from aids too, footage that is never measured on, such as drawn people.
    :param exercise_head: a head for exercises; empty for none.
    :param muscles_head: a head for muscle groups; empty for none.
    :param head_config: the heads' configuration.
    :param l2_exercise: penalty on the exercise head's squared weights, where heads are fitted alone.
    :param l2_muscles: likewise of the muscles head.
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
    exercise_head: str = "heads/linear_exercise"
    muscles_head: str = "heads/linear_muscles"
    head_config: Mapping[str, Any] = attrs.field(factory=dict)
    l2_exercise: float = 0.01
    l2_muscles: float = 0.002


@attrs.frozen
class Recipe:
    """What makes a bundle.

    :param branches: its branches, at least one.
    :param views: windows of each clip that heads are fitted on, and that figures are of.
    :param mirror: whether heads are fitted on the windows' mirror images too.
    :param synthetic_clips: rendered figures of each kind to mix in; none by default.
    :param min_scenes: an exercise that fewer scenes show is not trained.
    :param class_power: for heads that are fitted alone, 0 makes classes count alike, 1 by their number of scenes.
    :param validation: what fusion, temperature and thresholds are fitted on: each fold in turn, by branches that were
        trained without it; or the split ``val``, once.
    :param fusion: what joins the branches, for each task.
    :param lookup_head: a derived head that joins the muscles' heads; empty for none.
    :param error_cost: what a wrong name costs, where a right one gains 1; it sets the naming threshold.
    """

    branches: tuple[BranchRecipe, ...] = (BranchRecipe(weights="kinetics400"),)
    views: int = 4
    mirror: bool = True
    synthetic_clips: int = 0
    min_scenes: int = 5
    class_power: float = 0.0
    validation: Literal["folds", "val"] = "folds"
    fusion: str = "ensemble/weighted"
    lookup_head: str = "heads/lookup_muscles"
    error_cost: float = 1.0

    def __attrs_post_init__(self) -> None:
        if all(branch.teacher_only for branch in self.branches):
            raise InvalidInputError("branches: expected at least one that is in the bundle, got none")
        names = [branch_name(branch) for branch in self.branches]
        if len({*names, LOOKUP}) <= len(names):
            raise InvalidInputError(
                f"branches: expected names of their own, and none {LOOKUP!r}, got {', '.join(names)}"
            )
        for name in names:
            if not _NAME.fullmatch(name):
                raise InvalidInputError(f"branch {name!r}: expected a name of lower-case letters, digits, - and _")
        if self.validation != "val" and not all(branch.retrain_on_all for branch in self.branches):
            raise InvalidInputError("refit: expected true, since no one network is trained without what is held out")
        silent = {name for name, branch in zip(names, self.branches, strict=True) if not branch.exercise_head}
        for position, branch in enumerate(self.branches):
            if wordless := sorted(silent.intersection(branch.teachers)):
                raise InvalidInputError(
                    f"branch {names[position]}: expected teachers with a head for exercises, got {', '.join(wordless)}"
                )
            for teacher in (*branch.teachers, *([branch.landmark_teacher] if branch.landmark_teacher else [])):
                if teacher not in names[:position]:
                    raise InvalidInputError(
                        f"branch {names[position]}: expected teachers and guides among those before it "
                        f"({', '.join(names[:position]) or 'none'}), got {teacher!r}"
                    )


@attrs.frozen
class Sources:
    """What a bundle is trained on and measured with.

    :param data: a folder with a ``manifest.csv``.
    :param auxiliary: more such folders, of clips that branches may learn from, but that are never held out or measured
        on.
    :param splits: the splits to train on.
    :param unknown_split: clips of exercises that are not trained, for the threshold of unknown; None for none.
    :param test_split: the split whose figures go into the model card; None for none.
    """

    data: Path
    splits: Sequence[str] = ("train", "val")
    unknown_split: str | None = "extra"
    test_split: str | None = "test"
    auxiliary: Sequence[Path] = ()


def branch_name(branch: BranchRecipe) -> str:
    """What the bundle calls a branch."""
    return branch.name or branch.backbone.replace("/", "_")


def read_recipe(path: Path) -> Recipe:
    """The recipe in a JSON file: one alone, or a bundle's ``model.json``.

    :raises InvalidInputError: it is no recipe; the message says why.
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
    """The recipe as a JSON object, without paths, which say nothing on another machine."""
    branches = [attrs.evolve(branch, weights=Path(branch.weights).name) for branch in recipe.branches]
    return config_to_json(attrs.evolve(recipe, branches=tuple(branches)))
