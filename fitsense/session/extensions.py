"""Values of the tasks that plugins declare, summed up over the stretches that events report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from fitsense.bundles.manifest import Labels
from fitsense.errors import InvalidInputError
from fitsense.events.schema import check_document, schemas, validator
from fitsense.plugins.tasks import TaskSpec
from fitsense.types import FloatArray

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

TaskParts = Mapping[str, Mapping[str, Any]]
"""The ``extensions`` of an event: each task's part by the task's name."""

_EXTENSION = {"$ref": "urn:fitsense:v1:common#/$defs/extension"}


@attrs.define
class ExtensionsState:
    """State of :class:`Extensions`.

    :param spans: start and end of each kept window's own stretch, in seconds of media time.
    :param values: values of each kept window, by task.
    :param updated_s: end of the last stretch that an update of the current segment covered.
    :param in_segment: whether a segment is open.
    """

    spans: list[tuple[float, float]] = attrs.field(factory=list)
    values: dict[str, list[list[float]]] = attrs.field(factory=dict)
    updated_s: float = -math.inf
    in_segment: bool = False


@attrs.frozen
class TaskFault:
    """Failure of a plugin to sum up or describe its task."""

    task: str
    message: str


class Extensions:
    """The ``extensions`` of events: each task's part, from the windows of a stretch.

    :param tasks: the tasks by name.
    :param labels: labels of the bundle.
    :param keep_s: how long windows are kept while no segment is open, in seconds: a segment starts in the past.
    """

    def __init__(self, tasks: Mapping[str, TaskSpec], labels: Labels, keep_s: float) -> None:
        self._tasks = dict(tasks)
        self._labels = {name: labels.of(name) for name in tasks}
        self._keep_s = keep_s
        self._validators: dict[str, list[Draft202012Validator]] = {}
        self.state = ExtensionsState(values={name: [] for name in tasks})

    def add(self, values: Mapping[str, FloatArray], start_s: float, end_s: float) -> None:
        """Add the values of a window, which are those of the stretch from `start_s` to `end_s`."""
        if not self._tasks or end_s <= start_s:
            return
        self.state.spans.append((start_s, end_s))
        for name in self._tasks:
            self.state.values[name].append([float(value) for value in values[name]])
        if not self.state.in_segment:
            self._forget(end_s - self._keep_s)

    def start(self, start_s: float) -> None:
        """A segment started."""
        self.state.in_segment = True
        self.state.updated_s = start_s

    def update(self, end_s: float) -> tuple[TaskParts | None, list[TaskFault]]:
        """Parts of the tasks since the last update of the segment; None if there are none."""
        start_s, self.state.updated_s = self.state.updated_s, end_s
        return self._parts(start_s, end_s)

    def end(self, start_s: float, end_s: float) -> tuple[TaskParts | None, list[TaskFault]]:
        """Parts of the tasks over a whole segment, which ended; None if there are none."""
        parts = self._parts(start_s, end_s)
        self.state.in_segment = False
        self._forget(end_s)
        return parts

    def check(self, state: ExtensionsState) -> None:
        """Refuse a state of a snapshot that does not fit the tasks.

        :raises InvalidInputError: with the path.
        """
        fits = state.values.keys() == self._tasks.keys() and all(
            len(rows) == len(state.spans) and all(len(row) == len(self._labels[name]) for row in rows)
            for name, rows in state.values.items()
        )
        if not fits or any(end_s <= start_s for start_s, end_s in state.spans):
            raise InvalidInputError("snapshot: extensions: expected values of each task for each window")

    def _forget(self, until_s: float) -> None:
        """Drop the windows that end by `until_s`."""
        kept = [at for at, (_, end_s) in enumerate(self.state.spans) if end_s > until_s]
        if len(kept) < len(self.state.spans):
            self.state.spans = [self.state.spans[at] for at in kept]
            self.state.values = {name: [rows[at] for at in kept] for name, rows in self.state.values.items()}

    def _parts(self, start_s: float, end_s: float) -> tuple[TaskParts | None, list[TaskFault]]:
        overlaps = [min(end_s, until_s) - max(start_s, from_s) for from_s, until_s in self.state.spans]
        chosen = [at for at, seconds in enumerate(overlaps) if seconds > 0]
        if not chosen:
            return None, []
        seconds = np.array([overlaps[at] for at in chosen])
        parts, faults = {}, []
        for name, task in self._tasks.items():
            values = np.array([self.state.values[name][at] for at in chosen], dtype=np.float32)
            try:
                parts[name] = self._part(task, task.over(values, seconds))
            except Exception as error:
                # The plugin's functions may raise anything.
                faults.append(TaskFault(name, f"{type(error).__name__}: {error}"))
        return parts or None, faults

    def _part(self, task: TaskSpec, values: FloatArray) -> dict[str, Any]:
        part = task.part(self._labels[task.name], values)
        if task.name not in self._validators:
            documents = [_EXTENSION, *([task.schema] if task.schema is not None else [])]
            self._validators[task.name] = [validator(document, schemas().values()) for document in documents]
        for checked in self._validators[task.name]:
            check_document(checked, part, task.name)
        return part
