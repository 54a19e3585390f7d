"""Comparison of learned muscles with those looked up from the exercise."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense.experiments.base import Result, Row, Setting, Table
from fitsense.experiments.dataset import pool_of
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.frozen_runs import FrozenRuns, look_up
from fitsense.experiments.predictions import MUSCLES, Predictions, differences, figures

name = "muscles-baseline"
question = "Does learning muscles beat looking them up from the predicted exercise?"


def run(setting: Setting) -> Result:
    """Fit heads for exercises and for muscles, cross-validated over folds of scenes."""
    pool = pool_of(setting)
    frozen = FrozenRuns.of(setting, pool)
    learned = frozen.cross_validated([item.fold for item in frozen.samples], pool.labels, "Folds")
    looked_up = looked_up_from(setting, learned)
    negative = attrs.evolve(learned, muscles=np.zeros_like(learned.muscles))
    draws = learned.draws()
    ahead = differences(learned, looked_up, MUSCLES, draws)
    return Result(
        measured=f"{frozen.describe()}; cross-validated, {len(learned.samples)} clips of {draws.scenes} scenes, "
        f"{len(pool.labels.muscles)} muscle groups; intervals over scenes.",
        tables=[
            Table(
                "Muscles",
                [
                    Row("learned", figures(learned, MUSCLES, draws)),
                    Row("looked up", figures(looked_up, MUSCLES, draws)),
                    Row("none active", figures(negative, MUSCLES, draws)),
                    Row("learned − looked up", ahead, difference=True),
                ],
            )
        ],
        answer=f"Learning muscles changes mAP by {format_metric(ahead['mAP'], difference=True)} over looking them up: "
        f"{verdict(ahead['mAP'])}. It changes micro F1 by {format_metric(ahead['micro F1'], difference=True)}: "
        f"{verdict(ahead['micro F1'])}. Muscles are a function of the exercise here: for known exercises, the "
        "look-up is wrong only if the predicted exercise is.",
        skipped=frozen.skipped,
    )


def looked_up_from(setting: Setting, learned: Predictions) -> Predictions:
    """Replace the muscles of predictions by those of the predicted exercises."""
    labels = learned.labels
    return attrs.evolve(learned, muscles=look_up(setting.plugins, learned.exercise, labels.exercise, labels.muscles))
