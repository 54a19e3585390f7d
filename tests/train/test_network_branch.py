"""Training of a branch whose head is a network, beside another on the same landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitsense.bundles.manifest import Labels
from fitsense.train.recipe import BranchRecipe, Recipe
from fitsense.train.run import fit_branches
from fitsense.train.training_set import Pool, partitions
from tests.helpers.spot_bodies import BrightSpot
from tests.train.test_person_branch import GROUPS, plugins_with, samples


def test_fit_branches_network_head_shares_the_landmarks_and_can_be_taught(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    small = {"hidden": 4, "steps": 5, "batch_size": 4}
    heads: tuple[tuple[str, dict[str, Any]], ...] = (
        ("heads/discriminant", {}),
        ("heads/network", small),
        ("heads/network", {**small, "frames": 4}),
    )
    branches = tuple(
        BranchRecipe(
            name=f"bodies{at}",
            backbone="mutants/landmarks",
            exercise_head=head,
            muscles_head="",
            head_config=config,
            random_windows=2,
        )
        for at, (head, config) in enumerate(heads)
    )
    recipe = Recipe(branches, views=2, mirror=False, min_scenes=1)
    pool = Pool(samples(), (), (), (), (), Labels(GROUPS, ("quads", "chest")), {}, ())
    spot = BrightSpot()
    first, *networks = fit_branches(recipe, pool, plugins_with(spot), tmp_path)
    found = spot.estimates
    fit_branches(Recipe(branches[:1], views=2, mirror=False, min_scenes=1), pool, plugins_with(spot), tmp_path / "one")
    assert spot.estimates == 2 * found, "three branches find nobody more often than one"
    for branch in networks:
        assert [head.task for head in branch.entry.heads] == ["exercise"]
        assert branch.entry.heads[0].config["hidden"] == 4
        assert branch.statistics["diagonal"].shape == (4 * (3 if branch.entry.heads[0].config["frames"] else 1),)
        assert branch.out_of_fold.keys() == {item.key for item in samples()}
        for key, outputs in branch.final.outputs.items():
            assert outputs["exercise"].shape == (2, len(GROUPS))
            assert np.isfinite(outputs["exercise"]).all()
            np.testing.assert_array_equal(outputs["features"], first.final.outputs[key]["features"])
    assert len(partitions(recipe, pool)) == 2
