"""SlowFast's channel reduction ratio."""

from __future__ import annotations

import attrs

from fitsense.experiments.base import Figure, Plot, Result, Row, Setting, Table
from fitsense.experiments.dataset import ExperimentData
from fitsense.experiments.finetune_runs import FinetuneRuns
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.predictions import EXERCISE, MUSCLES, Predictions, differences, figures

name = "channel-ratio"
question = "How many times fewer channels should SlowFast's fast pathway have than its slow one?"

_MEASURES = EXERCISE | MUSCLES


def run(setting: Setting) -> Result:
    """Train SlowFast for each ratio, from random weights, since published ones have one ratio."""
    network = setting.scale.slowfast
    runs = FinetuneRuns.of(setting, ExperimentData.of(setting), network)
    tuned = {
        ratio: runs.train(attrs.evolve(network, config={**network.config, "channel_reduction_ratio": ratio}))
        for ratio in setting.track(sorted(setting.scale.ratios), "Trainings")
    }
    draws = next(iter(tuned.values())).answers.draws()
    rows = {
        ratio: Row(str(ratio), figures(one.answers, _MEASURES, draws), {"parameters": one.parameters})
        for ratio, one in tuned.items()
    }
    order = sorted(rows, key=lambda ratio: -(rows[ratio].figures["top-1"].value or 0.0))
    best, last = order[0], order[-1]
    ahead = differences(tuned[best].answers, tuned[last].answers, _MEASURES, draws)
    return Result(
        measured=f"{setting.scale.describe(network)}, from random weights; {runs.describe()}.",
        tables=[
            Table(
                "SlowFast by channel reduction ratio",
                [*rows.values(), Row(f"{best} − {last}", ahead, difference=True)],
            )
        ],
        answer=f"By top-1 the best ratio is {best}, with {format_metric(rows[best].figures['top-1'])}, and the worst "
        f"{last}, "
        f"with {format_metric(rows[last].figures['top-1'])}. They differ by "
        f"{format_metric(ahead['top-1'], difference=True)}: "
        f"{verdict(ahead['top-1'])}. Choosing the best and the worst of {len(rows)} exaggerates "
        f"the difference. A constant prediction has a macro recall of "
        f"{format_metric(Figure(_constant(tuned[best].answers)))}.",
        skipped=runs.skipped,
        plots=[
            Plot(
                "SlowFast by channel reduction ratio",
                "channel reduction ratio",
                {
                    measure: [(ratio, row.figures[measure]) for ratio, row in rows.items()]
                    for measure in ("top-1", "macro recall", "mAP")
                },
            )
        ],
    )


def _constant(answers: Predictions) -> float:
    """Macro recall of predicting the same exercise for every clip."""
    return 1 / len(set(answers.truth.tolist()))
