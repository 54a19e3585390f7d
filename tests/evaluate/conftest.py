"""A small split of rendered people, and what the shipped bundle says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.evaluate.run import evaluate
from fitsense.synthetic.figures import random_video
from tests.conftest import encode

CLIPS = (
    ("squat/1.mp4", "squat", "squat", "a"),
    ("push up.mp4", "push_up", "push_up", "b"),
    # Called wrongly, so that there is a worst clip for certain.
    ("<b>jack.mp4", "jumping_jack", "plank", "c"),
    ("idle.mp4", "no_exercise", "no_exercise", "d"),
    ("burpee.mp4", "jumping_jack", "burpee", "e"),
)
"""Path, what is rendered, the label, and the scene."""


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest, whose split ``test`` has these clips and two that cannot be used."""
    folder = tmp_path_factory.mktemp("split")
    (folder / "squat").mkdir()
    for index, (path, exercise, _, _) in enumerate(CLIPS):
        encode(folder / path, random_video(exercise, 3000 + index, duration_s=2.0), rate=15)
    (folder / "broken.mp4").write_text("no video")
    rows = [f"{path},{label},test,{scene}" for path, _, label, scene in CLIPS]
    rows += ["broken.mp4,squat,test,f", "<i>missing.mp4,squat,test,g"]
    (folder / "manifest.csv").write_text("\n".join(["path,group,split,scene", *rows]))
    return folder


@pytest.fixture(scope="session")
def report(model: fitsense.Model, split: Path) -> dict[str, Any]:
    return evaluate(model, split, "test", views=2)
