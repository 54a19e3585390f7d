"""``fitsense dataset``, and the page that shows how it is used."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode

PAGE = (Path(__file__).parents[2] / "docs/how-to/train-on-your-own-clips.md").read_text("utf-8")


@pytest.fixture
def clips(squats_file: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "clips" / "[red] squats"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes(squats_file.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    return tmp_path / "clips"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


def test_dataset_page_matches_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "page", "exec"), {})
    shown = [
        step
        for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
        for step in re.split(r"^\$ ", block, flags=re.M)
    ]
    ran = 0
    for step in filter(None, shown):
        command, _, output = step.partition("\n")
        program, *arguments = shlex.split(command)
        if program == "cat":
            file = Path(arguments[0])
            if not file.exists():
                file.write_text(output)
            assert file.read_text() == output
            continue
        assert program == "fitsense"
        done = CliRunner().invoke(main, [*arguments, "--cache", "cache"])
        assert done.exit_code == 0, done.output
        assert [line.rstrip() for line in done.stdout.splitlines()] == output.splitlines()
        ran += 1
    assert ran == 5


def test_dataset_report_names_unknown_classes(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    assert done.exit_code == 0, done.output
    assert "left out 1: 1 no video" in done.stdout
    assert f"{tmp_path / 'out' / 'skipped.csv'} names them" in done.stdout
    assert "red_squats (1) is not in the catalogue" in done.stdout
    assert "too few scenes to be in every split: red_squats (test, val)" in done.stdout
    assert f"next: fitsense train --data {tmp_path / 'out'} --out BUNDLE" in done.stdout


def test_dataset_json_equals_report_file(clips: Path, tmp_path: Path) -> None:
    done = run(
        *(clips, "--out", clips, "--cache", tmp_path / "cache", "--json", "--seed", 3),
        *("--muscles", "Red Squats=quad;Lower Back", "--publisher", "me"),
    )
    report = json.loads(done.stdout)
    assert report == json.loads((clips / "dataset.json").read_text("utf-8"))
    assert report["options"]["seed"] == 3
    assert report["options"]["muscles"] == {"red_squats": ["quads", "lower_back"]}
    assert report["unknown"] == {}


def test_dataset_dominant_scene_is_reported(squats: FigureVideo, tmp_path: Path) -> None:
    folder = tmp_path / "squat"
    folder.mkdir()
    frames = list(squats)
    for number in range(3):
        encode(folder / f"{number}.mp4", frames[number * 15 : number * 15 + 15])
    done = run(tmp_path, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    assert "3 clips look like one scene" in done.stdout
    assert "--scene-pattern" in done.stdout


def test_dataset_existing_manifest_needs_force(clips: Path, tmp_path: Path) -> None:
    (clips / "manifest.csv").write_text("mine")
    arguments = (clips, "--out", clips, "--cache", tmp_path / "cache")
    refused = run(*arguments)
    assert refused.exit_code == ExitCode.FAILED
    assert "manifest.csv: is there already; force replaces it" in refused.output
    assert (clips / "manifest.csv").read_text() == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert (clips / "manifest.csv").read_text().startswith("path,exercise,group,muscles,split,fold,scene,source\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--test", "0.5", "--val", "0.5"], ExitCode.FAILED, "leave some to train on"),
        (["--muscles", "squat"], ExitCode.USAGE, "expected CLASS=MUSCLE;MUSCLE, got 'squat'"),
        (["--muscles", "walk=elbows"], ExitCode.FAILED, "muscles of walk: expected some of triceps"),
        (["--scene-pattern", "("], ExitCode.FAILED, "is no regular expression"),
    ],
)
def test_dataset_invalid_options_are_refused(
    clips: Path, tmp_path: Path, arguments: list[str], code: ExitCode, message: str
) -> None:
    done = run(clips, "--out", tmp_path / "out", "--cache", tmp_path / "cache", *arguments)
    assert done.exit_code == code
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
