"""Muscles of an exercise that was never shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fitsense.bundles.manifest import Labels
from fitsense.catalogue import IDLE
from fitsense.errors import InvalidInputError
from fitsense.experiments.base import Result, Row, Setting, Table
from fitsense.experiments.dataset import pool_of
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.frozen_runs import FrozenRuns, look_up
from fitsense.experiments.muscles_baseline import looked_up_from
from fitsense.experiments.predictions import MUSCLES, Predictions, differences, figures, ranking_precision
from fitsense.train.heads import targets

name = "left-out-exercise"
question = "Does a head that learned muscles know those of an exercise that it has never seen, better than the look-up?"

_RANKING = "ranking precision"
_UNSEEN = "groups of its own"
_MEASURES = MUSCLES | {_RANKING: ranking_precision}


def run(setting: Setting) -> Result:
    """Fit heads without one exercise, and ask them about it; each exercise in turn.

    Neither were the scenes of the clips that are asked about learned from. The look-up, too, knows nothing of the
    exercise: it has the muscles of those that it takes the clips for.
    """
    pool = pool_of(setting)
    exercises = [label for label in pool.labels.exercise if label != IDLE]
    if len(exercises) < 2:
        raise InvalidInputError(f"{setting.data}: expected at least two exercises, to leave one out, got {exercises}")
    still = FrozenRuns.of(setting, pool)
    learned, looked_up, frequent = _left_out(setting, still, exercises, pool.labels)
    known = still.cross_validated([item.fold for item in still.footage], pool.labels, "Folds, with every exercise")
    # What is independent here are exercises.
    draws = learned.draws("group")
    ahead = differences(learned, looked_up, _MEASURES, draws)
    together = [
        Row("learned, left out", figures(learned, _MEASURES, draws)),
        Row("looked up, left out", figures(looked_up, _MEASURES, draws)),
        Row("by frequency, left out", figures(frequent, _MEASURES, draws)),
        Row("learned − looked up, left out", ahead, difference=True),
        Row("learned, known", figures(known, _MEASURES, draws)),
        Row("looked up, known", figures(looked_up_from(setting, known), _MEASURES, draws)),
    ]
    single = [_single(exercise, learned, looked_up, frequent) for exercise in exercises]
    unseen = [row for row in single if row.facts[_UNSEEN]]
    better = sum((row.figures["learned"].value or 0) > (row.figures["looked up"].value or 0) for row in single)
    return Result(
        measured=f"{still.describe()}; each exercise left out in turn, and the fold of the clips that are asked about; "
        f"{len(learned.footage)} clips of {len(exercises)} exercises, {len(pool.labels.muscles)} muscle groups; "
        "intervals over exercises.",
        tables=[
            Table("All exercises together", together),
            Table(f"Each exercise by itself: {_RANKING}, intervals over scenes", single),
        ],
        answer=f"Of exercises that were left out, learning changes mAP by "
        f"{format_metric(ahead['mAP'], difference=True)} over "
        f"looking up: {verdict(ahead['mAP'])}; {_RANKING} by {format_metric(ahead[_RANKING], difference=True)}: "
        f"{verdict(ahead[_RANKING])}. It ranks muscles better for {better} of {len(exercises)} exercises. "
        f"Left out, its mAP is {format_metric(together[0].figures['mAP'])}, where saying of every clip how often a "
        f"group is worked by the others gives {format_metric(together[2].figures['mAP'])}; of exercises that it knows, "
        f"it is "
        f"{format_metric(together[4].figures['mAP'])}. {len(unseen)} exercises work a group that no other one does, "
        f"which "
        "nothing can know that has not seen them.",
        skipped=still.skipped,
    )


def _left_out(
    setting: Setting, still: FrozenRuns, exercises: Sequence[str], labels: Labels
) -> tuple[Predictions, Predictions, Predictions]:
    """What is said of each clip's muscles by what knows neither its exercise nor its fold: heads, the look-up, and how
    often groups are worked."""
    footage = [item for item in still.footage if item.group in exercises]
    learned, looked_up, frequent = (np.zeros((len(footage), len(labels.muscles)), np.float32) for _ in range(3))
    jobs = sorted({(item.group, item.fold) for item in footage})
    for exercise, fold in setting.track(jobs, "Exercises and folds"):
        here = np.array([(item.group, item.fold) == (exercise, fold) for item in footage])
        asked = [item for item, yes in zip(footage, here, strict=True) if yes]
        others = [item for item in still.footage if item.group != exercise and item.fold != fold]
        remaining = tuple(label for label in labels.exercise if any(item.group == label for item in others))
        learned[here] = still.head("muscles", others, asked, labels.muscles)
        named = still.head("exercise", others, asked, remaining)
        looked_up[here] = look_up(setting.plugins, named, remaining, labels.muscles)
        frequent[here] = targets(others, "muscles", labels.muscles).mean(axis=0)
    by_learning, by_look_up, by_frequency = (
        Predictions.of(footage, labels, muscles=muscles) for muscles in (learned, looked_up, frequent)
    )
    return by_learning, by_look_up, by_frequency


def _single(exercise: str, learned: Predictions, looked_up: Predictions, frequent: Predictions) -> Row:
    own = np.array([item.group == exercise for item in learned.footage])
    footage = [item for item in learned.footage if item.group == exercise]
    elsewhere = {muscle for item in learned.footage if item.group != exercise for muscle in item.muscles}
    said = {"learned": learned, "looked up": looked_up, "by frequency": frequent}
    answers = {way: Predictions.of(footage, one.labels, muscles=one.muscles[own]) for way, one in said.items()}
    draws = answers["learned"].draws()
    unseen = {muscle for item in footage for muscle in item.muscles} - elsewhere
    return Row(
        exercise,
        {way: figures(one, {_RANKING: ranking_precision}, draws)[_RANKING] for way, one in answers.items()},
        {"clips": len(footage), "scenes": draws.scenes, _UNSEEN: len(unseen)},
    )
