"""The content of a bundle's ``model.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from fitsense.errors import BundleError
from fitsense.plugins.tasks import TaskKind
from fitsense.types import ClipSpec, Task

MANIFEST = "model.json"


@attrs.frozen
class HeadEntry:
    """A head of a branch: its spec's full name, the spec's configuration, its task, and the name of its activation."""

    task: Task
    head: str
    config: Mapping[str, Any]
    activation: str


@attrs.frozen
class ObservationEntry:
    """Input of a branch's graph in place of a clip's pictures.

    :param shape: shape of one clip's observation, float32.
    :param assets: sha256 of each third-party file that computes it, by the backbone's name for it. They are not in
        the bundle.
    """

    shape: tuple[int, ...]
    assets: Mapping[str, str]


@attrs.frozen
class StreamEntry:
    """Frame-by-frame execution of a branch.

    :param graph: graph from a frame and a state to the branch's outputs and the next state; its weights are the
        branch's.
    :param state: shapes of the float32 state arrays, by name.
    :param receptive_field: number of newest frames on which outputs depend.
    :param delay: number of first frames without outputs.
    :param stride: number of frames from one output to the next.
    """

    graph: str
    state: Mapping[str, tuple[int, ...]]
    receptive_field: int
    delay: int
    stride: int


@attrs.frozen
class BranchEntry:
    """A backbone with its heads: a graph, a step graph if it streams, and a file of weights."""

    name: str
    backbone: str
    config: Mapping[str, Any]
    clip: ClipSpec
    feature_dim: int
    graph: str
    weights: str
    heads: tuple[HeadEntry, ...]
    observation: ObservationEntry | None = None
    stream: StreamEntry | None = None

    @property
    def files(self) -> Mapping[str, str]:
        """Required suffix of each file, by file name."""
        graphs = [self.graph, *([self.stream.graph] if self.stream else [])]
        return {**dict.fromkeys(graphs, ".onnx"), self.weights: ".safetensors"}


@attrs.frozen
class FusionEntry:
    """Fusion of a task's branches: the full name of its spec, and the configuration."""

    fusion: str
    config: Mapping[str, Any]


@attrs.frozen
class DerivedEntry:
    """Head that derives a task's scores from another's: a further, named member of the task's fusion."""

    name: str
    task: Task
    head: str
    config: Mapping[str, Any]


@attrs.frozen
class Calibration:
    """Values fitted on held-out data: temperature of the exercise logits, and decision thresholds."""

    temperature: float
    enter: float
    exit: float


@attrs.frozen
class Labels:
    """Labels in the order of the scores.

    :param exercise: catalogue ids of exercises.
    :param muscles: catalogue ids of muscle groups.
    :param further: labels of the tasks that plugins declare, by task. In ``model.json`` they stand beside the others.
    """

    exercise: tuple[str, ...]
    muscles: tuple[str, ...]
    further: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def of(self, task: Task) -> tuple[str, ...]:
        """Labels of a task.

        :raises BundleError: the bundle states none.
        """
        by_task = {"exercise": self.exercise, "muscles": self.muscles, **self.further}
        if task not in by_task:
            raise BundleError(f"labels: expected those of one of {', '.join(by_task)}, got none of {task}")
        return by_task[task]

    def to_dict(self) -> dict[str, list[str]]:
        """The JSON object of ``model.json``."""
        return {task: list(self.of(task)) for task in ("exercise", "muscles", *self.further)}

    @classmethod
    def of_dict(cls, document: Mapping[str, Any]) -> Labels:
        """Labels from the JSON object of ``model.json``."""
        by_task = {task: tuple(labels) for task, labels in document.items() if isinstance(labels, list)}
        return cls(by_task.pop("exercise"), by_task.pop("muscles"), by_task)


@attrs.frozen
class TaskEntry:
    """A task that a plugin declares, as it was when the bundle was trained."""

    kind: TaskKind
    unit: str = ""


@attrs.frozen
class TeachingEntry:
    """Entry of the file of statistics for teaching, see :mod:`fitsense.bundles.teaching`."""

    file: str


@attrs.frozen
class TaughtEntry:
    """An exercise that was taught after training.

    :param exercise: its label.
    :param name: for people to read; empty for none.
    :param muscles: ids of the muscle groups that it works.
    :param muscles_predicted: whether the bundle predicted these from the clips.
    :param clips: number of clips that it was taught from.
    """

    exercise: str
    name: str
    muscles: tuple[str, ...]
    muscles_predicted: bool
    clips: int


@attrs.frozen
class FileEntry:
    """A file of the bundle."""

    path: str
    sha256: str
    bytes: int


@attrs.frozen
class Manifest:
    """The content of ``model.json``."""

    name: str
    version: str
    licence: str
    labels: Labels
    branches: tuple[BranchEntry, ...]
    fusion: Mapping[str, FusionEntry]
    calibration: Calibration
    files: tuple[FileEntry, ...] = ()
    derived: tuple[DerivedEntry, ...] = ()
    tasks: Mapping[str, TaskEntry] = attrs.field(factory=dict)
    allow_bf16: bool = False
    summary: str = ""
    training: Mapping[str, Any] = attrs.field(factory=dict)
    teaching: TeachingEntry | None = None
    taught: tuple[TaughtEntry, ...] = ()
    format: int = 1
