"""Training of a small branch on coloured clips, and its weights before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fitsense
from fitsense.bundles.manifest import Labels
from fitsense.data.frames import Recording
from fitsense.nn.branch import join
from fitsense.train.finetuning import TrainingData, Tuning, tune
from tests.helpers import tiny_models

if TYPE_CHECKING:
    from torch import Tensor, nn

LABELS = Labels(tuple(sorted(tiny_models.COLOURS)), ("quads", "glutes", "biceps", "back"))

CONFIG = tiny_models.TinyConfig()

QUICK = Tuning(epochs=3, batch_size=8, learning_rate=0.02, ema_decay=0.0)
"""Nine steps over what :func:`taught` gives."""

State = Mapping[str, "Tensor"]


def taught(scenes: int = 8, first: int = 0) -> list[Recording]:
    return [
        tiny_models.recording(group, seed) for seed in range(first, first + scenes) for group in tiny_models.COLOURS
    ]


def branch(dropout: float = 0.0, seed: int = 0) -> nn.Module:
    import torch

    torch.manual_seed(seed)
    head = fitsense.PluginManager.discover().head("heads/linear_exercise")
    assert isinstance(head, fitsense.plugins.HeadSpec)
    heads = {
        task: head.build(head.config(dropout=dropout), CONFIG.feature_dim(), getattr(LABELS, task))
        for task in ("exercise", "muscles")
    }
    return join(tiny_models.build(CONFIG), heads)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def trained(
    lesson: TrainingData,
    folder: Path,
    tuning: Tuning = QUICK,
    held_out: Sequence[Recording] = (),
    **branch_options: Any,
) -> State:
    module = branch(**branch_options)
    tune(module, tiny_models.layers(module.backbone), lesson, held_out, tuning, folder)
    assert not module.training
    return state_of(module)


def same(one: State, other: State) -> bool:
    assert one.keys() == other.keys()
    return all(one[name].equal(other[name]) for name in one)


def changed(one: State, other: State) -> set[str]:
    return {name for name in one if not one[name].equal(other[name])}


def log(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "log" / "metrics.csv").read_text().splitlines()
    return [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
