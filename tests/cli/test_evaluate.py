"""The shipped bundle on clips that the test renders itself, by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fitsense.cli import main
from fitsense.synthetic.figures import random_video
from tests.conftest import encode

GROUPS = ("squat", "push_up", "jumping_jack", "no_exercise")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,group,split,scene"]
    for index in (1004, 1005):
        for group in GROUPS:
            encode(folder / f"{group}{index}.mp4", random_video(group, index, duration_s=3.0), rate=15)
            rows.append(f"{group}{index}.mp4,{group},test,{group}{index}")
    rows.append("squat1004.mp4,moonwalk,odd,s")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def evaluate(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", "--data", str(data), "--views", "2", *arguments])


def test_evaluate_unseen_rendered_people_are_recognised(data: Path) -> None:
    report = json.loads(evaluate(data, "--split", "test", "--json").stdout)
    assert report["exercise"]["clips"] == 6
    assert report["exercise"]["top1"] >= 5 / 6
    assert report["rejection"]["auroc"] > 0.8
    assert report["muscles"]["map"] > 0.8


def test_evaluate_split_without_known_exercises_is_counted(data: Path) -> None:
    report = json.loads(evaluate(data, "--split", "odd", "--json").stdout)
    assert (report["clips"], report["unknown"]["groups"]) == (1, {"moonwalk": 1})
    assert report["exercise"]["top1"] is None
    assert report["muscles"]["map"] is None
    done = evaluate(data, "--split", "odd")
    assert done.exit_code == 0, done.output


def test_evaluate_missing_split_is_refused(data: Path) -> None:
    done = evaluate(data, "--split", "tset")
    assert done.exit_code == 1
    assert "no clip is in split 'tset'; available: odd, test" in done.output
