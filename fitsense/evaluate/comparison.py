"""Comparison of an ensemble with each of its branches alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitsense.evaluate import bootstrap, metrics
from fitsense.evaluate.bootstrap import BootstrapSamples, Floats
from fitsense.evaluate.scores import ClipScores
from fitsense.types import FloatArray, Task

_Figure = Callable[[Floats, FloatArray], Floats]


def compare(
    clips: Sequence[ClipScores], truth: NDArray[np.int64], worked: NDArray[np.bool_], draws: BootstrapSamples
) -> dict[str, Any]:
    """Metrics of each member of the fusions alone, and the gain of the fusion.

    :param clips: clips of known exercises.
    :param truth: indices of their labels, (clips,).
    :param worked: the muscle groups that their exercise works, (clips, groups).
    :param draws: of their scenes; the ensemble and a member are compared on the same ones.
    :returns: ``branches``, figures by member's name and task; and ``ensemble``, whose ``over_branch`` has, by
        member's name and figure, the difference, its interval, and whether all of that is above 0. A task of one
        member has no ensemble to compare.
    """
    figures: Mapping[Task, Mapping[str, _Figure]] = {
        "exercise": {
            "top1": lambda weights, scores: bootstrap.share(weights, metrics.among_top(scores, truth, 1)),
            "top5": lambda weights, scores: bootstrap.share(weights, metrics.among_top(scores, truth, 5)),
            "macro_recall": lambda weights, scores: bootstrap.macro_share(
                weights, metrics.among_top(scores, truth, 1), truth
            ),
        },
        "muscles": {"map": lambda weights, scores: bootstrap.mean_average_precision(weights, scores, worked)},
    }
    whole = np.ones((1, len(clips)))
    branches: dict[str, dict[str, Any]] = {}
    over: dict[str, dict[str, Any]] = {}
    for task, names in _members(clips).items():
        if task not in figures:
            continue
        joined = np.stack([clip.exercise if task == "exercise" else clip.muscles for clip in clips])
        for name in names:
            alone = np.stack([clip.members[task][name] for clip in clips])
            branches.setdefault(name, {})[task] = {
                what: _finite(take(whole, alone)[0]) for what, take in figures[task].items()
            }
            if len(names) == 1:
                continue
            for what, take in figures[task].items():
                interval = draws.interval(take(draws.weights, joined) - take(draws.weights, alone))
                over.setdefault(name, {})[f"{task}.{what}"] = {
                    "difference": _finite(take(whole, joined)[0] - take(whole, alone)[0]),
                    "interval": interval,
                    "better": interval is not None and interval[0] > 0,
                }
    return {"branches": branches, "ensemble": {"over_branch": over}}


def _members(clips: Sequence[ClipScores]) -> dict[Task, list[str]]:
    return {task: list(members) for task, members in clips[0].members.items()} if clips else {}


def _finite(figure: float) -> float | None:
    return float(figure) if np.isfinite(figure) else None
