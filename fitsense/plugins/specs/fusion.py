"""Spec of a fusion, and the cascade in which its members run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from fitsense._internal.validators import number
from fitsense.errors import InvalidInputError
from fitsense.types import Scores


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen
class Cascade:
    """Runs some members of a fusion first, and the others only if these are uncertain.

    :param first: names of the first members; at least one.
    :param threshold: confidence of the first members' fused scores, in 0..1, above which the others do not run: at 0
        they never run, at 1 always. Confidence is the calibrated probability of the most likely label or, for
        multi-label tasks, the lowest probability that a label is classified correctly.
    """

    first: tuple[str, ...] = attrs.field(converter=_names)
    threshold: float = attrs.field(validator=number(0.0, 1.0), converter=float)

    @first.validator
    def _check_first(self, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
        if not value:
            raise InvalidInputError("Cascade.first: expected at least one name, got none")


@attrs.frozen
class FusionSpec:
    """Combines the scores of several branches for one task.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param fuse: function of (config, scores by branch name) that returns the fused scores. fitsense checks before that
        there is at least one branch, and that all have the same task, labels, activation and number of clips.
    :param fit: function of (config, scores by branch name, targets) that returns a config with fitted parameters;
        targets are int64 (clips,) label indices for softmax, float32 (clips, labels) for sigmoid.
        None if there is nothing to fit.
    :param config: attrs class; every field has a default.
    :param min_branches: minimum number of branches.
    :param summary: one line for ``fitsense plugins``.
    :param cascade: function of a config that returns the cascade, or None to run all branches. With a cascade, ``fuse``
        gets the scores of the first branches alone, and those of all branches for the uncertain clips.
    :param is_average: whether fused scores lie between those of the branches, in logits or in probabilities; the
        conformance kit tests it. False for a fusion that may be surer, or less sure, than all of its branches.
    :param is_monotone: True if a label never gets less likely when a branch's score for it increases; tested as well.
    :param is_symmetric: True if the order of branches does not matter; tested as well. Their names may matter.
    """

    name: str
    fuse: Callable[[Any, Mapping[str, Scores]], Scores]
    config: type[Any]
    fit: Callable[[Any, Mapping[str, Scores], Any], Any] | None = None
    min_branches: int = 1
    summary: str = ""
    cascade: Callable[[Any], Cascade | None] | None = None
    is_average: bool = True
    is_monotone: bool = True
    is_symmetric: bool = True
