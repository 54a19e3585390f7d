"""Experiments: interface, settings and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from fitsense._internal.progress import Track, silent
from fitsense.data.manifest import Skipped
from fitsense.errors import MissingExtraError
from fitsense.evaluate import metrics
from fitsense.experiments.presets import Scale
from fitsense.plugins._manager import PluginManager


@attrs.frozen
class Setting:
    """Settings of an experiment.

    :param data: a folder with a ``manifest.csv``. The split ``test`` is not used: experiments are for choosing models.
    :param cache: folder for features, frames and checkpoints, from which an interrupted run continues.
    :param weights: initial weights of X3D: the name of published weights, or a file.
    :param slowfast_weights: initial weights of SlowFast, where an experiment does not use random ones.
    """

    data: Path
    scale: Scale
    cache: Path
    plugins: PluginManager
    weights: str = "kinetics400"
    slowfast_weights: str = ""
    track: Track = silent


@attrs.frozen
class Figure:
    """A measured value.

    :param value: None where there is nothing to measure it on.
    :param interval: 95 %, by bootstrap; None where it would say nothing.
    """

    value: float | None
    interval: tuple[float, float] | None = None


@attrs.frozen
class Row:
    """Measurements of one variant.

    :param facts: what is known without measuring, such as a count.
    :param difference: whether the figures are differences between two ways.
    """

    name: str
    figures: Mapping[str, Figure]
    facts: Mapping[str, float] = attrs.field(factory=dict)
    difference: bool = False


@attrs.frozen
class Table:
    """Rows that are compared."""

    title: str
    rows: Sequence[Row]


@attrs.frozen
class Plot:
    """Curves over one axis.

    :param across: what the horizontal axis is.
    :param lines: by name, points that rise along that axis.
    :param marks: places on it, by name.
    """

    title: str
    across: str
    lines: Mapping[str, Sequence[tuple[float, Figure]]]
    marks: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen
class Result:
    """Result of an experiment.

    :param measured: on what, and how, in words.
    :param answer: the answer to the question, in words.
    :param skipped: clips that could not be used, and why.
    """

    measured: str
    tables: Sequence[Table]
    answer: str
    skipped: Sequence[Skipped] = ()
    plots: Sequence[Plot] = ()


class Experiment(Protocol):
    """A module that answers a question by measuring."""

    name: str
    """Name on the command line."""

    question: str
    """Question that it answers."""

    def run(self, setting: Setting) -> Result:
        """Run the experiment, with cached results of earlier runs."""


def require() -> None:
    """Raise :class:`MissingExtraError` now rather than after some work, if experiments cannot be run."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an experiment", "torch", error) from error
    metrics.require()
