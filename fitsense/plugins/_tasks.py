"""Validation of tasks that plugins declare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import attrs

from fitsense.errors import PluginError
from fitsense.plugins._report import PluginReport
from fitsense.plugins.specs import DerivedHeadSpec, HeadSpec
from fitsense.plugins.tasks import KINDS, RESERVED, LossName, TaskKind, TaskSpec
from fitsense.types import ACTIVATIONS, CustomActivation

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Other outputs of a branch's graph, and columns of a manifest.
_NOT_TASKS = (
    *("clip", "evidence", "features", "landmarks", "observation"),
    *(
        "path",
        "group",
        "split",
        "scene",
        "fold",
        "source",
        "licence",
        "license",
        "muscles_primary",
        "muscles_secondary",
    ),
)
_ACTIVATIONS = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "squared_error": "identity",
    "absolute_error": "identity",
}
_LOSSES: dict[TaskKind, tuple[LossName, ...]] = {
    "one_of_many": ("cross_entropy",),
    "many_of_many": ("binary_cross_entropy",),
    "regression": ("squared_error", "absolute_error"),
}


def check_task(task: TaskSpec, plugin: str) -> None:
    """Check a task.

    :param plugin: name of the plugin that declares it.
    :raises PluginError: it is not valid; the message says why.
    """
    from fitsense.events.schema import check_schema

    if task.name in RESERVED:
        if task != RESERVED[task.name]:
            raise PluginError("expected another name, since this one is reserved for a task of fitsense")
        return
    if not isinstance(task.name, str) or not _NAME.fullmatch(task.name) or task.name in _NOT_TASKS:
        raise PluginError(
            f"name {task.name!r}: expected lower-case letters, digits and _, beginning with a letter, other than "
            f"{', '.join(_NOT_TASKS)}"
        )
    if task.kind not in KINDS:
        raise PluginError(f"kind: expected one of {', '.join(KINDS)}, got {task.kind!r}")
    invalid = [label for label in task.labels if not isinstance(label, str) or not _NAME.fullmatch(label)]
    if invalid:
        raise PluginError(f"labels: expected lower-case letters, digits and _, got {invalid[0]!r}")
    if len(set(task.labels)) != len(task.labels):
        raise PluginError(f"labels: expected each once, got {', '.join(task.labels)}")
    if task.unit and task.kind != "regression":
        raise PluginError(f"unit: expected none, since only a regression has one, got {task.unit!r}")
    if isinstance(task.activation, CustomActivation):
        if not isinstance(task.activation.name, str) or not _NAME.fullmatch(task.activation.name):
            raise PluginError(f"activation: expected a name of lower-case letters, got {task.activation.name!r}")
        if task.activation.name in ACTIVATIONS:
            raise PluginError(f"activation: expected another name than {', '.join(ACTIVATIONS)}")
    elif task.activation not in ACTIVATIONS:
        raise PluginError(
            f"activation: expected one of {', '.join(ACTIVATIONS)} or a CustomActivation, got {task.activation!r}"
        )
    check_loss(task.loss, task.kind)
    if isinstance(task.loss, str) and task.activation != _ACTIVATIONS[task.loss]:
        raise PluginError(
            f"loss: expected a function with the activation {task.activation_name}, since {task.loss} is for "
            f"{_ACTIVATIONS[task.loss]}, got {task.loss!r}"
        )
    if task.schema is not None:
        namespace = f"urn:fitsense:plugin:{plugin}:"
        if not str(task.schema.get("$id", "")).startswith(namespace):
            raise PluginError(f"schema: expected an $id that starts with {namespace}")
        check_schema(task.schema)


def check_loss(loss: Any, kind: TaskKind | None) -> None:
    """Check a training loss.

    :param kind: kind of the task; None to allow the losses of all kinds.
    :raises PluginError: it is neither a known name nor a function.
    """
    known = get_args(LossName) if kind is None else _LOSSES[kind]
    if not callable(loss) and loss not in known:
        raise PluginError(f"loss: expected one of {', '.join(known)} or a function, got {loss!r}")


def unknown_task(spec: HeadSpec | DerivedHeadSpec, tasks: Mapping[str, TaskSpec]) -> str:
    """Name of a head's task that is not among `tasks`; empty if there is none."""
    names = (spec.task, spec.from_task) if isinstance(spec, DerivedHeadSpec) else (spec.task,)
    return next((name for name in names if name not in tasks), "")


def with_unknown_tasks(
    report: PluginReport, heads: Mapping[str, HeadSpec | DerivedHeadSpec], tasks: Mapping[str, TaskSpec]
) -> PluginReport:
    """A report, with a fault for each of the plugin's heads whose task no plugin has declared so far."""
    unknown = {full: unknown_task(heads[full], tasks) for full in report.provides.get("heads", ())}
    if not any(unknown.values()):
        return report
    known = tuple(full for full, task in unknown.items() if not task)
    faults = [
        f"{full}: task: expected one of {', '.join(tasks)}, or another that a plugin declares with fitsense_tasks, "
        f"got {task!r}"
        for full, task in unknown.items()
        if task
    ]
    provides = {kind: names for kind, names in {**report.provides, "heads": known}.items() if names}
    return attrs.evolve(report, provides=provides, faults=(*report.faults, *faults))
