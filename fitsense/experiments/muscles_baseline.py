"""Learned muscles against muscles that are looked up."""

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
    still = FrozenRuns.of(setting, pool)
    learned = still.cross_validated([item.fold for item in still.footage], pool.labels, "Folds")
    looked_up = looked_up_from(setting, learned)
    negative = attrs.evolve(learned, muscles=np.zeros_like(learned.muscles))
    draws = learned.draws()
    ahead = differences(learned, looked_up, MUSCLES, draws)
    return Result(
        measured=f"{still.describe()}; cross-validated, {len(learned.footage)} clips of {draws.scenes} scenes, "
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
        f"{verdict(ahead['micro F1'])}. Muscles are a function of the exercise here: of exercises that it knows, the "
        "look-up gets wrong only what the head for exercises does.",
        skipped=still.skipped,
    )


def looked_up_from(setting: Setting, learned: Predictions) -> Predictions:
    """The same answers, their muscles looked up from their exercises."""
    labels = learned.labels
    return attrs.evolve(learned, muscles=look_up(setting.plugins, learned.exercise, labels.exercise, labels.muscles))
