"""The probability of ``unknown``, for fusions that trust other members the more the less the exercise is known."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense import Scores, to_logits


@attrs.frozen
class DoubtConfig:
    """Configuration of the head.

    :param label: the label of exercises whose probability it states.
    """

    label: str = "unknown"


def derive(config: DoubtConfig, exercise: Scores, labels: tuple[str, ...]) -> Scores:
    """The same score for each muscle group: the probability of the label; 0 if the exercise has no such label."""
    probability = np.zeros(len(exercise.logits), np.float32)
    if config.label in exercise.labels:
        probability = exercise.probabilities[:, exercise.labels.index(config.label)]
    repeated = np.repeat(probability[:, None], len(labels), axis=1).astype(np.float32)
    return Scores("muscles", labels, to_logits(repeated, "sigmoid"), "sigmoid")
