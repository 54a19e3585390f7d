"""A real bundle on real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense.cli import main
from fitsense.data.manifest import read_manifest
from fitsense.evaluate.run import evaluate, score
from fitsense.evaluate.scores import ClipScores
from fitsense.types import Scores, to_logits


@pytest.fixture(scope="module")
def scored(model: fitsense.Model, split: Path) -> list[ClipScores]:
    clips, skipped = score(model, read_manifest(split, ["test"]).items, views=2, mirror=True)
    assert [Path(skip.path).name for skip in skipped] == ["broken.mp4"]
    return clips


@pytest.mark.slow
def test_score_averages_probabilities_over_views(model: fitsense.Model, scored: list[ClipScores]) -> None:
    for clip in scored:
        assert clip.logits.shape == (4, len(model.labels.exercise)), "two windows and their mirror images"
        probabilities = clip.probabilities(model.manifest.calibration.temperature)
        np.testing.assert_allclose(probabilities.mean(axis=0), clip.exercise, atol=1e-6)


def test_score_members_are_the_inputs_of_the_fusion(model: fitsense.Model, scored: list[ClipScores]) -> None:
    assert {task: set(members) for task, members in scored[0].members.items()} == {
        "exercise": {"x3d_s", "x3d_bodies", "slowfast"},
        "muscles": {"x3d_s", "x3d_bodies", "slowfast", "lookup"},
    }
    entry = model.manifest.fusion["muscles"]
    fusion = model.plugins.fusion(entry.fusion)
    for clip in scored:
        members = {
            name: Scores("muscles", model.labels.muscles, to_logits(mean[None], "sigmoid"), "sigmoid")
            for name, mean in clip.members["muscles"].items()
        }
        # The bundle averages probabilities, so that means over views come out the same.
        joined = fusion.fuse(fusion.config(**entry.config), members).probabilities[0]
        np.testing.assert_allclose(joined, clip.muscles, atol=1e-5)


def test_evaluate_counts_clips_and_names_skipped_files(report: dict[str, Any]) -> None:
    assert (report["clips"], report["skipped"]) == (5, 2)
    assert report["exercise"]["clips"] == 3
    assert report["rejection"]["clips"] == 1
    assert report["unknown"]["groups"] == {"burpee": 1}
    reasons = {skip["path"]: skip["reason"] for skip in report["skipped_files"]}
    assert reasons["<i>missing.mp4"] == "no such file"
    assert reasons["broken.mp4"].startswith("cannot be opened as video"), "the path is told once"
    assert "<b>jack.mp4" in [clip["path"] for clip in report["worst"]]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_evaluate_is_deterministic(model: fitsense.Model, split: Path, report: dict[str, Any]) -> None:
    assert evaluate(model, split, "test", views=2) == report


def test_evaluate_command_prints_intervals_and_writes_a_page(split: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    command = ["evaluate", "--data", str(split), "--split", "test", "--views", "1", "--no-mirror"]
    done = CliRunner().invoke(main, [*command, "--report", str(page)])
    assert done.exit_code == 0, done.output
    for words in ("top-1 0.", " [", "calibration error", "by chance", "x3d_s alone", "lookup alone", "together"):
        assert words in done.stdout, words
    assert "skipped <i>missing.mp4: no such file" in done.stdout
    assert f"The report is in {page}" in done.stderr
    assert page.read_text("utf-8").startswith("<!doctype html>")
    as_json = CliRunner().invoke(main, [*command, "--json", "--report", str(page)])
    figures = json.loads(as_json.stdout)
    assert (figures["views"], figures["mirror"]) == (1, False)
    assert f"top-1 {figures['exercise']['top1']:.3f}" in done.stdout
