"""Training from clips to a bundle, by the command, on clips that the test renders itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

import fitsense
from fitsense.cli import main
from fitsense.events.schema import validate
from fitsense.nn.branch import build_backbone
from fitsense.synthetic.figures import random_video
from fitsense.train.finetuning import Tuning
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.run import train
from tests.conftest import encode
from tests.helpers.training_runs import COLOURS, GROUPS, refuse, scores, write_manifest

pytestmark = pytest.mark.usefixtures("installed", "one_thread")

SMALL_X3D = {"size": 64, "short_side": 72, "depth_factor": 0.2}

RECIPE = {
    "views": 2,
    "synthetic_clips": 1,
    "min_scenes": 2,
    "branches": [
        {"backbone": "x3d/xs", "config": SMALL_X3D, "weights_origin": "made by a test"},
        {
            "name": "slowfast",
            "backbone": "slowfast/small",
            "config": {"width": 8, "frames": 8, "rate_hz": 4.0, "size": 32, "short_side": 36},
            "teachers": ["x3d_xs"],
            "head_config": {"dropout": 0.1},
            "finetuning": {
                "epochs": 1,
                "batch_size": 8,
                "feature_distillation": 0.5,
                "label_distillation": 0.5,
                "patience": 1,
            },
        },
        {
            "name": "colours",
            "backbone": "tiny/colours",
            "use_auxiliary": True,
            "finetuning": {"epochs": 2, "batch_size": 8},
        },
    ],
}


@pytest.fixture(scope="module")
def aids(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another folder, of one clip that can be learned from and one of a group that is not trained."""
    folder = tmp_path_factory.mktemp("aids")
    for name in ("drawn.mp4", "lunge.mp4"):
        encode(folder / name, random_video("squat", 3000, duration_s=2.0), rate=15)
    rows = [
        {"path": f"{name}.mp4", "group": group, "split": "any"} for name, group in (("drawn", "squat"), ("lunge",) * 2)
    ]
    return write_manifest(folder, rows)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the zoo's form for a small X3D. A network at random still tells standing from lying."""
    torch.manual_seed(3)
    spec = fitsense.PluginManager.discover().backbone("x3d/xs")
    state = build_backbone(spec, spec.config(**SMALL_X3D)).state_dict()
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file({name.removeprefix("1."): value for name, value in state.items()}, path)
    return path


def run(data: Path, folder: Path, *arguments: str | Path) -> Result:
    command = ["train", "--data", str(data), "--cache", str(folder / "cache"), *map(str, arguments)]
    return CliRunner().invoke(main, command)


@pytest.fixture(scope="module")
def trained(data: Path, aids: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    done = run(
        data, folder, "--recipe", folder / "recipe.json", "--weights", f"x3d_xs={weights}", "--auxiliary-data", aids,
        "--out", folder / "bundle", "--name", "tiny", "--licence", "CC-BY-4.0",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "skipped missing.mp4: no such file" in done.output
    assert "training on 17 clips of 17 scenes, 4 rendered clips and 1 auxiliary clips" in done.output
    assert done.output.count("broken.mp4: cannot be opened as video") == 1, "though every branch stumbles over it"
    return folder


def test_train_writes_a_complete_bundle_with_its_training(trained: Path) -> None:
    bundle = fitsense.Bundle.load(trained / "bundle")
    document = json.loads(bundle.path("model.json").read_text("utf-8"))
    validate(document, "model")
    assert bundle.manifest.licence == "CC-BY-4.0"
    assert bundle.manifest.labels.exercise == tuple(sorted(GROUPS))
    assert bundle.manifest.labels.muscles == (
        "triceps",
        "quads",
        "glutes",
        "shoulders",
        "chest",
        "hamstrings",
        "calves",
    )
    assert [branch.name for branch in bundle.manifest.branches] == ["x3d_xs", "slowfast", "colours"]
    observations = [branch.observation for branch in bundle.manifest.branches]
    assert observations[:2] == [None, None]
    assert observations[2] == fitsense.bundles.manifest.ObservationEntry((4, 3), {})
    weights = bundle.manifest.fusion["exercise"].config["weights"]
    assert weights.keys() == {"x3d_xs", "slowfast", "colours"}
    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
    assert bundle.manifest.fusion["muscles"].config["weights"].keys() == {*weights, "lookup"}


def test_model_card_names_each_branch_and_its_origin(trained: Path) -> None:
    card = (trained / "bundle" / "README.md").read_text("utf-8")
    for words in (
        "Licence of the bundle: CC-BY-4.0.",
        "- `x3d_xs`: backbone `x3d/xs` from `random.safetensors` (made by a test); frozen, only its heads were ",
        "- `slowfast`: backbone `slowfast/small` from scratch; trained as a whole, beside the labels by x3d_xs.",
        "- `colours`: backbone `tiny/colours` from scratch; trained as a whole; also on the clips of "
        "`--auxiliary-data`.",
        "17 clips of 17 scenes (splits train and val); none of them is in this bundle. Licences by the manifest, which "
        "fitsense does not check: none stated (13), CC-BY-4.0 (4).",
        "Beside them 4 videos that fitsense renders",
        "trained on 1 clips of further folders (`--auxiliary-data`), which nothing is measured on. The manifest states "
        "no ",
        "each fold in turn",
        "with 1 clips of exercises that the model does not know",
        "| exercise | slowfast |",
        "| muscles | lookup |",
        "Split `test`",
        "nothing here is medical advice",
        "| squat |",
        "--recipe tiny/model.json --weights x3d_xs=FILE",
    ):
        assert words in card, words


def test_train_report_measures_held_out_and_test_clips(trained: Path) -> None:
    report = json.loads((trained / "bundle" / "training.json").read_text("utf-8"))
    # All that can be read of what is trained on.
    assert report["held_out"]["clips"] == 16
    assert report["held_out"]["branches"].keys() == {"x3d_xs", "slowfast", "colours"}
    assert report["held_out"]["muscles"]["branches"].keys() == {"x3d_xs", "slowfast", "colours", "lookup"}
    assert report["test"]["clips"] == 4
    assert report["trained"]["too_few_scenes"] == {}
    text = json.dumps(report)
    assert not any(f"{group} 4.mp4" in text for group in GROUPS), "what it says of single clips is not for everybody"


def test_trained_bundle_runtimes_agree(trained: Path) -> None:
    video = random_video("push_up", 5, duration_s=2.0)
    ours = scores(trained / "bundle", video, bf16=False)
    theirs = scores(trained / "bundle", video, runtime="torch")
    for task, probabilities in ours.items():
        np.testing.assert_allclose(probabilities, theirs[task], atol=1e-3)


def test_trained_bundle_runs_in_a_session(trained: Path) -> None:
    model = fitsense.load_model(trained / "bundle")
    events = list(fitsense.analyze(random_video("squat", 7, duration_s=3.0), model=model))
    assert events[-1].type == "fitsense.session.ended"


@pytest.mark.slow
def test_train_recipe_of_the_bundle_reproduces_it_from_the_cache(
    trained: Path, data: Path, aids: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.train.features.clip_views", refuse)
    monkeypatch.setattr("fitsense.data.frames.at_rate", refuse)
    monkeypatch.setattr("fitsense.train.lightning_module.FinetuningModule", refuse)
    # On another CPU.
    monkeypatch.setattr("fitsense.train.run.cpu_computes_bf16", lambda: False)
    done = run(
        data, trained, "--recipe", trained / "bundle" / "model.json", "--weights", f"x3d_xs={weights}",
        "--auxiliary-data", aids, "--out", trained / "again", "--name", "tiny", "--test", "",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    first, again = (fitsense.Bundle.load(trained / name).manifest for name in ("bundle", "again"))
    assert again.training["recipe"] == first.training["recipe"]
    assert again.labels == first.labels
    assert again.calibration == first.calibration
    files, others = ({file.path: file.sha256 for file in one.files} for one in (first, again))
    for name in ("slowfast.safetensors", "colours.safetensors"):
        assert files[name] == others[name]
    video = random_video("squat", 6, duration_s=2.0)
    one, other = (scores(trained / name, video, bf16=False) for name in ("bundle", "again"))
    np.testing.assert_allclose(one["exercise"], other["exercise"], atol=1e-4)
    np.testing.assert_allclose(one["muscles"], other["muscles"], atol=1e-4)
    assert not again.allow_bf16
    assert "Split `test`" not in done.output


def test_train_invalid_output_is_refused_before_training(
    quick: tuple[Recipe, Sources], trained: Path, tmp_path: Path
) -> None:
    recipe, sources = quick
    taken = tmp_path / "taken"
    taken.write_text("a file")

    def refused(message: str, out: Path = tmp_path / "bundle", name: str = "quick", **changes: Any) -> None:
        with pytest.raises(fitsense.FitsenseError, match=message):
            train(attrs.evolve(recipe, **changes), sources, out, name=name, cache=tmp_path / "cache")

    refused("expected a new or empty folder", trained / "bundle")
    refused("expected a new or empty folder", taken)
    with pytest.raises(fitsense.InvalidInputError, match=r"licence: expected one line such as CC-BY-4.0, got 'a\\nb'"):
        train(recipe, sources, tmp_path / "bundle", name="it", licence="a\nb", cache=tmp_path / "cache")
    refused("name: expected lower-case letters, digits, ., - and _, got 'My Bundle'", name="My Bundle")
    refused("expected an exercise head", branches=(attrs.evolve(COLOURS, exercise_head=""),))
    refused(
        "tiny/colours has untrained weights: expected finetuning, got none",
        branches=(attrs.evolve(COLOURS, finetuning=None),),
    )
    means = BranchRecipe(name="means", backbone="tiny/means")
    refused(
        "expected neither finetuning nor weights, .* got finetuning",
        branches=(attrs.evolve(means, finetuning=Tuning()),),
    )
    refused(
        "expected neither finetuning nor weights, .* got 'best'",
        branches=(attrs.evolve(means, weights="best"),),
    )
    refused(
        "expected one that scores exercise", branches=(attrs.evolve(COLOURS, exercise_head="heads/linear_muscles"),)
    )
    assert not (tmp_path / "bundle").exists()


def test_train_command_weights_name_their_branch(trained: Path, data: Path, weights: Path, tmp_path: Path) -> None:
    recipe = trained / "recipe.json"
    done = run(data, tmp_path, "--recipe", recipe, "--out", tmp_path / "out", "--weights", weights)
    assert done.exit_code == 2
    assert "expected BRANCH=WEIGHTS, for one of x3d_xs, slowfast, colours" in " ".join(done.output.split())
    done = run(data, tmp_path, "--recipe", recipe, "--out", tmp_path / "out", "--weights", f"x3d={weights}")
    assert done.exit_code == 2
    assert "no branch 'x3d'" in done.output
    done = run(data, tmp_path, "--recipe", trained / "bundle" / "model.json", "--out", tmp_path / "out")
    assert done.exit_code == 5
    assert "weights 'random.safetensors': no such file" in done.output
