"""A folder of small rendered clips, and a scale at which experiments on it end in seconds."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from fitsense.experiments.base import Setting
from fitsense.experiments.presets import Network, Scale
from fitsense.plugins._manager import PluginManager
from fitsense.synthetic.figures import random_video
from fitsense.train.finetuning import Tuning
from tests.conftest import encode

EXERCISES = ("squat", "push_up", "jumping_jack", "no_exercise")
# Scenes of each exercise: split, fold and source.
SCENES = (("train", 0, "a"), ("train", 1, "b"), ("train", 2, "b"), ("val", 3, "c"), ("test", 4, "d"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of three exercises and of none, each in five scenes, and one that is broken."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,group,split,fold,scene,source", "broken.mp4,squat,train,0,broken,a"]
    for exercise in EXERCISES:
        for index, (split, fold, source) in enumerate(SCENES):
            video = attrs.evolve(random_video(exercise, index, duration_s=1.6), size=(80, 64), rate_hz=10.0)
            encode(folder / f"{exercise}{index}.mp4", video, rate=10)
            rows.append(f"{exercise}{index}.mp4,{exercise},{split},{fold},{exercise} {index},{source}")
    (folder / "broken.mp4").write_text("no video")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def setting(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """A setting with random weights; tests share its cache."""
    tuning = Tuning(epochs=1, batch_size=6, ema_decay=0.0)
    scale = Scale(
        name="tiny",
        x3d=Network("x3d/xs", {"frames": 2, "size": 64, "short_side": 64}, tuning),
        slowfast=Network("slowfast/small", {"frames": 4, "rate_hz": 4.0, "size": 64, "short_side": 64}, tuning),
        frozen="slowfast/small",
        ratios=(4, 10),
        views=1,
        min_scenes=1,
    )
    return Setting(data, scale, tmp_path_factory.mktemp("cache"), PluginManager.discover(), weights="")
