"""A plugin that declares tasks of each kind, on samples whose brightness is the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

import fitsense
from fitsense.plugins import CustomActivation, DerivedHeadSpec, HeadSpec, PluginInfo, TaskSpec
from fitsense.types import FloatArray, Frame, Scores
from tests.conftest import encode
from tests.helpers.tiny_models import COLOURS

if TYPE_CHECKING:
    from torch import Tensor, nn

SCALE = 10.0
BRIGHTNESS = (0.7, 1.2)


@attrs.frozen
class LinearConfig:
    bias: bool = True


def build(config: LinearConfig, feature_dim: int, labels: tuple[str, ...]) -> nn.Module:
    from torch import nn

    return nn.Linear(feature_dim, len(labels), bias=config.bias)


def squared(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared error of a percentage, on the values of the activation."""
    return (100 * logits.sigmoid() - targets).square().mean(dim=1) / 100


def largest(values: FloatArray, seconds: Any) -> FloatArray:
    return np.asarray(values.max(axis=0), dtype=np.float32)


PERCENT = CustomActivation(
    "percent",
    lambda logits: np.asarray(100 / (1 + np.exp(-logits)), dtype=np.float32),
    lambda values: np.asarray(-np.log(100 / np.clip(values, 0.01, 99.99) - 1), dtype=np.float32),
)
TASKS = (
    TaskSpec("form_quality", "one_of_many", labels=("good", "shallow")),
    TaskSpec("faults", "many_of_many"),
    TaskSpec("effort", "regression", unit="RPE", summarise=largest),
    TaskSpec(
        "light",
        "regression",
        unit="%",
        activation=PERCENT,
        loss=squared,
        describe=lambda labels, values: {"bright": bool(values[0] > 50)},
        schema={
            "$id": "urn:fitsense:plugin:tasks:light",
            "required": ["bright"],
            "properties": {"bright": {"type": "boolean"}, "unit": {"const": "%"}},
        },
    ),
)


@fitsense.hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo("tasks", "1.0")


@fitsense.hookimpl
def fitsense_tasks() -> Iterable[TaskSpec]:
    return TASKS


def guess(config: LinearConfig, exercise: Scores, labels: tuple[str, ...]) -> Scores:
    """The same effort for every exercise."""
    return Scores("effort", labels, np.full((len(exercise.logits), len(labels)), 5.0, np.float32), "identity")


@fitsense.hookimpl
def fitsense_heads() -> Iterable[HeadSpec | DerivedHeadSpec]:
    for task in TASKS:
        yield HeadSpec(name=task.name, task=task.name, build=build, config=LinearConfig)
    yield DerivedHeadSpec(name="guess", task="effort", from_task="exercise", derive=guess, config=LinearConfig)


def answers(brightness: float) -> Mapping[str, str]:
    """Cells of a clip's row."""
    bright = (brightness - BRIGHTNESS[0]) / (BRIGHTNESS[1] - BRIGHTNESS[0])
    return {
        "form_quality": "good" if bright > 0.5 else "shallow",
        "faults": "glare" if bright > 0.7 else "gloom; noise" if bright < 0.3 else "-",
        "effort": f"{SCALE * bright:.2f}",
        "light": f"{10 + 80 * bright:.1f}",
    }


def video(group: str, brightness: float, seconds: float, seed: int) -> Iterator[Frame]:
    """Pictures of a group's colour."""
    random = np.random.default_rng(seed)
    for at in range(round(seconds * 8)):
        noise = random.normal(0, 6, (24, 32, 3))
        rgb = np.clip(np.array(COLOURS[group]) * brightness + noise, 0, 255).astype(np.uint8)
        yield Frame(rgb, at / 8)


def write_data(folder: Path, *, clips: int = 6) -> Path:
    """A folder of clips with a manifest; one clip of each group is not labelled for the tasks."""
    rows = ["path,group,split,scene,fold," + ",".join(task.name for task in TASKS)]
    for group in COLOURS:
        for at, brightness in enumerate(np.linspace(*BRIGHTNESS, clips)):
            for split, fold in (("train", at % 2), ("test", 0)):
                name = f"{group}-{at}-{split}.mp4"
                encode(folder / name, video(group, float(brightness), 1.5, at), rate=8)
                cells = answers(float(brightness)) if at else dict.fromkeys(answers(1.0), "")
                rows.append(f"{name},{group},{split},{name},{fold},{','.join(cells.values())}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder
