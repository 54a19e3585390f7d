"""Scores of a clip by a model, and by each member of its fusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import UNKNOWN
from fitsense.data.manifest import ClipItem
from fitsense.inference.fusion import Outputs
from fitsense.inference.model import Model
from fitsense.types import FloatArray, Task, to_probabilities


def known_labels(model: Model) -> tuple[str, ...]:
    """Labels of a model's exercises without ``unknown``, which is no exercise that a clip can show."""
    return tuple(label for label in model.labels.exercise if label != UNKNOWN)


@attrs.frozen(eq=False)
class ClipScores:
    """Scores of one clip by a model, over all its views.

    Probabilities of exercises are over :func:`known_labels`; they sum to 1, as if the exercise were known to be one of
    them.

    :param exercise: mean calibrated probabilities, (labels,); the surer a view is that it is no unknown exercise, the
        more it counts.
    :param muscles: mean activations, (groups,).
    :param logits: logits of exercises before calibration, (views, labels); mirror images come after all windows.
    :param members: mean probabilities by each member of a task's fusion alone, by task and member's name. Those of
        exercises are under the bundle's temperature, so that a sole member has the scores of the model.
    :param tasks: mean values of the tasks that plugins declare, (labels,), by task.
    :param unknown: mean probability of an unknown exercise; 0 for a model without that label.
    :param unknown_logits: logits of ``unknown`` before calibration, (views, 1); None for a model without that label.
    """

    item: ClipItem
    exercise: FloatArray
    muscles: FloatArray
    logits: FloatArray
    members: Mapping[Task, Mapping[str, FloatArray]]
    tasks: Mapping[Task, FloatArray] = attrs.field(factory=dict)
    unknown: float = 0.0
    unknown_logits: FloatArray | None = None

    def probabilities(self, temperature: float) -> FloatArray:
        """Each view's probabilities of exercises at a temperature, (views, labels)."""
        return to_probabilities(self.logits / np.float32(temperature), "softmax")

    def mean_probabilities(self, temperature: float) -> FloatArray:
        """Probabilities of exercises over all views at a temperature, (labels,), averaged as `exercise` is."""
        unknown = self.unknown_logits
        logits = self.logits if unknown is None else np.concatenate([self.logits, unknown], axis=1, dtype=np.float32)
        return _known(to_probabilities(logits / np.float32(temperature), "softmax"), self.logits.shape[1])[0]

    @property
    def named(self) -> FloatArray:
        """Mean probabilities of exercises as sessions state them: the less, the likelier the exercise is unknown."""
        return self.exercise * np.float32(1 - self.unknown)


def clip_scores(model: Model, item: ClipItem, clips: Mapping[str, NDArray[Any]]) -> ClipScores:
    """Scores of a clip's views, which are as :meth:`Model.run` takes them."""
    return scores_of_outputs(model, item, model.run(clips))


def scores_of_outputs(model: Model, item: ClipItem, outputs: Outputs) -> ClipScores:
    """Scores of a clip from the branches' outputs for its views."""
    fused = model.fuse(outputs)
    labels = model.labels.exercise
    order = [*(at for at, label in enumerate(labels) if label != UNKNOWN), *_unknown_at(labels)]
    known = len(known_labels(model))
    exercise, unknown = _known(model.calibrated(fused["exercise"])[:, order], known)
    logits = fused["exercise"].logits[:, order]
    return ClipScores(
        item=item,
        exercise=exercise,
        unknown=unknown,
        muscles=_mean(fused["muscles"].probabilities),
        tasks={task: _mean(fused[task].probabilities) for task in model.tasks},
        logits=logits[:, :known],
        unknown_logits=logits[:, known:] if UNKNOWN in labels else None,
        members={
            task: {
                name: _known(model.calibrated(scores)[:, order], known)[0]
                if task == "exercise"
                else _mean(scores.probabilities)
                for name, scores in members.items()
            }
            for task, members in model.members(outputs).items()
        },
    )


def _unknown_at(labels: Sequence[str]) -> list[int]:
    return [at for at, label in enumerate(labels) if label == UNKNOWN]


def _known(probabilities: FloatArray, known: int) -> tuple[FloatArray, float]:
    """Mean probabilities of the first `known` labels, scaled to sum to 1, and that of the label after them, if any.

    :param probabilities: (views, labels).
    """
    mean = _mean(probabilities)
    total = float(mean[:known].sum())
    if len(mean) == known:
        return mean, 0.0
    return mean[:known] / np.float32(max(total, 1e-9)), float(mean[known])


def _mean(probabilities: FloatArray) -> FloatArray:
    return np.asarray(probabilities.mean(axis=0), dtype=np.float32)
