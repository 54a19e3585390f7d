"""A task that fitsense does not have: how well a movement is done."""

from __future__ import annotations

from typing import Any

import numpy as np
from fitsense.plugins import TaskSpec
from numpy.typing import NDArray

LABELS = ("good", "shallow", "rushed")

_STRICTEST = 0.2


def summarise(values: NDArray[np.float32], seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Probabilities over a stretch: the mean of its worst fifth, since one bad repetition matters among good ones.

    :param values: probabilities of each window, (windows, labels).
    :param seconds: length of each window, (windows,).
    """
    worst = np.argsort(values[:, LABELS.index("good")])[: max(1, round(_STRICTEST * len(values)))]
    return np.average(values[worst], axis=0, weights=seconds[worst]).astype(np.float32)


def describe(labels: tuple[str, ...], values: NDArray[np.float32]) -> dict[str, Any]:
    """Properties of the task's part of events, beside its label and values."""
    return {"ok": bool(values[labels.index("good")] >= 0.5)}


TASK = TaskSpec(
    name="form_quality",
    kind="one_of_many",
    labels=LABELS,
    summarise=summarise,
    describe=describe,
    schema={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:fitsense:plugin:template:form_quality",
        "title": "Form",
        "description": "How well a movement is done.",
        "type": "object",
        "required": ["ok"],
        "properties": {"ok": {"type": "boolean", "description": "Whether the form is likely good."}},
    },
    summary="How well a movement is done",
)
