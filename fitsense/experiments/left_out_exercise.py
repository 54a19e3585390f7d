"""Muscle prediction for exercises without training clips."""

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
question = "Does a trained muscle head predict the muscles of an unseen exercise better than the look-up?"

_RANKING = "ranking precision"
_UNSEEN = "groups of no other exercise"
_MEASURES = MUSCLES | {_RANKING: ranking_precision}


def run(setting: Setting) -> Result:
    """Leave each exercise out in turn: fit heads without it, and predict its clips.

    The scenes of these clips are left out, too. The look-up predicts one of the remaining exercises, and gives the
    muscles of that.
    """
    pool = pool_of(setting)
    exercises = [label for label in pool.labels.exercise if label != IDLE]
    if len(exercises) < 2:
        raise InvalidInputError(f"{setting.data}: expected at least two exercises, to leave one out, got {exercises}")
    frozen = FrozenRuns.of(setting, pool)
    learned, looked_up, frequent = _left_out(setting, frozen, exercises, pool.labels)
    known = frozen.cross_validated([item.fold for item in frozen.samples], pool.labels, "Folds, with every exercise")
    # Exercises are the independent units here.
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
        measured=f"{frozen.describe()}; each exercise left out in turn, with the fold of the predicted clips; "
        f"{len(learned.samples)} clips of {len(exercises)} exercises, {len(pool.labels.muscles)} muscle groups; "
        "intervals over exercises.",
        tables=[
            Table("All exercises together", together),
            Table(f"Single exercises: {_RANKING}, intervals over scenes", single),
        ],
        answer=f"For exercises that were left out, learning changes mAP by "
        f"{format_metric(ahead['mAP'], difference=True)} over "
        f"the look-up: {verdict(ahead['mAP'])}; {_RANKING} by {format_metric(ahead[_RANKING], difference=True)}: "
        f"{verdict(ahead[_RANKING])}. It ranks muscles better for {better} of {len(exercises)} exercises. "
        f"For left-out exercises its mAP is {format_metric(together[0].figures['mAP'])}, that of the frequency of each "
        f"group in the other exercises is {format_metric(together[2].figures['mAP'])}; for known exercises its mAP is "
        f"{format_metric(together[4].figures['mAP'])}. {len(unseen)} exercises work a group that no other one works, "
        "which cannot be learned without them.",
        skipped=frozen.skipped,
    )


def _left_out(
    setting: Setting, frozen: FrozenRuns, exercises: Sequence[str], labels: Labels
) -> tuple[Predictions, Predictions, Predictions]:
    """Predict the muscles of each clip without its exercise and its fold: by heads, by the look-up, and by the
    frequency of groups."""
    samples = [item for item in frozen.samples if item.group in exercises]
    learned, looked_up, frequent = (np.zeros((len(samples), len(labels.muscles)), np.float32) for _ in range(3))
    jobs = sorted({(item.group, item.fold) for item in samples})
    for exercise, fold in setting.track(jobs, "Exercises and folds"):
        here = np.array([(item.group, item.fold) == (exercise, fold) for item in samples])
        asked = [item for item, yes in zip(samples, here, strict=True) if yes]
        others = [item for item in frozen.samples if item.group != exercise and item.fold != fold]
        remaining = tuple(label for label in labels.exercise if any(item.group == label for item in others))
        learned[here] = frozen.head("muscles", others, asked, labels.muscles)
        named = frozen.head("exercise", others, asked, remaining)
        looked_up[here] = look_up(setting.plugins, named, remaining, labels.muscles)
        frequent[here] = targets(others, "muscles", labels.muscles).mean(axis=0)
    by_learning, by_look_up, by_frequency = (
        Predictions.of(samples, labels, muscles=muscles) for muscles in (learned, looked_up, frequent)
    )
    return by_learning, by_look_up, by_frequency


def _single(exercise: str, learned: Predictions, looked_up: Predictions, frequent: Predictions) -> Row:
    own = np.array([item.group == exercise for item in learned.samples])
    samples = [item for item in learned.samples if item.group == exercise]
    elsewhere = {muscle for item in learned.samples if item.group != exercise for muscle in item.muscles}
    said = {"learned": learned, "looked up": looked_up, "by frequency": frequent}
    answers = {way: Predictions.of(samples, one.labels, muscles=one.muscles[own]) for way, one in said.items()}
    draws = answers["learned"].draws()
    unseen = {muscle for item in samples for muscle in item.muscles} - elsewhere
    return Row(
        exercise,
        {way: figures(one, {_RANKING: ranking_precision}, draws)[_RANKING] for way, one in answers.items()},
        {"clips": len(samples), "scenes": draws.scenes, _UNSEEN: len(unseen)},
    )
