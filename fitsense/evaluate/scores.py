"""What a model, and each member of its fusions, says of a clip."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from fitsense.data.manifest import ClipItem
from fitsense.inference.model import Model
from fitsense.types import FloatArray, Task, UInt8Array, to_probabilities


@attrs.frozen(eq=False)
class ClipScores:
    """What a model says of one clip, over all its views.

    :param exercise: mean calibrated probabilities, (labels,).
    :param muscles: mean activations, (groups,).
    :param logits: the exercise's before calibration, (views, labels); mirror images come after all windows.
    :param members: mean probabilities by each member of a task's fusion alone, by task and member's name. Those of
        exercises are under the bundle's temperature, so that a sole member says what the model says.
    :param tasks: mean values of the tasks that plugins declare, (labels,), by task.
    """

    item: ClipItem
    exercise: FloatArray
    muscles: FloatArray
    logits: FloatArray
    members: Mapping[Task, Mapping[str, FloatArray]]
    tasks: Mapping[Task, FloatArray] = attrs.field(factory=dict)

    def probabilities(self, temperature: float) -> FloatArray:
        """Each view's probabilities of exercises at a temperature, (views, labels)."""
        return to_probabilities(self.logits / np.float32(temperature), "softmax")


def clip_scores(model: Model, item: ClipItem, clips: Mapping[str, UInt8Array]) -> ClipScores:
    """What `model` says of a clip's views, as :meth:`Model.run` takes them."""
    outputs = model.run(clips)
    fused = model.fuse(outputs)
    return ClipScores(
        item=item,
        exercise=_mean(model.calibrated(fused["exercise"])),
        muscles=_mean(fused["muscles"].probabilities),
        logits=fused["exercise"].logits,
        tasks={task: _mean(fused[task].probabilities) for task in model.tasks},
        members={
            task: {
                name: _mean(model.calibrated(scores) if task == "exercise" else scores.probabilities)
                for name, scores in members.items()
            }
            for task, members in model.members(outputs).items()
        },
    )


def _mean(probabilities: FloatArray) -> FloatArray:
    return np.asarray(probabilities.mean(axis=0), dtype=np.float32)
