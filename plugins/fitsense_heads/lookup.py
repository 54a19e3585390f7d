"""Muscles by look-up in the catalogue: the baseline for learned heads."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from fitsense import Scores, load_catalogue, to_logits


@attrs.frozen
class LookupConfig:
    """Configuration of the look-up.

    :param hard: whether to use only the most likely exercise, instead of all exercises weighted by probability.
    :param muscles: muscle groups of exercises that are not in the catalogue, or not with these.
    """

    hard: bool = False
    muscles: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def derive(config: LookupConfig, exercise: Scores, labels: tuple[str, ...]) -> Scores:
    """Activation of each muscle group: the probability of the exercises that work it, by the catalogue or the
    configuration.

    :param labels: ids of muscle groups.
    """
    worked = [_muscles(config, name) for name in exercise.labels]
    works = np.array([[group in muscles for group in labels] for muscles in worked], dtype=np.float32)
    probabilities = exercise.probabilities
    if config.hard:
        probabilities = np.eye(len(exercise.labels), dtype=np.float32)[probabilities.argmax(axis=1)]
    activations = (probabilities @ works).astype(np.float32)
    return Scores("muscles", labels, to_logits(activations, "sigmoid"), "sigmoid")


def add_label(config: LookupConfig, exercise: str, muscles: tuple[str, ...]) -> LookupConfig:
    """Return the configuration in which an exercise works some muscle groups."""
    return attrs.evolve(config, muscles={**config.muscles, exercise: muscles})


def _muscles(config: LookupConfig, exercise: str) -> tuple[str, ...]:
    if exercise in config.muscles:
        return config.muscles[exercise]
    known = load_catalogue().exercises.get(exercise)
    return known.muscles if known else ()
