"""The page of results is complete."""

from __future__ import annotations

import re
from pathlib import Path

from fitsense.experiments import EXPERIMENTS

FOLDER = Path(__file__).parents[2] / "docs/experiments"
PAGE = (FOLDER / "README.md").read_text("utf-8")


def test_page_has_section_and_question_of_each_experiment() -> None:
    sections = re.findall(r"^## (\S+)$", PAGE, re.MULTILINE)
    assert sections == [experiment.name for experiment in EXPERIMENTS]
    for experiment in EXPERIMENTS:
        assert experiment.question in PAGE


def test_page_shows_all_plots_of_folder() -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert sorted(shown) == sorted(file.name for file in FOLDER.glob("*.svg"))
