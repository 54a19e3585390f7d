"""Teaching of a bundle, from clips to events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense import BundleError, InvalidInputError
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.teaching import TeachingStatistics
from fitsense.cli import main
from fitsense.data.clip_views import clip_views
from fitsense.synthetic.figures import random_video
from fitsense.teaching import run
from fitsense.teaching.run import Teaching, teach
from tests.helpers.doc_pages import blocks


@pytest.fixture(scope="module")
def taught(trained: Bundle, lying: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Teaching:
    out = tmp_path_factory.mktemp("taught") / "mygym"
    return teach("wall_ball", lying, out, bundle=trained.folder, muscles=("glutes",), name="Wall ball")


def windows(model: fitsense.Model, exercise: str, seed: int) -> dict[str, np.ndarray]:
    return clip_views(random_video(exercise, seed, duration_s=2.0), model.clips, 2, False, inset=True)


def test_training_with_heads_in_closed_form_ships_statistics(trained: Bundle) -> None:
    assert trained.manifest.teaching is not None
    statistics = TeachingStatistics.read(trained.path(trained.manifest.teaching.file))

    assert set(statistics.heads) == {"x3d"}
    assert statistics.rehearsal.labels == trained.manifest.labels.exercise
    assert set(statistics.rehearsal.targets.tolist()) == set(range(len(trained.manifest.labels.exercise)))


def test_taught_bundle_has_the_label_its_muscles_and_its_card(taught: Teaching, trained: Bundle) -> None:
    manifest = taught.bundle.manifest

    assert manifest.name == "mygym"
    assert manifest.labels.exercise == ("no_exercise", "squat", "wall_ball", "unknown")
    assert manifest.taught == (fitsense.TaughtEntry("wall_ball", "Wall ball", ("glutes",), False, 4),)
    lookup = next(one for one in manifest.derived if one.name == "lookup")
    assert lookup.config["muscles"] == {"wall_ball": ["glutes"]}
    card = taught.bundle.path("README.md").read_text("utf-8")
    assert card.startswith(trained.path("README.md").read_text("utf-8"))
    assert "## Taught: wall_ball" in card


def test_taught_bundle_keeps_the_other_rows(taught: Teaching, trained: Bundle) -> None:
    before, after = fitsense.Model(trained, bf16=False), fitsense.Model(taught.bundle, bf16=False)
    clips = windows(before, "squat", 804)
    old, new = before.run(clips)["x3d"], after.run(clips)["x3d"]
    np.testing.assert_array_equal(old["features"], new["features"])
    # unknown, the last label, may give way.
    np.testing.assert_allclose(np.delete(new["exercise"], 2, axis=1)[:, :-1], old["exercise"][:, :-1], rtol=1e-4)


def test_taught_bundle_gives_the_same_by_torch(taught: Teaching) -> None:
    graph, module = fitsense.Model(taught.bundle, bf16=False), fitsense.Model(taught.bundle, runtime="torch")
    clips = windows(graph, "push_up", 806)

    np.testing.assert_allclose(graph.run(clips)["x3d"]["exercise"], module.run(clips)["x3d"]["exercise"], rtol=1e-2)


@pytest.mark.slow
def test_head_with_a_network_is_taught_like_one_without(
    trained_network: Bundle, lying: list[Path], tmp_path: Path
) -> None:
    taught = teach("wall_ball", lying, tmp_path / "taught", bundle=trained_network.folder, muscles=("glutes",)).bundle
    assert taught.manifest.labels.exercise == ("no_exercise", "squat", "wall_ball", "unknown")
    before, after = (fitsense.Model(bundle, bf16=False) for bundle in (trained_network, taught))
    clips = windows(before, "squat", 804)
    old, new = before.run(clips)["x3d"]["exercise"], after.run(clips)["x3d"]["exercise"]
    np.testing.assert_allclose(np.delete(new, 2, axis=1)[:, :-1], old[:, :-1], rtol=1e-4)
    by_torch = fitsense.Model(taught, runtime="torch").run(clips)["x3d"]["exercise"]
    np.testing.assert_allclose(new, by_torch, rtol=1e-2, atol=1e-1)


@pytest.mark.slow
def test_teaching_twice_appends(taught: Teaching, lying: list[Path], tmp_path: Path) -> None:
    second = teach("my_row", lying[:2], tmp_path / "more", bundle=taught.bundle.folder, muscles=("hamstrings",))
    manifest = second.bundle.manifest

    assert manifest.labels.exercise[2:] == ("wall_ball", "my_row", "unknown")
    assert [one.exercise for one in manifest.taught] == ["wall_ball", "my_row"]
    assert any("2 clips were used" in warning for warning in second.warnings)
    one, other = fitsense.Model(taught.bundle, bf16=False), fitsense.Model(second.bundle, bf16=False)
    clips = windows(one, "squat", 808)
    np.testing.assert_allclose(
        other.run(clips)["x3d"]["exercise"][:, :3], one.run(clips)["x3d"]["exercise"][:, :3], rtol=1e-4
    )


def test_unreadable_clips_are_skipped_with_a_reason(trained: Bundle, lying: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    result = teach("wall_ball", [broken, *lying[:3], tmp_path / "missing.mp4"], tmp_path / "out", bundle=trained.folder)

    assert [Path(skip.path).name for skip in result.skipped] == ["broken.mp4", "missing.mp4"]
    assert all(skip.reason for skip in result.skipped)
    assert result.exercise.clips == 3
    assert result.exercise.muscles_predicted
    with pytest.raises(InvalidInputError, match=r"expected at least one that can be used.*broken\.mp4"):
        teach("wall_ball", [broken], tmp_path / "none", bundle=trained.folder)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("exercise", "muscles", "message"),
    [
        ("Wall ball", (), "did you mean wall_ball"),
        ("squat", (), "does not know, got squat; .*my_squat"),
        ("unknown", (), "does not know"),
        ("wall_ball", ("quadriceps",), r"muscles: .*quads.*got 'quadriceps'"),
    ],
)
def test_unusable_exercise_is_refused(
    trained: Bundle, lying: list[Path], tmp_path: Path, exercise: str, muscles: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        teach(exercise, lying, tmp_path / "out", bundle=trained.folder, muscles=muscles)
    assert not (tmp_path / "out").exists()


def test_taught_exercise_is_refused_a_second_time(taught: Teaching, lying: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="was taught wall_ball already"):
        teach("wall_ball", lying, tmp_path / "out", bundle=taught.bundle.folder)


def test_bundle_without_statistics_is_refused(lying: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"gym-video: expected a bundle that can be taught.*, gym can be"):
        teach("wall_ball", lying, tmp_path / "out", bundle="gym-video")


def test_interruption_leaves_no_bundle(
    trained: Bundle, lying: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "check_graphs", interrupted)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KeyboardInterrupt):
        teach("wall_ball", lying[:2], out, bundle=trained.folder)
    assert list(tmp_path.rglob("*")) == [out]


def test_command_teaches_and_shows_the_result(trained: Bundle, lying: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "mygym"
    arguments = ["teach", "--bundle", str(trained.folder), "--exercise", "wall_ball", "--muscles", "glutes"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out), *map(str, lying[:3])])

    assert result.exit_code == 0, result.output
    assert "wall_ball was taught from 3 clips; muscles: glutes" in result.output
    shown = CliRunner().invoke(main, ["models", "show", str(out)])
    assert "wall_ball" in shown.output
    document = json.loads((out / "model.json").read_text("utf-8"))
    assert document["taught"][0]["exercise"] == "wall_ball"


def test_teaching_needs_no_package_of_training(trained: Bundle, lying: list[Path], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'safetensors', 'sklearn', 'onnxscript'): sys.modules[name] = None\n"
        "import fitsense\n"
        "fitsense.teach('wall_ball', sys.argv[3:], sys.argv[2], bundle=sys.argv[1], muscles=['quads'])\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(trained.folder), str(tmp_path / "out"), *map(str, lying[:2])],
        check=True,
    )

    assert "wall_ball" in Bundle.load(tmp_path / "out").manifest.labels.exercise


def test_program_of_the_page_teaches(
    trained: Bundle,
    lying: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (program,) = blocks("docs/how-to/teach.md", "python")
    (tmp_path / "clips").mkdir()
    for name, clip in zip(("one", "two", "three"), lying, strict=False):
        (tmp_path / "clips" / f"{name}.mp4").symlink_to(clip)
    (tmp_path / "gym").symlink_to(trained.folder)
    monkeypatch.chdir(tmp_path)
    exec(program, {})

    assert "wall_ball" in Bundle.load(tmp_path / "mygym").manifest.labels.exercise
    assert capsys.readouterr().out.endswith("Wall ball\n")
