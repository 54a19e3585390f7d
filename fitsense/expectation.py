"""Expectations of a host: the exercises that may be named, and the one that a guided workout asks for.

An expectation changes the calibrated logits of the exercise, before muscles are derived from them. Exercises that may
not be named get probability 0, and the others, ``unknown`` and idle among them, are renormalised. The odds of the
expected exercise against each other exercise are multiplied by :data:`EXPECTED_ODDS`; the probabilities of idle and
``unknown`` stay as they are, so that a rest stays a rest.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.errors import InvalidInputError, UnknownNameError
from fitsense.types import FloatArray

EXPECTED_ODDS = 4.0
"""The factor on the odds of the expected exercise against each other exercise."""

# The softmax of a label this far below the largest logit is exactly 0 in float32.
_IMPOSSIBLE = 1e4
_EXPECTED_NAMES = "expected names of exercises, such as ('squat', 'push_up'), or None"


@attrs.frozen
class Expectation:
    """The labels of one model that a host expects; made and checked by :meth:`of`.

    :param exercises: labels that may be named beside idle and ``unknown``; None for all.
    :param expected: the label that is more likely than the model says; None for none.
    """

    exercises: tuple[str, ...] | None = None
    expected: str | None = None

    @classmethod
    def of(cls, labels: Sequence[str], exercises: Iterable[str] | None, expected: str | None) -> Expectation:
        """The expectation of a host, in the order of the model's labels.

        :param labels: the model's labels.
        :raises InvalidInputError: the model has no such label; the message suggests one that it has.
        """
        named = [label for label in labels if label not in (IDLE, UNKNOWN)]
        chosen = None
        if exercises is not None:
            wanted = set(exercises)
            for name in sorted(wanted):
                _check_label("exercises", name, named)
            chosen = tuple(label for label in named if label in wanted)
        if expected is not None:
            _check_label("expected", expected, named)
            if chosen is not None and expected not in chosen:
                raise InvalidInputError(f"expected: expected one of exercises ({', '.join(chosen)}), got {expected!r}")
        return cls(chosen, expected)

    def with_exercises(self, labels: Sequence[str], exercises: Iterable[str] | None) -> Expectation:
        """The expectation with other exercises; an expected exercise that is not among them is dropped.

        :raises InvalidInputError: as for :meth:`of`, or `exercises` are not names.
        """
        names = as_names(exercises)
        if names is not None and not _are_names(names):
            raise InvalidInputError(f"exercises: {_EXPECTED_NAMES}, got {exercises!r}")
        changed = Expectation.of(labels, names, None)
        kept = changed.exercises is None or self.expected in changed.exercises
        return attrs.evolve(changed, expected=self.expected if kept else None)

    @property
    def is_neutral(self) -> bool:
        """True if the expectation leaves the logits unchanged."""
        return self.exercises is None and self.expected is None

    def allowed(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Mask of the labels that may have a probability above 0, bool (labels,)."""
        always = (IDLE, UNKNOWN)
        return np.array([self.exercises is None or label in always or label in self.exercises for label in labels])

    def apply(self, logits: FloatArray, labels: Sequence[str]) -> FloatArray:
        """The logits under this expectation, float32 (clips, labels).

        :param logits: calibrated, float32 (clips, labels).
        """
        values, allowed = logits.astype(np.float64), self.allowed(labels)
        if self.expected is not None:
            named = allowed & np.array([label not in (IDLE, UNKNOWN) for label in labels])
            before = _log_sum(values[:, named])
            values[:, list(labels).index(self.expected)] += math.log(EXPECTED_ODDS)
            values[:, named] += before - _log_sum(values[:, named])
        if not allowed.all():
            values[:, ~allowed] = values[:, allowed].max(axis=1, keepdims=True) - _IMPOSSIBLE
        return values.astype(np.float32)


def apply_expectations(
    logits: FloatArray, labels: Sequence[str], expectations: Sequence[Expectation | None]
) -> FloatArray:
    """The logits of clips, each under its own expectation; rows without one stay as they are, bit for bit.

    :param logits: calibrated, float32 (clips, labels).
    :param expectations: one for each clip.
    """
    result = logits
    for expectation in {one for one in expectations if one is not None}:
        rows = [at for at, one in enumerate(expectations) if one == expectation]
        result = result.copy() if result is logits else result
        result[rows] = expectation.apply(logits[rows], labels)
    return result


def exercise_names(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a field that holds names of exercises, at least one, or None."""
    if value is not None and not _are_names(value):
        raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: {_EXPECTED_NAMES}, got {value!r}")


def as_names(value: Any) -> Any:
    """Names as a tuple; a single string is returned as is, so that :func:`exercise_names` refuses it."""
    return tuple(value) if isinstance(value, (list, set, frozenset, tuple)) else value


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and value != () and all(isinstance(name, str) for name in value)


def _check_label(field: str, name: str, labels: Sequence[str]) -> None:
    if name in labels:
        return
    nearest = _nearest(name, labels)
    hint = f"did you mean {nearest}?" if nearest else f"available: {', '.join(labels)}"
    raise InvalidInputError(f"{field}: expected an exercise that the bundle knows, got {name!r}; {hint}")


def _nearest(name: str, labels: Sequence[str]) -> str | None:
    """The label most similar to a name; None if none is similar."""
    try:
        known = load_catalogue().find(name)
    except UnknownNameError:
        plain = name.strip().lower().replace(" ", "_").replace("-", "_")
        return next(iter(difflib.get_close_matches(plain, labels, n=1)), None)
    return next((label for label in (known.id, known.group) if label in labels), None)


def _log_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the sum of exponentials over the last axis, which is kept."""
    largest = values.max(axis=-1, keepdims=True)
    return np.asarray(largest + np.log(np.exp(values - largest).sum(axis=-1, keepdims=True)))
