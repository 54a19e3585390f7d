"""Training from clips to a bundle, by the command, on clips that the test renders itself."""

from __future__ import annotations

import csv
import functools
import json
import sys
from collections.abc import Iterator, Mapping
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
from fitsense.data.clip_views import clip_views
from fitsense.events.schema import validate
from fitsense.nn.branch import build_backbone
from fitsense.synthetic.figures import FigureVideo, random_video
from fitsense.train.finetuning import Tuning
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.run import fit_branches, train
from fitsense.train.training_set import Pool, partitions, read_pool
from tests.conftest import encode

GROUPS = ("squat", "push_up", "jumping_jack", "no_exercise")
SPLITS = ("train", "train", "train", "val", "test")
SMALL_X3D = {"size": 64, "short_side": 72, "depth_factor": 0.4}
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
COLOURS = BranchRecipe(name="colours", backbone="tiny/colours", finetuning=Tuning(epochs=1, batch_size=8))


def write_manifest(folder: Path, rows: list[dict[str, Any]]) -> Path:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: clips, a manifest, and two rows that cannot be used."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for index, split in enumerate(SPLITS):
        for group in GROUPS:
            name = f"{group} {index}.mp4"
            encode(folder / name, random_video(group, 1000 + index, duration_s=2.0), rate=15)
            licence = "CC-BY-4.0" if index == 0 else ""
            rows.append(
                {"path": name, "group": group, "split": split, "scene": f"{group}{index}", "fold": index % 2,
                 "licence": licence}
            )  # fmt: skip
    encode(folder / "stranger.mp4", random_video("squat", 2000, duration_s=2.0), rate=15)
    rows += [
        {"path": "stranger.mp4", "group": "lunge", "split": "extra", "scene": "s", "fold": 0},
        {"path": "missing.mp4", "group": "squat", "split": "train", "scene": "m", "fold": 0},
        {"path": "broken.mp4", "group": "squat", "split": "train", "scene": "b", "fold": 0},
    ]
    (folder / "broken.mp4").write_text("no video")
    return write_manifest(folder, rows)


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


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin of :mod:`tests.helpers.tiny_models`, as a distribution on the path."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fitsense]\ntiny = tests.helpers.tiny_models\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        # Rendering figures of the usual length would take most of the time.
        patched.setattr("fitsense.data.samples.random_video", functools.partial(random_video, duration_s=1.5))
        yield


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Limit torch to one thread, with which small networks are fastest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


def scores(bundle: Path, video: FigureVideo, **options: Any) -> dict[str, np.ndarray]:
    model = fitsense.load_model(bundle, **options)
    fused = model.predict_clips(clip_views(video, model.clips, views=2, mirror=False))
    return {str(task): each.probabilities for task, each in fused.items()}


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


def refuse(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("it was computed again")


@pytest.mark.slow
def test_train_recipe_of_the_bundle_reproduces_it_from_the_cache(
    trained: Path, data: Path, aids: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.train.features.clip_views", refuse)
    monkeypatch.setattr("fitsense.data.frames._at_rate", refuse)
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


@pytest.fixture
def quick(data: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Recipe, Sources]:
    """The third branch alone, on a CPU without bfloat16."""
    monkeypatch.setattr("fitsense.train.run.cpu_computes_bf16", lambda: False)
    recipe = Recipe((COLOURS,), views=2, min_scenes=2, validation="val")
    return recipe, Sources(data, unknown_split=None, test_split=None)


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
    branch = BranchRecipe(name="x3d", backbone="x3d/xs", config={**SMALL_X3D, "fit": "person"})
    with pytest.raises(fitsense.InvalidInputError, match="branch x3d: fit: expected a branch on landmarks before"):
        train(attrs.evolve(quick[0], branches=(branch,)), quick[1], tmp_path / "b", name="q", cache=tmp_path / "cache")
    tuned = attrs.evolve(branch, finetuning=Tuning(epochs=1, batch_size=8))
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
