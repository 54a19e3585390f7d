"""Calls of a fusion, with checks of its members before and of its scores after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from fitsense.errors import InvalidInputError, PluginError
from fitsense.plugins.specs import FusionSpec
from fitsense.types import Scores

_SHARED = ("task", "labels", "activation")
_SHOWN_CHARACTERS = 200


def fuse_members(spec: FusionSpec, config: Any, members: Mapping[str, Scores]) -> Scores:
    """Fuse the scores of a task. The result is of all of each clip.

    :param members: scores of the same clips, by the name of the branch or derived head.
    :raises InvalidInputError: there are no members, or they disagree on task, labels, activation or clips.
    :raises PluginError: the fusion returns something other than scores of the same form.
    """
    first_name, first = check_members(members)
    fused = spec.fuse(config, members)
    if not isinstance(fused, Scores):
        raise PluginError(f"fusion {spec.name}: expected Scores, got {type(fused).__name__}")
    for what, expected, got in _differences(first, fused):
        raise PluginError(
            f"fusion {spec.name}: {what}: expected those of {first_name}, {_shown(expected)}, got {_shown(got)}"
        )
    return fused if fused.evidence is None else attrs.evolve(fused, evidence=None)


def fit_fusion_config(spec: FusionSpec, config: Any, members: Mapping[str, Scores], targets: Any) -> Any:
    """Return the configuration of a fusion with parameters fitted on held-out clips; unchanged if it has none.

    :param targets: as for :class:`fitsense.plugins.FusionSpec`.
    :raises InvalidInputError: members disagree, or there is not one target for each clip.
    :raises PluginError: the fusion returns something other than a configuration.
    """
    if spec.fit is None:
        return config
    _, first = check_members(members)
    if len(np.asarray(targets)) != len(first.logits):
        raise InvalidInputError(f"targets: expected one for each of {len(first.logits)} clips, got {len(targets)}")
    fitted = spec.fit(config, members, targets)
    if not isinstance(fitted, spec.config):
        raise PluginError(f"fusion {spec.name}: fit: expected {spec.config.__name__}, got {type(fitted).__name__}")
    return fitted


def check_members(members: Mapping[str, Scores]) -> tuple[str, Scores]:
    """Name and scores of the first member, after a check that all members agree.

    :raises InvalidInputError: there are no members, or two disagree; the message names both and the difference.
    """
    if not members:
        raise InvalidInputError("fusion: expected at least one member, got none")
    first_name, first = next(iter(members.items()))
    for name, scores in members.items():
        for what, expected, got in _differences(first, scores):
            raise InvalidInputError(
                f"fusion: expected members that agree, got {what} {_shown(expected)} from {first_name} "
                f"and {_shown(got)} from {name}"
            )
    return first_name, first


def _differences(one: Scores, other: Scores) -> list[tuple[str, Any, Any]]:
    differing = [
        (what, getattr(one, what), getattr(other, what))
        for what in _SHARED
        if getattr(one, what) != getattr(other, what)
    ]
    if one.logits.shape != other.logits.shape:
        differing.append(("shape", one.logits.shape, other.logits.shape))
    return differing


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
