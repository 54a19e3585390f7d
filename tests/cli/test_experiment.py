"""``fitsense experiment``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.synthetic.figures import random_video
from tests.conftest import encode


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["experiment", *map(str, arguments)])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of two exercises, a scene of each held out, and one clip that is broken."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,group,split,scene", "broken.mp4,squat,train,broken"]
    for exercise in ("squat", "push_up"):
        for index, split in enumerate(("train", "train", "val")):
            video = attrs.evolve(random_video(exercise, index, duration_s=1.2), size=(80, 64), rate_hz=10.0)
            encode(folder / f"{exercise}{index}.mp4", video, rate=10)
            rows.append(f"{exercise}{index}.mp4,{exercise},{split},{exercise} {index}")
    (folder / "broken.mp4").write_text("no video")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def test_experiment_without_name_lists_questions() -> None:
    listing = run()
    assert listing.exit_code == 0
    assert listing.output == run("--list").output
    lines = listing.output.splitlines()
    assert [line.split()[0] for line in lines] == [
        "pretraining",
        "channel-ratio",
        "transfer",
        "fusion-curve",
        "muscles-baseline",
        "left-out-exercise",
        "left-out-sources",
    ]
    assert all(line.endswith("?") for line in lines)


def test_experiment_writes_results(data: Path, tmp_path: Path) -> None:
    options = ("--data", data, "--epochs", 1, "--min-scenes", 1, "--clips", 4, "--cache", tmp_path / "cache")
    ratios = ("--ratio", 4, "--ratio", 16)
    done = run("channel-ratio", *options, *ratios, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "out/channel-ratio.json").read_text("utf-8"))
    assert [row["name"] for row in document["tables"][0]["rows"][:2]] == ["4", "16"]
    assert document["scale"]["slowfast"]["tuning"]["epochs"] == 1
    assert "1 epochs of at most 4 clips" in document["measured"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "channel-ratio.json",
        "channel-ratio.md",
        "channel-ratio.svg",
    ]
    assert "skipped " in done.stderr
    assert "broken.mp4" in done.stderr
    # From the cache this time, and as a page.
    page = run("channel-ratio", *options, *ratios)
    assert page.exit_code == 0, page.output
    assert "By top-1 the best ratio is" in page.stdout


def test_experiment_paper_scale_names_requirements(data: Path, tmp_path: Path) -> None:
    # Weights that are not there end it before the work.
    done = run(
        "muscles-baseline", "--data", data, "--scale", "paper", "--weights", tmp_path / "none", "--cache", tmp_path
    )
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert "needs a GPU, and Kaggle's Workout/Exercises Video data set" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "unknown experiment 'nope'; available: pretraining, channel-ratio"),
        (("transfer",), "transfer: give --data FOLDER"),
        (("channel-ratio", "--ratio", "3"), "3 is not in the range 4<=x<=16"),
    ],
)
def test_experiment_invalid_arguments_are_explained(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == ExitCode.USAGE
    assert message in done.output


def test_experiment_missing_extra_is_named_early(data: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from fitsense.cli import main\n"
        f"main(['experiment', 'pretraining', '--data', {str(data)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == ExitCode.MISSING_EXTRA
    assert "an experiment needs the package torch" in done.stderr
