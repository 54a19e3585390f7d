"""Tasks: the questions about a clip that heads answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.types import Activation, CustomActivation, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

TaskKind = Literal["one_of_many", "many_of_many", "regression"]
LossName = Literal["cross_entropy", "binary_cross_entropy", "squared_error", "absolute_error"]
LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]
Loss = LossName | LossFunction
"""Training loss, on logits: a name, or a function of (logits, targets) that returns float32 (clips,)."""

KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
_DEFAULTS: Mapping[str, tuple[Activation, LossName]] = {
    "one_of_many": ("softmax", "cross_entropy"),
    "many_of_many": ("sigmoid", "binary_cross_entropy"),
    "regression": ("identity", "squared_error"),
}
# Decimal places in events, as for scores.
_DIGITS = 4


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _activation_of_kind(task: TaskSpec) -> Activation:
    return _DEFAULTS[task.kind][0] if task.kind in KINDS else "identity"


def _loss_of_kind(task: TaskSpec) -> Loss:
    return _DEFAULTS[task.kind][1] if task.kind in KINDS else "squared_error"


@attrs.frozen
class TaskSpec:
    """A question about a clip that heads answer, such as the form of a repetition or the effort.

    :param name: lower-case letters, digits and ``_``, beginning with a letter; unique among all plugins.
    :param kind: ``one_of_many`` (one label holds), ``many_of_many`` (any number of labels hold) or ``regression``
        (numbers).
    :param labels: the labels that heads score, or for a regression the names of its numbers. Empty to train on the
        labels that the clips have; for a regression, one number of the task's name.
    :param unit: unit of a regression's numbers, such as ``s`` or ``RPE``.
    :param activation: function from logits to values. By default ``softmax``, ``sigmoid`` or ``identity``, by the kind.
    :param loss: training loss of heads that state none. By default ``cross_entropy``, ``binary_cross_entropy`` or
        ``squared_error``, by the kind. Targets are int64 (clips,) indices of labels for ``one_of_many``, otherwise
        float32 (clips, labels); those of a regression are in its unit.
    :param summarise: function of (values, seconds) that returns the values over a stretch, float32 (labels,), from the
        values of its windows, float32 (windows, labels), and their lengths, float64 (windows,). None for the mean,
        weighted by seconds.
    :param describe: function of (labels, values over a stretch) that returns further properties of the task's part of
        events, a JSON object; None for none.
    :param schema: JSON Schema 2020-12 that the task's part of events obeys, in addition to fitsense's own; None for
        none.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    kind: TaskKind
    labels: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    unit: str = ""
    # Decorated defaults would be hidden from pyright, which knows only arguments of the field.
    activation: Activation = attrs.field(default=attrs.Factory(_activation_of_kind, takes_self=True))
    loss: Loss = attrs.field(default=attrs.Factory(_loss_of_kind, takes_self=True))
    summarise: Callable[[FloatArray, NDArray[np.float64]], FloatArray] | None = None
    describe: Callable[[tuple[str, ...], FloatArray], Mapping[str, Any]] | None = None
    schema: Mapping[str, Any] | None = attrs.field(default=None, eq=False)
    summary: str = ""

    @property
    def activation_name(self) -> str:
        """Name of the activation, as bundles state it."""
        return self.activation.name if isinstance(self.activation, CustomActivation) else self.activation

    def over(self, values: FloatArray, seconds: NDArray[np.float64]) -> FloatArray:
        """Values over a stretch, float32 (labels,).

        :param values: float32 (windows, labels); at least one window.
        :param seconds: lengths of the windows, float64 (windows,), above 0.
        :raises InvalidInputError: ``summarise`` returns something else, or numbers that are not finite.
        """
        if self.summarise is None:
            return np.average(values, axis=0, weights=seconds).astype(np.float32)
        summed = np.asarray(self.summarise(values.copy(), seconds.copy()), dtype=np.float32)
        if summed.shape != values.shape[1:] or not np.isfinite(summed).all():
            raise InvalidInputError(
                f"task {self.name}: summarise: expected finite numbers of shape {values.shape[1:]}, "
                f"got shape {summed.shape}"
            )
        return summed

    def part(self, labels: Sequence[str], values: FloatArray) -> dict[str, Any]:
        """The task's part of an event: kind, values by label, the likeliest label or the unit, and what ``describe``
        adds.

        :param values: values over a stretch, float32 (labels,).
        """
        rounded = {label: round(float(value), _DIGITS) + 0.0 for label, value in zip(labels, values, strict=True)}
        part: dict[str, Any] = {"kind": self.kind, "values": rounded}
        if self.kind == "one_of_many":
            part["label"] = labels[int(np.argmax(values))]
        if self.unit:
            part["unit"] = self.unit
        return part if self.describe is None else {**self.describe(tuple(labels), values.copy()), **part}


EXERCISE = TaskSpec("exercise", "one_of_many", summary="The exercise, or none")
"""The task of fitsense's decisions: which exercise a clip shows."""

MUSCLES = TaskSpec("muscles", "many_of_many", summary="The muscle groups that work")
"""The task of muscle activation: which muscle groups work."""

RESERVED: Mapping[str, TaskSpec] = {task.name: task for task in (EXERCISE, MUSCLES)}
"""Tasks that every bundle has; plugins cannot redefine them."""


def output_labels(task: TaskSpec) -> tuple[str, ...]:
    """Labels that a task declares; the name of the task for a regression without labels."""
    if task.labels or task.kind != "regression":
        return task.labels
    return (task.name,)
