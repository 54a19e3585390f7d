"""The content of a bundle's ``model.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from fitsense.types import Activation, ClipSpec, Task

MANIFEST = "model.json"


@attrs.frozen
class HeadEntry:
    """A head of a branch: its spec's full name, the spec's configuration, and the task that it answers."""

    task: Task
    head: str
    config: Mapping[str, Any]
    activation: Activation


@attrs.frozen
class ObservationEntry:
    """What a branch's graph takes instead of a clip's pictures.

    :param shape: of one clip's observation, float32.
    :param assets: sha256 of each file of others that computes it, by the backbone's name for it. They are not in
        the bundle.
    """

    shape: tuple[int, ...]
    assets: Mapping[str, str]


@attrs.frozen
class StreamEntry:
    """How a branch goes on frame by frame.

    :param graph: from a frame and what is remembered to the branch's outputs and what is remembered then; its weights
        are the branch's.
    :param state: shapes of the float32 arrays that are remembered, by name.
    :param receptive_field: how many of the newest frames outputs depend on.
    :param delay: after how many first frames there are no outputs yet.
    :param stride: how many frames there are from outputs to the next ones.
    """

    graph: str
    state: Mapping[str, tuple[int, ...]]
    receptive_field: int
    delay: int
    stride: int


@attrs.frozen
class BranchEntry:
    """A backbone with its heads: a graph, one more where it streams, and one file of weights."""

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
        """The suffix that each of its files has, by the file's name."""
        graphs = [self.graph, *([self.stream.graph] if self.stream else [])]
        return {**dict.fromkeys(graphs, ".onnx"), self.weights: ".safetensors"}


@attrs.frozen
class FusionEntry:
    """How a task's branches are joined: the fusion's full name and its configuration."""

    fusion: str
    config: Mapping[str, Any]


@attrs.frozen
class DerivedEntry:
    """Scores of a task that come from another task's: one more member, by its name, of the task's fusion."""

    name: str
    task: Task
    head: str
    config: Mapping[str, Any]


@attrs.frozen
class Calibration:
    """What was fitted on held-out data: the exercise logits' temperature, and the decision thresholds."""

    temperature: float
    enter: float
    exit: float


@attrs.frozen
class Labels:
    """Catalogue ids, in the order of the scores."""

    exercise: tuple[str, ...]
    muscles: tuple[str, ...]


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
    allow_bf16: bool = False
    summary: str = ""
    training: Mapping[str, Any] = attrs.field(factory=dict)
    format: int = 1
