"""The page of results says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from fitsense.experiments import EXPERIMENTS

FOLDER = Path(__file__).parents[2] / "docs/experiments"
PAGE = (FOLDER / "README.md").read_text("utf-8")


def test_every_experiment_has_its_section_and_question() -> None:
    sections = re.findall(r"^## (\S+)$", PAGE, re.MULTILINE)
    assert sections == [experiment.name for experiment in EXPERIMENTS]
    for experiment in EXPERIMENTS:
        assert experiment.question in PAGE


def test_every_plot_is_there_and_every_one_there_is_shown() -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert sorted(shown) == sorted(file.name for file in FOLDER.glob("*.svg"))
