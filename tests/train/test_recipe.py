"""Recipes: what they refuse, and that they survive being written down."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.finetuning import Tuning
from fitsense.train.recipe import BranchRecipe, Recipe, branch_name, read_recipe, recipe_to_json

TEACHER, PUPIL = BranchRecipe(name="teacher"), BranchRecipe(name="pupil", teachers=("teacher",))

tunings = st.builds(
    Tuning,
    epochs=st.integers(1, 99),
    trainable_layers=st.none() | st.integers(0, 9),
    label_distillation=st.floats(0, 1),
    batch_norm=st.booleans(),
    muscles_loss=st.sampled_from(["binary_cross_entropy", "asymmetric"]),
    augmentation=st.builds(Augmentation, zoom=st.floats(0.1, 1), mirror=st.booleans()),
)
branches = st.builds(
    BranchRecipe,
    name=st.sampled_from(["a", "b-2", "3_c"]),
    weights=st.sampled_from(["", "kinetics400"]),
    config=st.dictionaries(st.text(), st.integers() | st.booleans() | st.text()),
    finetuning=st.none() | tunings,
    use_auxiliary=st.booleans(),
    l2_muscles=st.floats(0, 1),
)
recipes = st.builds(
    Recipe,
    st.lists(branches, min_size=1, max_size=3, unique_by=branch_name).map(tuple),
    views=st.integers(1, 9),
    validation=st.sampled_from(["folds", "val"]),
)


@given(recipes)
def test_recipe_written_and_read_is_equal(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    file = tmp_path_factory.mktemp("recipe") / "recipe.json"
    file.write_text(json.dumps(recipe_to_json(recipe)))
    assert read_recipe(file) == recipe
    # As a bundle states it.
    file.write_text(json.dumps({"name": "gym", "training": {"recipe": recipe_to_json(recipe), "splits": ["train"]}}))
    assert read_recipe(file) == recipe


def test_recipe_to_json_names_files_without_folders() -> None:
    recipe = Recipe((BranchRecipe(weights="/home/me/x3d.pyth"),))
    assert recipe_to_json(recipe)["branches"][0]["weights"] == "x3d.pyth"


def test_read_recipe_omitted_fields_have_defaults(tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(
        '{"branches": [{"backbone": "x3d/m"}, {"backbone": "slowfast/small", "finetuning": {"epochs": 3}}]}'
    )
    recipe = read_recipe(file)
    assert recipe == Recipe(
        (BranchRecipe(backbone="x3d/m"), BranchRecipe(backbone="slowfast/small", finetuning=Tuning(epochs=3)))
    )
    assert [branch_name(branch) for branch in recipe.branches] == ["x3d_m", "slowfast_small"]


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ([], "expected at least one that is in the bundle, got none"),
        ([attrs.evolve(TEACHER, teacher_only=True)], "expected at least one that is in the bundle, got none"),
        ([TEACHER, TEACHER], "expected distinct names other than 'lookup' and 'doubt', got teacher, teacher"),
        ([BranchRecipe(name="lookup")], "expected distinct names other than 'lookup' and 'doubt', got lookup"),
        ([BranchRecipe(name="My Branch")], "branch 'My Branch': expected a name of lower-case letters"),
        ([PUPIL, TEACHER], r"branch pupil: .* among the branches before it \(none\), got 'teacher'"),
        ([PUPIL], "branch pupil: .* got 'teacher'"),
        (
            [TEACHER, BranchRecipe(name="seer", landmark_teacher="pose")],
            r"branch seer: .* before it \(teacher\), got 'pose'",
        ),
        (
            [attrs.evolve(TEACHER, exercise_head=""), PUPIL],
            "branch pupil: expected teachers with a head for exercises, got teacher",
        ),
    ],
)
def test_recipe_conflicting_branches_are_refused(branches: list[BranchRecipe], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Recipe(tuple(branches))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[", "recipe.json: Expecting value"),
        ("[]", "expected a JSON object, got list"),
        ('{"training": {}}', "expected a JSON object, got NoneType"),
        ('{"training": 3}', "training"),
        ('{"branch": []}', "branch"),
        ('{"validation": "months"}', "months"),
        ('{"branches": [{"finetuning": {"label_distillation": 2}}]}', r"branches\[0\].finetuning"),
        ('{"branches": [{"finetuning": {"epoch": 2}}]}', "epoch"),
    ],
)
def test_read_recipe_invalid_document_is_refused_with_the_reason(tmp_path: Path, document: str, message: str) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(document)
    with pytest.raises(InvalidInputError, match=message):
        read_recipe(file)
    with pytest.raises(InvalidInputError, match="No such file"):
        read_recipe(tmp_path / "other.json")
