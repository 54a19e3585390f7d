"""Accuracy on clips of unseen publishers."""

from __future__ import annotations

from fitsense.data.splits import folds_by
from fitsense.experiments.base import Result, Row, Setting, Table
from fitsense.experiments.dataset import pool_of
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.frozen_runs import FrozenRuns
from fitsense.experiments.predictions import EXERCISE, MUSCLES, differences, figures

name = "left-out-sources"
question = "How much lower are the metrics on clips of other publishers, as users have them, than on other scenes?"

_MEASURES = EXERCISE | MUSCLES


def run(setting: Setting) -> Result:
    """Fit heads cross-validated by scenes, and by whole sources."""
    pool = pool_of(setting)
    frozen = FrozenRuns.of(setting, pool)
    scenes = frozen.cross_validated([item.fold for item in frozen.samples], pool.labels, "Folds of scenes")
    folds = folds_by(frozen.samples, "source")
    sources = frozen.cross_validated(folds, pool.labels, "Folds of sources")
    draws = scenes.draws("source")
    change = differences(sources, scenes, _MEASURES, draws)
    return Result(
        measured=f"{frozen.describe()}; cross-validated, {len(scenes.samples)} clips of {scenes.draws().scenes} scenes "
        f"and {draws.scenes} sources, which are spread over {len(set(folds))} folds; the scene of a clip of "
        "unknown source counts as a source; intervals over sources.",
        tables=[
            Table(
                "Held-out units",
                [
                    Row("scenes", figures(scenes, _MEASURES, draws)),
                    Row("sources", figures(sources, _MEASURES, draws)),
                    Row("sources − scenes", change, difference=True),
                ],
            )
        ],
        answer=f"With whole sources held out rather than scenes, top-1 changes by "
        f"{format_metric(change['top-1'], difference=True)}: {verdict(change['top-1'])}; macro recall by "
        f"{format_metric(change['macro recall'], difference=True)}: {verdict(change['macro recall'])}.",
        skipped=frozen.skipped,
    )
