"""Comparison of pretrained and random initial weights."""

from __future__ import annotations

from fitsense.experiments.base import Result, Row, Setting, Table
from fitsense.experiments.dataset import ExperimentData
from fitsense.experiments.finetune_runs import FinetuneRuns
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.predictions import EXERCISE, MUSCLES, differences, figures

name = "pretraining"
question = "Does X3D need pretraining, with equal training?"

_MEASURES = EXERCISE | MUSCLES


def run(setting: Setting) -> Result:
    """Train X3D from pretrained and from random weights, with the same settings."""
    network = setting.scale.x3d
    runs = FinetuneRuns.of(setting, ExperimentData.of(setting), network)
    starts = {"pretrained": setting.weights, "from scratch": ""}
    tuned = {start: runs.train(network, weights) for start, weights in setting.track(list(starts.items()), "Trainings")}
    pretrained, scratch = (tuned[start].answers for start in starts)
    draws = pretrained.draws()
    rows = [Row(start, figures(one.answers, _MEASURES, draws)) for start, one in tuned.items()]
    ahead = differences(pretrained, scratch, _MEASURES, draws)
    return Result(
        measured=f"{setting.scale.describe(network)}; {runs.describe()}.",
        tables=[Table("X3D", [*rows, Row("pretrained − from scratch", ahead, difference=True)])],
        answer=f"Pretraining changes top-1 by {format_metric(ahead['top-1'], difference=True)}: "
        f"{verdict(ahead['top-1'])}. "
        f"It changes the muscles' mAP by {format_metric(ahead['mAP'], difference=True)}: {verdict(ahead['mAP'])}.",
        skipped=runs.skipped,
    )
