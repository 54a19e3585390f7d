"""Manifests for training, and what bundles say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

import fitsense
from fitsense.data.clip_views import clip_views
from fitsense.synthetic.figures import FigureVideo
from fitsense.train.finetuning import Tuning
from fitsense.train.recipe import BranchRecipe

GROUPS = ("squat", "push_up", "jumping_jack", "no_exercise")

COLOURS = BranchRecipe(name="colours", backbone="tiny/colours", finetuning=Tuning(epochs=1, batch_size=8))


def write_manifest(folder: Path, rows: list[dict[str, Any]]) -> Path:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def scores(bundle: Path, video: FigureVideo, **options: Any) -> dict[str, np.ndarray]:
    model = fitsense.load_model(bundle, **options)
    fused = model.predict_clips(clip_views(video, model.clips, views=2, mirror=False))
    return {str(task): each.probabilities for task, each in fused.items()}


def refuse(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("it was computed again")
