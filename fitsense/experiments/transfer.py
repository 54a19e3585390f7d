"""Transfer between exercise and muscle prediction."""

from __future__ import annotations

import attrs

from fitsense.experiments.base import Result, Row, Setting, Table
from fitsense.experiments.dataset import ExperimentData
from fitsense.experiments.finetune_runs import FinetunedNetwork, FinetuneRuns
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.predictions import EXERCISE, MUSCLES, differences, figures
from fitsense.experiments.presets import Network

name = "transfer"
question = (
    "Does learning exercises help muscles, and learning muscles exercises: first one, then the other, or jointly?"
)


def run(setting: Setting) -> Result:
    """Train X3D in two stages of equal length: on one task, then on either; and on both tasks twice.

    All variants train equally long, and start the second stage with new heads.
    """
    joint = setting.scale.x3d
    runs = FinetuneRuns.of(setting, ExperimentData.of(setting), joint)
    exercise, muscles = _weighted(joint, 1.0, 0.0), _weighted(joint, 0.0, 1.0)
    stages = {
        "exercise → exercise": (exercise, exercise),
        "muscles → exercise": (muscles, exercise),
        "muscles → muscles": (muscles, muscles),
        "exercise → muscles": (exercise, muscles),
        "both → both": (joint, joint),
    }
    tuned: dict[str, FinetunedNetwork] = {}
    for way, (first, second) in setting.track(list(stages.items()), "Trainings, of two stages each"):
        # The cache returns first stages that were trained before.
        tuned[way] = runs.train(second, start=runs.train(first, setting.weights))
    draws = tuned["both → both"].answers.draws()
    tables, answers = [], []
    for task, other, measures, headline in (
        ("exercise", "muscles", EXERCISE, "top-1"),
        ("muscles", "exercise", MUSCLES, "mAP"),
    ):
        alone = tuned[f"{task} → {task}"].answers
        rows, sentences = [Row(f"{task} → {task}", figures(alone, measures, draws))], []
        for way, title in ((f"{other} → {task}", f"Starting with {other}"), ("both → both", "Learning both jointly")):
            ahead = differences(tuned[way].answers, alone, measures, draws)
            rows += [
                Row(way, figures(tuned[way].answers, measures, draws)),
                Row(f"{way}, against {task} alone", ahead, difference=True),
            ]
            sentences.append(
                f"{title} changes {headline} by {format_metric(ahead[headline], difference=True)}: "
                f"{verdict(ahead[headline])}."
            )
        tables.append(Table(f"Measured on {task}", rows))
        answers.append(f"For {task}: {' '.join(sentences)}")
    return Result(
        measured=f"{setting.scale.describe(joint)}, in each of two stages; {runs.describe()}.",
        tables=tables,
        answer=" ".join(answers),
        skipped=runs.skipped,
    )


def _weighted(network: Network, exercise: float, muscles: float) -> Network:
    tuning = attrs.evolve(network.tuning, exercise_weight=exercise, muscles_weight=muscles)
    return attrs.evolve(network, tuning=tuning)
