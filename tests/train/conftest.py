"""Clips and a plugin to train with, and what small networks need."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fitsense.data.frames import Recording
from fitsense.synthetic.figures import random_video
from fitsense.train.finetuning import TrainingData
from fitsense.train.recipe import Recipe, Sources
from tests.conftest import encode
from tests.helpers.training_runs import COLOURS, GROUPS, write_manifest
from tests.helpers.tuning import CONFIG, LABELS, taught

_SPLITS = ("train", "train", "train", "val", "test")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: clips, a manifest, and two rows that cannot be used."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for index, split in enumerate(_SPLITS):
        for group in GROUPS:
            name = f"{group} {index}.mp4"
            encode(folder / name, random_video(group, 1000 + index, duration_s=2.0), rate=15)
            licence = "CC-BY-4.0" if index == 0 else ""
            rows.append(
                {"path": name, "group": group, "split": split, "scene": f"{group}{index}", "fold": index % 2,
                 "licence": licence}
            )  # fmt: skip
    encode(folder / "stranger.mp4", random_video("squat", 2000, duration_s=2.0), rate=15)
    rows += [
        {"path": "stranger.mp4", "group": "lunge", "split": "extra", "scene": "s", "fold": 0},
        {"path": "missing.mp4", "group": "squat", "split": "train", "scene": "m", "fold": 0},
        {"path": "broken.mp4", "group": "squat", "split": "train", "scene": "b", "fold": 0},
    ]
    (folder / "broken.mp4").write_text("no video")
    return write_manifest(folder, rows)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin of :mod:`tests.helpers.tiny_models`, as a distribution on the path."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fitsense]\ntiny = tests.helpers.tiny_models\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        # Rendering figures of the usual length would take most of the time.
        patched.setattr("fitsense.data.samples.random_video", functools.partial(random_video, duration_s=1.5))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Limit torch to one thread, with which small networks are fastest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def quick(data: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Recipe, Sources]:
    """The third branch alone, on a CPU without bfloat16."""
    monkeypatch.setattr("fitsense.train.run.cpu_computes_bf16", lambda: False)
    recipe = Recipe((COLOURS,), views=2, min_scenes=2, validation="val")
    return recipe, Sources(data, unknown_split=None, test_split=None)


@pytest.fixture(scope="session")
def lesson() -> TrainingData:
    return TrainingData(taught(), CONFIG.clip(), LABELS)


@pytest.fixture(scope="session")
def held_out() -> list[Recording]:
    return taught(4, first=100)
