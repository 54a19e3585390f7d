"""Muscles by look-up in the catalogue: the baseline for learned heads."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense import Scores, load_catalogue, to_logits


@attrs.frozen
class LookupConfig:
    """Configuration of the look-up.

    :param hard: whether to use only the most likely exercise, instead of all exercises weighted by probability.
    """

    hard: bool = False


def derive(config: LookupConfig, exercise: Scores, labels: tuple[str, ...]) -> Scores:
    """Activation of each muscle group: the probability of the exercises that work it, by the catalogue.

    :param labels: ids of muscle groups.
    """
    works = np.array([[group in _muscles(name) for group in labels] for name in exercise.labels], dtype=np.float32)
    probabilities = exercise.probabilities
    if config.hard:
        probabilities = np.eye(len(exercise.labels), dtype=np.float32)[probabilities.argmax(axis=1)]
    activations = (probabilities @ works).astype(np.float32)
    return Scores("muscles", labels, to_logits(activations, "sigmoid"), "sigmoid")


def _muscles(exercise: str) -> tuple[str, ...]:
    known = load_catalogue().exercises.get(exercise)
    return known.muscles if known else ()
