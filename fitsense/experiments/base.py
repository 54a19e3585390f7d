"""Experiments: interface, settings and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from fitsense._internal.progress import ProgressBar, silent
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
    :param slowfast_weights: initial weights of SlowFast, for experiments that do not use random ones.
    """

    data: Path
    scale: Scale
    cache: Path
    plugins: PluginManager
    weights: str = "kinetics400"
    slowfast_weights: str = ""
    track: ProgressBar = silent


@attrs.frozen
class Figure:
    """A measured value.

    :param value: None if there is nothing to measure it on.
    :param interval: 95 % interval by bootstrap; None if there are too few groups for one.
    """

    value: float | None
    interval: tuple[float, float] | None = None


@attrs.frozen
class Row:
    """Measurements of one variant.

    :param facts: values that are not measured, such as a count.
    :param difference: whether the figures are differences between two variants.
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

    :param across: label of the horizontal axis.
    :param lines: points by name of the curve, in the order of that axis.
    :param marks: positions on that axis by name.
    """

    title: str
    across: str
    lines: Mapping[str, Sequence[tuple[float, Figure]]]
    marks: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen
class Result:
    """Result of an experiment.

    :param measured: clips and method, in words.
    :param answer: the answer to the question, in words.
    :param skipped: clips that could not be read.
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
    """The question that the experiment answers."""

    def run(self, setting: Setting) -> Result:
        """Run the experiment, with cached results of earlier runs."""


def require() -> None:
    """Check that the packages of experiments are installed, before any work.

    :raises MissingExtraError: one is not.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an experiment", "torch", error) from error
    metrics.require()
