"""The README: commands, programs, event, links and metrics."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.events.model import Event
from fitsense.events.schema import validate_event
from fitsense.testing import runner

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_readme_starts_with_install_and_test_commands() -> None:
    first, second = blocks("")[:2]
    assert first == "pip install -e . && fitsense analyze --sample\n"
    assert second == 'pip install -e ".[dev]" && pytest\n'


@pytest.fixture(scope="module")
def ran() -> tuple[str, list[Event]]:
    """The printed output of the program, and the events of the whole video."""
    printed, events = io.StringIO(), []
    analyze = fitsense.analyze

    def watched(*args: Any, **options: Any) -> Iterator[Event]:
        for event in analyze(*args, **options):
            events.append(event)
            yield event

    with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitsense, "analyze", watched)
        exec(compile(blocks("python")[0], "README.md", "exec"), {})
    return printed.getvalue(), events


def test_readme_program_names_the_exercises_of_the_sample(ran: tuple[str, list[Event]]) -> None:
    for exercise in ("squat", "push_up", "jumping_jack"):
        # Once for the whole video, once frame by frame.
        assert len(re.findall(f"^{exercise} ended", ran[0], re.MULTILINE)) == 2


def test_readme_event_equals_event_of_the_sample(ran: tuple[str, list[Event]]) -> None:
    """Omitted scores and muscles, and rounding of the CPU, may differ."""
    (shown,) = map(json.loads, blocks("json"))
    validate_event(shown)
    events = [event.to_dict() for event in ran[1]]
    actual = next(e for e in events if e["type"] == shown["type"] and e["data"]["exercise"] == "squat")
    for key in ("type", "dataschema", "time", "specversion"):
        assert actual[key] == shown[key]
    for key in ("start_s", "end_s", "duration_s", "repetitions"):
        assert actual["data"][key] == shown["data"][key]
    # The turning point of a repetition may differ by one picture.
    assert actual["data"]["tempo_mean_s"] == pytest.approx(shown["data"]["tempo_mean_s"], abs=0.1)
    assert actual["data"]["confidence"] == pytest.approx(shown["data"]["confidence"], abs=0.02)
    for part in ("scores", "muscles"):
        for label, value in shown["data"][part].items():
            assert actual["data"][part][label] == pytest.approx(value, abs=0.03), label


def test_readme_plugin_has_fifteen_lines_and_passes_the_conformance_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = blocks("python")[1]
    assert len([line for line in source.splitlines() if line.strip()]) == 15
    (tmp_path / "readme_plugin.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    outcomes = runner.check(importlib.import_module("readme_plugin"))
    assert {outcome.subject for outcome in outcomes} == {"plugin boldest", "fusion boldest/max"}
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []


def test_readme_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_readme_metrics_equal_those_of_the_bundles() -> None:
    reports = [
        json.loads((ROOT / "fitsense/bundles" / name / "training.json").read_text("utf-8"))["test"]
        for name in ("gym", "gym-video")
    ]
    for title, part, figure in (
        ("exercise, top-1 accuracy", "exercise", "top1"),
        ("exercise, mean recall", "exercise", "macro_recall"),
        ("muscle groups, mean average precision", "muscles", "map"),
        ("exercise vs. idle, AUROC", "rejection", "auroc"),
    ):
        row = " | ".join(f"{report[part][figure]:.3f}".removeprefix("0") for report in reports)
        assert f"| {title} | {row} |" in README
    named = [round(report["unknown"]["known_named"] * 100) for report in reports]
    text = " ".join(README.split())
    assert f"`gym` assigns a label to {named[0]} % of the test clips, `gym-video` to {named[1]} %" in text


def test_contributing_is_under_two_pages() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text("utf-8").split()) < 900
