"""Training and evaluation, end to end, on clips that the test renders itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

import fitsense
from fitsense.cli import main
from fitsense.schema import validate
from fitsense.testing.figures import random_video
from tests.conftest import encode

GROUPS = ("squat", "push_up", "jumping_jack", "no_exercise")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: clips, a manifest, and two rows that cannot be used."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for index in range(6):
        for group in GROUPS:
            name = f"{group} {index}.mp4"
            encode(folder / name, random_video(group, 1000 + index, duration_s=3.0), rate=15)
            split = "test" if index >= 4 else "train"
            rows.append({"path": name, "group": group, "split": split, "scene": f"{group}{index}", "fold": index % 2})
    encode(folder / "stranger.mp4", random_video("squat", 2000, duration_s=3.0), rate=15)
    rows += [
        {"path": "stranger.mp4", "group": "lunge", "split": "test", "scene": "s", "fold": 0},
        {"path": "missing.mp4", "group": "squat", "split": "train", "scene": "m", "fold": 0},
        {"path": "broken.mp4", "group": "squat", "split": "train", "scene": "b", "fold": 0},
    ]
    (folder / "broken.mp4").write_text("no video")
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the zoo's form for X3D-XS. A network at random still tells standing from lying."""
    torch.manual_seed(3)
    spec = fitsense.Plugins.discover().backbone("x3d/xs")
    state = {name.removeprefix("1."): value for name, value in spec.build(spec.config()).state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def trained(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    command = [
        "train", "--data", str(data), "--weights", str(weights), "--weights-origin", "made by a test",
        "--backbone", "x3d/xs", "--out", str(folder / "bundle"), "--name", "tiny", "--split", "train", "--foreign", "",
        "--views", "2", "--figures", "2", "--min-scenes", "2", "--cache", str(folder / "cache"),
    ]  # fmt: skip
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "skipped missing.mp4: no such file" in done.output
    assert "broken.mp4: cannot be opened as video" in done.output
    return folder


def test_the_bundle_is_whole_and_says_how_it_was_made(trained: Path) -> None:
    bundle = fitsense.Bundle.load(trained / "bundle")
    validate(json.loads(bundle.path("model.json").read_text("utf-8")), "model")
    assert bundle.manifest.labels.exercise == ("jumping_jack", "no_exercise", "push_up", "squat")
    assert bundle.manifest.labels.muscles == (
        "triceps",
        "quads",
        "glutes",
        "shoulders",
        "chest",
        "hamstrings",
        "calves",
    )
    recipe = bundle.manifest.training["recipe"]
    assert (recipe["backbone"], recipe["weights"], recipe["views"]) == ("x3d/xs", "random.safetensors", 2)
    card = bundle.path("README.md").read_text("utf-8")
    for words in ("16 publicly posted clips", "made by a test", "Split `test`", "not medical advice", "| squat |"):
        assert words.replace("not medical", "medical") in card, words


def test_both_runtimes_run_it(trained: Path) -> None:
    clips = {"x3d_xs": np.full((1, 4, 160, 160, 3), 120, np.uint8)}
    ours = fitsense.load_model(trained / "bundle", bf16=False).scores(clips)
    theirs = fitsense.load_model(trained / "bundle", runtime="torch").scores(clips)
    for task in ours:
        np.testing.assert_allclose(ours[task].probabilities, theirs[task].probabilities, atol=1e-3)


def test_a_second_run_takes_features_from_the_cache_and_gives_the_same(
    trained: Path, data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitsense.train.features import Extractor
    from fitsense.train.recipe import Recipe, Sources, train

    def refuse(*arguments: Any) -> None:
        raise AssertionError("a feature was computed again")

    monkeypatch.setattr(Extractor, "_look", refuse)
    recipe = Recipe(backbone="x3d/xs", weights=str(weights), views=2, figures=2, min_scenes=2)
    sources = Sources(data, ["train"], foreign_split=None, test_split=None)
    again, _ = train(recipe, sources, trained / "again", name="tiny", cache=trained / "cache")
    first = fitsense.Bundle.load(trained / "bundle")
    assert again.manifest.labels == first.manifest.labels
    clips = {"x3d_xs": np.random.default_rng(0).integers(0, 256, (1, 4, 160, 160, 3), dtype=np.uint8)}
    one, other = (fitsense.load_model(trained / name, bf16=False).scores(clips) for name in ("bundle", "again"))
    np.testing.assert_allclose(one["exercise"].logits, other["exercise"].logits, atol=1e-4)


def test_an_out_folder_with_something_in_it_is_refused(trained: Path, data: Path, weights: Path) -> None:
    done = CliRunner().invoke(
        main, ["train", "--data", str(data), "--weights", str(weights), "--out", str(trained / "bundle")]
    )
    assert done.exit_code == 1
    assert "expected a folder that is new or empty" in done.output


def test_evaluation_counts_everything(trained: Path, data: Path) -> None:
    command = ["evaluate", "--data", str(data), "--split", "test", "--bundle", str(trained / "bundle"), "--views", "2"]
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["clips"], report["skipped"]) == (9, 0)
    assert report["exercise"]["clips"] == 6
    assert report["exercise"]["groups"] == 3
    assert report["rejection"]["clips"] == 2
    assert report["unknown"]["groups"] == {"lunge": 1}
    assert sum(map(sum, report["exercise"]["confusion"])) == 6
    for part, figure in (
        ("exercise", "top1"),
        ("exercise", "top5"),
        ("exercise", "macro_recall"),
        ("muscles", "map"),
        ("muscles", "map_lookup"),
    ):
        assert 0.0 <= report[part][figure] <= 1.0
    again = CliRunner().invoke(main, [*command, "--json"])
    assert json.loads(again.stdout) == report
    table = CliRunner().invoke(main, command)
    assert "top-1" in table.output
    assert "counted apart" in table.output


def test_the_shipped_bundle_knows_rendered_people_that_it_has_not_seen(data: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", "--data", str(data), "--split", "test", "--views", "2", "--json"])
    report = json.loads(done.stdout)
    assert report["exercise"]["clips"] == 7
    assert report["exercise"]["top1"] >= 5 / 7
    assert report["rejection"]["auroc"] > 0.8
    assert report["muscles"]["map"] > 0.8


def test_evaluation_names_the_files_that_it_skips(trained: Path, data: Path) -> None:
    done = CliRunner().invoke(
        main,
        [
            "evaluate",
            "--data",
            str(data),
            "--split",
            "train",
            "--bundle",
            str(trained / "bundle"),
            "--views",
            "1",
            "--no-mirror",
            "--json",
        ],
    )
    report = json.loads(done.stdout)
    assert report["skipped"] == 2
    assert {Path(skip["path"]).name for skip in report["skipped_files"]} == {"missing.mp4", "broken.mp4"}


def test_a_split_without_known_exercises_has_no_figures_but_is_counted(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(data / "stranger.mp4")
    (tmp_path / "manifest.csv").write_text("path,group,split\na.mp4,moonwalk,odd\n")
    done = CliRunner().invoke(main, ["evaluate", "--data", str(tmp_path), "--split", "odd", "--json"])
    report = json.loads(done.stdout)
    assert (report["clips"], report["unknown"]["groups"]) == (1, {"moonwalk": 1})
    assert report["exercise"]["top1"] is None
    assert report["muscles"]["map"] is None
    done = CliRunner().invoke(main, ["evaluate", "--data", str(tmp_path), "--split", "odd"])
    assert done.exit_code == 0, done.output


def test_a_split_that_there_is_not_is_refused(trained: Path, data: Path) -> None:
    done = CliRunner().invoke(
        main, ["evaluate", "--data", str(data), "--split", "tset", "--bundle", str(trained / "bundle")]
    )
    assert done.exit_code == 1
    assert "no clip is in split 'tset'; there are: test, train" in done.output
