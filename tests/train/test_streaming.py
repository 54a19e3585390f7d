"""A streaming branch is trained on clips and runs on streams."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import fitsense
from fitsense.session.config import SessionConfig
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.run import train
from fitsense.types import Frame
from tests.conftest import encode
from tests.helpers import tiny_models


def frames(group: str, seed: int, seconds: int = 2) -> list[Frame]:
    pictures = np.asarray(tiny_models.recording(group, seed, frames=10 * seconds, size=(32, 44)).values)
    return [Frame(picture, at / 10) for at, picture in enumerate(pictures)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six clips of each group's colour."""
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "group", "split", "scene"])
        for group in tiny_models.COLOURS:
            for seed in range(6):
                name = f"{group}{seed}.mp4"
                encode(folder / name, frames(group, seed), rate=10)
                writer.writerow([name, group, "val" if seed > 3 else "train", f"{group}{seed}"])
    return folder


def test_train_streaming_branch_labels_frames_as_its_clips(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.train.run.cpu_computes_bf16", lambda: False)
    plugins = fitsense.PluginManager.discover()
    assert plugins.register(tiny_models).status == "loaded"
    branch = BranchRecipe(name="stream", backbone="tiny/stream", l2_exercise=1e-4)
    recipe = Recipe((branch,), views=2, synthetic_clips=0, min_scenes=2, validation="val")
    sources = Sources(data, unknown_split=None, test_split=None)
    bundle, _ = train(recipe, sources, tmp_path / "out", name="tiny", cache=tmp_path / "cache", plugins=plugins)
    (entry,) = bundle.manifest.branches
    assert entry.stream is not None
    assert {entry.graph, entry.stream.graph, entry.weights} <= {file.path for file in bundle.manifest.files}
    model = fitsense.Model(bundle, plugins=plugins, threads=1)
    for group in tiny_models.COLOURS:
        session = fitsense.Session(model, SessionConfig(hop_s=0.5, camera=None))
        said = set()
        for frame in frames(group, 99, seconds=4):
            seen = session.prepare(frame)
            answers = model.predict(seen.windows)
            session.complete(seen, answers)
            said |= {model.labels.exercise[int(answer.exercise.argmax())] for answer in answers}
        assert said == {group}
