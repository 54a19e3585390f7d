"""What an experiment is, what it is given, and what it gives."""

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
    """What an experiment is run with.

    :param data: a folder with a ``manifest.csv``. The split ``test`` is left alone: experiments are there to choose by.
    :param cache: folder for features, frames and checkpoints, by which an interrupted run goes on.
    :param weights: what X3D starts from: the name of published weights, or a file.
    :param slowfast_weights: likewise of SlowFast, where an experiment does not train it from nothing.
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
    """A measured figure.

    :param value: None where there is nothing to measure it on.
    :param interval: 95 %, by bootstrap; None where it would say nothing.
    """

    value: float | None
    interval: tuple[float, float] | None = None


@attrs.frozen
class Row:
    """What one way of doing it gave.

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
    """What came out.

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
    """What the command line calls it."""

    question: str
    """What it answers."""

    def run(self, setting: Setting) -> Result:
        """Measure. What was computed before is taken from the setting's cache."""


def require() -> None:
    """Raise :class:`MissingExtraError` now rather than after some work, if experiments cannot be run."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an experiment", "torch", error) from error
    metrics.require()
