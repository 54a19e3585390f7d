"""Training of one branch: what is held out, kept, computed again and refused."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import fitsense
from fitsense.nn.branch import build_backbone
from fitsense.synthetic.figures import random_video
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.run import fit_branches, train
from fitsense.train.training_set import Pool, partitions, read_pool
from tests.helpers.training_runs import COLOURS, refuse, scores, write_manifest

pytestmark = pytest.mark.usefixtures("installed", "one_thread")


def test_train_validation_split_is_held_out_instead_of_folds(quick: tuple[Recipe, Sources], tmp_path: Path) -> None:
    bundle, report = train(*quick, tmp_path / "bundle", name="quick", cache=tmp_path / "cache")
    assert report["held_out"]["clips"] == 4
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 2, "without the split, and with it"
    card = bundle.path("README.md").read_text("utf-8")
    assert "the split val, by branches that were trained without it" in card
    # No recipe asked for rendered figures.
    assert report["trained"]["synthetic_clips"] == 0
    assert "fitsense renders" not in card
    # Nobody stated a licence.
    assert bundle.manifest.licence == ""
    assert "Licence of the bundle: none stated." in card
    assert list(bundle.manifest.fusion["exercise"].config["weights"]) == []


@pytest.mark.slow
def test_train_without_retrain_on_all_keeps_the_branch_of_the_split(
    quick: tuple[Recipe, Sources], tmp_path: Path
) -> None:
    branch = attrs.evolve(COLOURS, retrain_on_all=False)
    recipe = attrs.evolve(quick[0], branches=(branch,))
    bundle, _ = train(recipe, quick[1], tmp_path / "bundle", name="quick", cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 1
    assert "trained without it; colours stayed so;" in bundle.path("README.md").read_text("utf-8")
    with pytest.raises(fitsense.InvalidInputError, match="retrain_on_all: expected true"):
        attrs.evolve(recipe, validation="folds")


def test_train_branch_without_network_fits_its_heads(
    quick: tuple[Recipe, Sources], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.train.frozen_branch.load_branch", refuse)
    recipe = attrs.evolve(quick[0], branches=(BranchRecipe(name="means", backbone="tiny/means"),))
    bundle, report = train(recipe, quick[1], tmp_path / "bundle", name="quick", cache=tmp_path / "cache")
    assert bundle.manifest.branches[0].observation == fitsense.bundles.manifest.ObservationEntry((12,), {})
    assert report["held_out"]["clips"] == 4
    card = bundle.path("README.md").read_text("utf-8")
    assert "backbone `tiny/means` computed without a network; only its heads were trained.\n" in card
    video = random_video("squat", 6, duration_s=2.0)
    for task, probabilities in scores(tmp_path / "bundle", video, bf16=False).items():
        np.testing.assert_allclose(probabilities, scores(tmp_path / "bundle", video, runtime="torch")[task], atol=1e-3)
    kept = sorted(file.name for file in (tmp_path / "cache" / "features").iterdir())
    pool, plugins = read_pool(recipe, quick[1]), fitsense.PluginManager.discover()
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError, match="torch"):
            fit_branches(recipe, pool, plugins, tmp_path / "without")
    assert sorted(file.name for file in (tmp_path / "without" / "features").iterdir()) == kept, "heads alone need torch"
    monkeypatch.setattr("fitsense.train.features.clip_views", refuse)
    train(recipe, quick[1], tmp_path / "again", name="quick", cache=tmp_path / "cache")
    wider = attrs.evolve(recipe.branches[0], config={"width": 9})
    with pytest.raises(AssertionError, match="computed again"):
        train(attrs.evolve(recipe, branches=(wider,)), quick[1], tmp_path / "wider", name="q", cache=tmp_path / "cache")
    assert sorted(file.name for file in (tmp_path / "cache" / "features").iterdir()) == kept


def test_train_changed_input_starts_another_run(
    quick: tuple[Recipe, Sources], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are not in the clips' files, and weights of one name may be several."""
    recipe, sources = quick
    plugins = fitsense.PluginManager.discover()
    spec = plugins.backbone("tiny/pictures")
    folders: list[str] = []
    monkeypatch.setattr("fitsense.train.finetuned_branch.tune", lambda *given: folders.append(given[5].name))
    pool = read_pool(recipe, sources)

    def runs(number: int, pool: Pool = pool) -> list[str]:
        """Folders of the runs of a branch that starts from the weights of a number."""
        folders.clear()
        weights = tmp_path / f"{number}" / "start.safetensors"
        if not weights.exists():
            weights.parent.mkdir()
            torch.manual_seed(number)
            save_file(build_backbone(spec, spec.config()).state_dict(), weights)
        branch = attrs.evolve(COLOURS, name="it", backbone="tiny/pictures", weights=str(weights))
        whole = attrs.evolve(recipe, branches=(branch,))
        fit_branches(whole, pool, plugins, tmp_path / "cache")
        return list(folders)

    first = runs(1)
    assert runs(1) == first
    assert not set(runs(2)) & set(first)
    relabelled = [attrs.evolve(item, group="push_up") if item.scene == "squat0" else item for item in pool.labelled]
    assert not set(runs(1, attrs.evolve(pool, labelled=relabelled))) & set(first)
    assert runs(1) == first


def test_train_scene_is_held_out_completely(quick: tuple[Recipe, Sources], data: Path, tmp_path: Path) -> None:
    with (data / "manifest.csv").open() as file:
        rows = [
            {
                **row,
                "path": str(data / row["path"]),
                "scene": row["scene"] if row["group"] != "squat" else "gym",
                "fold": 0,
            }
            for row in csv.DictReader(file)
            if row["split"] in ("train", "val")
        ]
    recipe, sources = quick
    pool = read_pool(attrs.evolve(recipe, min_scenes=1), attrs.evolve(sources, data=write_manifest(tmp_path, rows)))
    with pytest.raises(fitsense.InvalidInputError, match="scene 'gym' is in val and in train"):
        partitions(recipe, pool)
    with pytest.raises(fitsense.InvalidInputError, match="expected clips of at least two folds"):
        partitions(attrs.evolve(recipe, validation="folds"), pool)
    without = attrs.evolve(pool, labelled=[item for item in pool.labelled if item.split != "val"])
    with pytest.raises(fitsense.InvalidInputError, match="expected clips of the split val among those to train on"):
        partitions(recipe, without)


def test_train_interrupted_leaves_the_output_folder_unchanged(
    quick: tuple[Recipe, Sources], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("fitsense.train.run.model_card", interrupted)
    out = tmp_path / "out" / "bundle"
    with pytest.raises(KeyboardInterrupt):
        train(*quick, out, name="quick", cache=tmp_path / "cache")
    assert list(out.parent.iterdir()) == []


def test_train_landmark_weight_without_landmarks_is_refused(quick: tuple[Recipe, Sources], tmp_path: Path) -> None:
    recipe, sources = quick
    assert COLOURS.finetuning is not None
    branch = attrs.evolve(COLOURS, finetuning=attrs.evolve(COLOURS.finetuning, landmark_weight=0.5))
    with pytest.raises(
        fitsense.InvalidInputError, match=r"landmark_weight: expected 0, since .* no landmarks, got 0.5"
    ):
        train(attrs.evolve(recipe, branches=(branch,)), sources, tmp_path / "out", name="it", cache=tmp_path / "cache")


def test_train_person_fit_without_landmarks_is_refused(quick: tuple[Recipe, Sources], tmp_path: Path) -> None:
    branch = BranchRecipe(name="x3d", backbone="x3d/xs", config={"depth_factor": 0.4, "fit": "person"})
    with pytest.raises(fitsense.InvalidInputError, match="branch x3d: fit: expected a branch on landmarks before"):
        train(attrs.evolve(quick[0], branches=(branch,)), quick[1], tmp_path / "b", name="q", cache=tmp_path / "cache")
    tuned = attrs.evolve(branch, finetuning=COLOURS.finetuning)
    with pytest.raises(fitsense.InvalidInputError, match="branch x3d: fit: expected a frozen backbone"):
        train(attrs.evolve(quick[0], branches=(tuned,)), quick[1], tmp_path / "b", name="q", cache=tmp_path / "cache")


def test_train_fusion_without_parameters_is_supported(quick: tuple[Recipe, Sources], tmp_path: Path) -> None:
    @attrs.frozen
    class Config:
        pass

    class Boldest:
        @fitsense.hookimpl
        def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
            return fitsense.plugins.PluginInfo(name="boldest", version="1.0")

        @fitsense.hookimpl
        def fitsense_fusions(self) -> Iterator[fitsense.plugins.FusionSpec]:
            def fuse(config: Any, branches: Mapping[str, fitsense.Scores]) -> fitsense.Scores:
                first = next(iter(branches.values()))
                return attrs.evolve(first, logits=np.max([each.logits for each in branches.values()], axis=0))

            yield fitsense.plugins.FusionSpec(name="max", fuse=fuse, config=Config)

    plugins = fitsense.PluginManager.discover()
    plugins.register(Boldest())
    recipe = attrs.evolve(quick[0], fusion="boldest/max")
    bundle, _ = train(recipe, quick[1], tmp_path / "bundle", name="quick", cache=tmp_path / "cache", plugins=plugins)
    assert bundle.manifest.fusion["muscles"] == fitsense.bundles.manifest.FusionEntry("boldest/max", {})
