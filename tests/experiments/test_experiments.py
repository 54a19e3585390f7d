"""Experiments run from clips to their result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from fitsense._internal.progress import ItemT
from fitsense.bundles.weights import load_backbone
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError
from fitsense.experiments import (
    EXPERIMENTS,
    channel_ratio,
    fusion_curve,
    left_out_exercise,
    left_out_sources,
    muscles_baseline,
    pretraining,
    transfer,
)
from fitsense.experiments.base import Experiment, Result, Row, Setting
from fitsense.experiments.frozen_runs import FrozenRuns
from fitsense.experiments.output import write
from fitsense.experiments.presets import PAPER
from fitsense.nn.branch import build_backbone
from fitsense.train.training_set import Pool
from fitsense.types import FloatArray, Task


@pytest.fixture(scope="session")
def weights(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of X3D in a file, as after pretraining."""
    import torch
    from safetensors.torch import save_file

    spec = setting.plugins.backbone("x3d/xs")
    torch.manual_seed(7)
    state = build_backbone(spec, spec.config()).state_dict()
    file = tmp_path_factory.mktemp("weights") / "x3d.safetensors"
    save_file({name.removeprefix("1."): value for name, value in state.items()}, file)
    load_backbone(spec, build_backbone(spec, spec.config()), file)
    return file


@pytest.fixture(scope="module", autouse=True)
def once() -> Iterator[None]:
    """A backbone's graph is exported once, since that takes longer than all that is done with it."""
    remembered: dict[Path, FrozenRuns] = {}
    of = FrozenRuns.of

    def remember(setting: Setting, pool: Pool) -> FrozenRuns:
        if setting.data not in remembered:
            remembered[setting.data] = of(setting, pool)
        return remembered[setting.data]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenRuns, "of", remember)
        yield


def rows(result: Result) -> dict[str, Row]:
    return {row.name: row for row in result.tables[0].rows}


def value(row: Row, name: str) -> float:
    found = row.figures[name].value
    assert found is not None
    return found


def check(experiment: Experiment, setting: Setting, result: Result, folder: Path) -> None:
    """Check any result: figures in range, skipped clips listed, files with the same contents."""
    assert [Path(skip.path).name for skip in result.skipped] == ["broken.mp4"] * len(result.skipped)
    assert result.skipped
    assert result.answer
    for table in result.tables:
        for row in table.rows:
            for name, figure in row.figures.items():
                if figure.value is None or name == "log loss":
                    continue
                assert (-1 if row.difference else 0) <= figure.value <= 1
                if figure.interval is not None:
                    assert figure.interval[0] <= figure.interval[1]
    files = write(experiment, setting.scale, result, folder)
    document = json.loads((folder / f"{experiment.name}.json").read_text("utf-8"))
    assert document["tables"][0]["rows"][0]["name"] == result.tables[0].rows[0].name
    page = (folder / f"{experiment.name}.md").read_text("utf-8")
    assert result.answer in page
    assert len(files) == 2 + len(result.plots)
    for file in files[2:]:
        assert f"]({file.name})" in page


@pytest.mark.slow
def test_pretraining_compares_both_starts(setting: Setting, weights: Path, tmp_path: Path) -> None:
    result = pretraining.run(attrs.evolve(setting, weights=str(weights)))
    check(pretraining, setting, result, tmp_path)
    table = rows(result)
    assert list(table) == ["pretrained", "from scratch", "pretrained − from scratch"]
    for name in ("top-1", "mAP"):
        expected = value(table["pretrained"], name) - value(table["from scratch"], name)
        assert value(table["pretrained − from scratch"], name) == pytest.approx(expected)
    assert "12 clips of 12 scenes to train on, 4 of 4 other scenes (the split val)" in result.measured


def test_channel_ratio_trains_each_ratio_once(setting: Setting, tmp_path: Path) -> None:
    result = channel_ratio.run(setting)
    check(channel_ratio, setting, result, tmp_path)
    table = rows(result)
    # The wider the fast pathway, the more parameters.
    assert table["4"].facts["parameters"] > table["10"].facts["parameters"]
    runs = sorted((setting.cache / "runs").glob("slowfast_small-*/finished.safetensors"))
    written = [run.stat().st_mtime_ns for run in runs]
    again = channel_ratio.run(setting)
    assert [run.stat().st_mtime_ns for run in runs] == written
    assert again == result
    (plot,) = result.plots
    assert [place for place, _ in plot.lines["top-1"]] == [4, 10]


@pytest.mark.slow
def test_transfer_trains_all_variants_equally_long(setting: Setting, tmp_path: Path) -> None:
    descriptions: list[str] = []

    def track(items: Sequence[ItemT], description: str) -> Iterable[ItemT]:
        descriptions.append(f"{description}: {len(items)}")
        return iter(items)

    result = transfer.run(attrs.evolve(setting, track=track))
    check(transfer, setting, result, tmp_path)
    assert "Trainings, of two stages each: 5" in descriptions
    on_exercise, on_muscles = result.tables
    assert [row.name for row in on_exercise.rows if not row.difference] == [
        "exercise → exercise",
        "muscles → exercise",
        "both → both",
    ]
    assert set(on_exercise.rows[0].figures) == {"top-1", "macro recall"}
    assert set(on_muscles.rows[0].figures) == {"mAP", "micro F1", "label accuracy"}
    # Three first stages, and five second ones.
    assert len(list((setting.cache / "runs").glob("x3d_xs-*/finished.safetensors"))) >= 8


def test_fusion_curve_ends_at_single_branches(setting: Setting, tmp_path: Path) -> None:
    result = fusion_curve.run(setting)
    check(fusion_curve, setting, result, tmp_path)
    together, curve = result.tables
    alone = {row.name: row.figures for row in together.rows}
    assert curve.rows[0].figures == alone["x3d"]
    assert curve.rows[-1].figures == alone["slowfast"]
    assert len(curve.rows) == 21
    for plot in result.plots:
        assert all(0 <= place <= 1 for place in plot.marks.values())
    assert set(result.plots[0].marks) == {"fitted for exercise", "fitted for muscles"}


def test_muscles_baseline_includes_none_active(setting: Setting, tmp_path: Path) -> None:
    result = muscles_baseline.run(setting)
    check(muscles_baseline, setting, result, tmp_path)
    table = rows(result)
    assert list(table) == ["learned", "looked up", "none active", "learned − looked up"]
    assert value(table["none active"], "micro F1") == 0
    assert value(table["none active"], "label accuracy") > 0.5
    # Ranking by a constant gives a group's share of the clips; nothing does worse than that by much.
    assert value(table["learned"], "mAP") >= value(table["none active"], "mAP") - 0.1


def test_frozen_runs_fit_each_head_once(setting: Setting) -> None:
    first = muscles_baseline.run(setting)
    files = sorted((setting.cache / "heads").iterdir())
    written = [file.stat().st_mtime_ns for file in files]
    assert len(files) >= 2 * 4
    assert muscles_baseline.run(setting) == first
    assert [file.stat().st_mtime_ns for file in sorted((setting.cache / "heads").iterdir())] == written


def test_left_out_exercise_is_not_trained_on(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[tuple[Task, set[str], set[str], set[str]]] = []
    head = FrozenRuns.head

    def watched(
        self: FrozenRuns, task: Task, learned: Sequence[Sample], asked: Sequence[Sample], labels: tuple[str, ...]
    ) -> FloatArray:
        fitted.append((task, {item.group for item in learned}, {item.group for item in asked}, set(labels)))
        assert not {item.scene for item in learned} & {item.scene for item in asked}
        return head(self, task, learned, asked, labels)

    monkeypatch.setattr(FrozenRuns, "head", watched)
    result = left_out_exercise.run(setting)
    check(left_out_exercise, setting, result, tmp_path)
    # Three exercises in four folds; then four folds with every exercise; each time both heads.
    assert len(fitted) == 2 * (3 * 4 + 4)
    for task, learned, asked, labels in fitted[: 2 * 3 * 4]:
        assert len(asked) == 1
        assert not learned & asked
        if task == "exercise":
            assert not labels & asked
    single = {row.name: row for row in result.tables[1].rows}
    assert set(single) == {"squat", "push_up", "jumping_jack"}
    # Glutes and hamstrings; jumping jacks work quads too.
    assert single["squat"].facts == {"clips": 4, "scenes": 4, "groups of no other exercise": 2}


@pytest.mark.slow
def test_left_out_sources_compares_sources_with_scenes(setting: Setting, tmp_path: Path) -> None:
    result = left_out_sources.run(setting)
    check(left_out_sources, setting, result, tmp_path)
    assert list(rows(result)) == ["scenes", "sources", "sources − scenes"]
    assert "12 clips of 12 scenes and 3 sources, which are spread over 3 folds" in result.measured


def test_left_out_exercise_single_exercise_is_refused(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "path,group,split,fold,scene\n"
        + "\n".join(f"{setting.data / f'squat{index}.mp4'},squat,train,{index},{index}" for index in range(2))
    )
    with pytest.raises(InvalidInputError, match="at least two exercises, to leave one out, got \\['squat'\\]"):
        left_out_exercise.run(attrs.evolve(setting, data=tmp_path))


def test_experiments_names_and_questions_are_unique() -> None:
    assert len({experiment.name for experiment in EXPERIMENTS}) == 7
    for experiment in EXPERIMENTS:
        assert experiment.question.endswith("?")


def test_paper_scale_matches_paper(setting: Setting) -> None:
    for network in (PAPER.x3d, PAPER.slowfast):
        spec = setting.plugins.backbone(network.backbone)
        clip = spec.clip(spec.config(**network.config))
        assert (clip.frames, clip.rate_hz, clip.size, clip.short_side) == (32, 15, 256, 256)
        assert (network.tuning.epochs, network.tuning.batch_size, network.tuning.learning_rate) == (30, 8, 1e-4)
    assert PAPER.slowfast.backbone == "slowfast/r50"
    assert "GPU" in PAPER.needs
    assert "Kaggle" in PAPER.needs
