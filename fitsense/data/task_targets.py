"""Targets of the tasks that plugins declare, from the cells of a manifest.

A task has a column of its name. An empty cell means that the clip is not labelled for the task. A cell holds one label,
labels separated by semicolons (``-`` for none of them), or for a regression one number for each of the task's labels,
separated by semicolons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.plugins.tasks import TaskSpec, output_labels

NONE = "-"
"""Cell of a clip for which no label of a task holds."""


class Answered(Protocol):
    """A clip with the cells of its manifest's row."""

    @property
    def answers(self) -> Mapping[str, str]:
        """Cells by column."""
        ...


def has_target(clip: Answered, task: TaskSpec) -> bool:
    """True if a clip has a label for a task."""
    return bool(clip.answers.get(task.name, "").strip())


def task_labels(clips: Sequence[Answered], task: TaskSpec) -> tuple[str, ...]:
    """Labels of a task: those that it declares, or else those of the clips, sorted.

    :raises InvalidInputError: no clip is labelled for the task.
    """
    labelled = [clip for clip in clips if has_target(clip, task)]
    if not labelled:
        raise InvalidInputError(
            f"task {task.name}: expected a column {task.name} in the manifest, with a cell for some clips, got none"
        )
    found = {label for clip in labelled for label in _cells(clip, task)} - {NONE}
    return output_labels(task) or tuple(sorted(found))


def task_targets(clips: Sequence[Answered], task: TaskSpec, labels: Sequence[str]) -> NDArray[Any]:
    """Targets of clips that are labelled for a task: int64 (clips,) indices of labels for ``one_of_many``, float32
    (clips, labels) otherwise.

    :raises InvalidInputError: a cell is not valid; the message names it.
    """
    rows = [_target(clip, task, labels) for clip in clips]
    if task.kind == "one_of_many":
        return np.array(rows, dtype=np.int64)
    return np.array(rows, dtype=np.float32).reshape(-1, len(labels))


def _target(clip: Answered, task: TaskSpec, labels: Sequence[str]) -> Any:
    cells = _cells(clip, task)
    if task.kind == "regression":
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        if len(numbers) != len(labels) or not np.isfinite(numbers).all():
            raise _invalid(clip, task, "a number" if len(labels) == 1 else f"numbers for {'; '.join(labels)}")
        return numbers
    chosen = [cell for cell in cells if cell != NONE]
    if not set(chosen) <= set(labels) or (task.kind == "one_of_many" and len(chosen) != 1):
        amount = "one" if task.kind == "one_of_many" else "some"
        raise _invalid(clip, task, f"{amount} of {', '.join(labels)}")
    if task.kind == "one_of_many":
        return list(labels).index(chosen[0])
    return [float(label in chosen) for label in labels]


def _cells(clip: Answered, task: TaskSpec) -> list[str]:
    return [cell.strip() for cell in clip.answers.get(task.name, "").split(";") if cell.strip()]


def _invalid(clip: Answered, task: TaskSpec, expected: str) -> InvalidInputError:
    name = getattr(clip, "name", None) or getattr(clip, "path", "a clip")
    return InvalidInputError(
        f"manifest: {name}: column {task.name}: expected {expected}, got {clip.answers.get(task.name, '')!r}"
    )
