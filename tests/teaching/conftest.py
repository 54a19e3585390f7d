"""A bundle of a small network with heads in closed form, trained on rendered figures; and clips of another exercise."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.nn.branch import build_backbone
from fitsense.synthetic.figures import random_video
from fitsense.train.recipe import BranchRecipe, Recipe, Sources
from fitsense.train.run import train
from tests.conftest import encode

SMALL = {"size": 64, "short_side": 72, "depth_factor": 0.2}
KNOWN = ("no_exercise", "squat")
STRANGERS = ("lunge", "plank")


def clip(path: Path, exercise: str, seed: int) -> Path:
    """A rendered clip of two seconds."""
    return encode(path, random_video(exercise, seed, duration_s=2.0), rate=15)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips of squats, of standing and of jumping people, and the weights of a network at random."""
    folder = tmp_path_factory.mktemp("teaching")
    data = folder / "data"
    data.mkdir()
    rows = []
    for group in KNOWN:
        for index in range(4):
            name = f"{group}{index}.mp4"
            clip(data / name, group, 100 + index)
            rows.append({"path": name, "group": group, "split": "train", "scene": name, "fold": index % 2})
    for at, stranger in enumerate(STRANGERS):
        for index in range(2):
            name = f"{stranger}{index}.mp4"
            clip(data / name, "jumping_jack", 300 + 10 * at + index)
            row = {"path": name, "group": "", "split": "extra", "scene": name, "fold": index, "exercise": stranger}
            rows.append(row)
    with (data / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "exercise", "group", "split", "scene", "fold"])
        writer.writeheader()
        writer.writerows(rows)
    torch.manual_seed(3)
    spec = fitsense.PluginManager.discover().backbone("x3d/xs")
    from safetensors.torch import save_file

    state = build_backbone(spec, spec.config(**SMALL)).state_dict()
    save_file({name.removeprefix("1."): value for name, value in state.items()}, folder / "random.safetensors")
    return folder


@pytest.fixture(scope="session")
def trained(studio: Path) -> Iterator[Bundle]:
    """A bundle that knows squats and standing people, and ``unknown`` from jumping ones."""
    yield from _trained(studio, "small", "heads/discriminant", {})


@pytest.fixture(scope="session")
def trained_network(studio: Path) -> Iterator[Bundle]:
    """The same with a network as its head."""
    yield from _trained(
        studio, "network", "heads/network", {"hidden": 64, "steps": 20, "batch_size": 8, "shrinkage": 0.9}
    )


def _trained(studio: Path, name: str, head: str, config: Mapping[str, Any]) -> Iterator[Bundle]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    branch = BranchRecipe(
        name="x3d",
        backbone="x3d/xs",
        config=SMALL,
        weights=str(studio / "random.safetensors"),
        exercise_head=head,
        muscles_head="heads/ridge",
        head_config=config,
    )
    recipe = Recipe(
        (branch,),
        views=2,
        min_scenes=2,
        muscles_fusion="ensemble/gated",
        doubt_head="heads/doubt_muscles",
        unknown=True,
        mirror=False,
    )
    sources = Sources(studio / "data", ("train",), "extra", None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fitsense.data.samples.random_video", functools.partial(random_video, duration_s=1.5))
        bundle, _ = train(recipe, sources, studio / name, name=name, cache=studio / "cache")
    yield bundle
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def lying(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Clips of an exercise that the bundle does not know; a network at random tells lying people from standing ones."""
    folder = tmp_path_factory.mktemp("lying")
    return [clip(folder / f"clip{index}.mp4", "push_up", 700 + index) for index in range(4)]
