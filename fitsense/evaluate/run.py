"""A bundle on a split of labelled clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.manifest import ClipItem, Skipped, read_manifest
from fitsense.data.views import clip_views
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.evaluate import metrics
from fitsense.hookspecs import DerivedHeadSpec
from fitsense.model import Model
from fitsense.progress import Track, silent
from fitsense.types import FloatArray, Scores, deactivate
from fitsense.video.source import VideoSource

_BASELINE = "heads/lookup_muscles"


@attrs.frozen(eq=False)
class ClipScores:
    """What a model says of one clip, over all its views.

    :param exercise: mean calibrated probabilities, (labels,).
    :param muscles: mean activations, (groups,).
    """

    item: ClipItem
    exercise: FloatArray
    muscles: FloatArray


def evaluate(
    model: Model, folder: Path, split: str, *, views: int = 4, mirror: bool = True, track: Track = silent
) -> dict[str, Any]:
    """Figures of a model on a split, as a JSON object.

    Every clip is looked at in the same `views` windows, and their mirror images with `mirror`; probabilities are
    averaged. Clips of ``no_exercise`` count for rejection alone; clips of groups that the bundle does not know are
    counted apart, as are those that cannot be read.
    """
    metrics.require()
    dataset = read_manifest(folder, [split])
    scored, unreadable = score(model, dataset.items, views=views, mirror=mirror, track=track)
    report = summarise(model, scored)
    skipped = [*dataset.skipped, *unreadable]
    return {
        "bundle": {"name": model.manifest.name, "version": model.manifest.version},
        "split": split,
        "views": views,
        "mirror": mirror,
        "clips": len(scored),
        "skipped": len(skipped),
        "skipped_files": [attrs.asdict(skip) for skip in skipped],
        **report,
    }


def score(
    model: Model, items: Sequence[ClipItem], *, views: int, mirror: bool, track: Track = silent
) -> tuple[list[ClipScores], list[Skipped]]:
    """The scores of each clip, and the clips that cannot be read, with the reason."""
    scored, skipped = [], []
    for item in track(items, "Clips"):
        try:
            with VideoSource(item.path, model.short_side) as frames:
                clips = clip_views(frames, model.clips, views, mirror)
        except FitsenseError as error:
            skipped.append(Skipped(str(item.path), str(error)))
            continue
        scores = model.scores(clips)
        scored.append(
            ClipScores(
                item,
                model.calibrated(scores["exercise"]).mean(axis=0),
                scores["muscles"].probabilities.mean(axis=0),
            )
        )
    return scored, skipped


def summarise(model: Model, scored: Sequence[ClipScores]) -> dict[str, Any]:
    """The figures of clips that were scored."""
    labels = model.labels.exercise
    known = [clip for clip in scored if clip.item.group in labels and clip.item.group != IDLE]
    idle = [clip for clip in scored if clip.item.group == IDLE]
    foreign = [clip for clip in scored if clip.item.group not in labels and clip.item.group != IDLE]
    probabilities = _stack([clip.exercise for clip in known], len(labels))
    truth = np.array([labels.index(clip.item.group) for clip in known], dtype=np.int64)
    predicted = probabilities.argmax(axis=1)
    by_label = metrics.recall_by_label(predicted, truth, labels)
    calibration = model.manifest.calibration
    return {
        "exercise": {
            "clips": len(known),
            "groups": len(by_label),
            "top1": metrics.top_k(probabilities, truth, 1),
            "top5": metrics.top_k(probabilities, truth, 5),
            "macro_recall": float(np.mean([entry["recall"] for entry in by_label.values()])) if by_label else None,
            "by_group": by_label,
            "labels": list(labels),
            "confusion": metrics.confusion(predicted, truth, len(labels)),
        },
        "muscles": _muscles(model, known),
        "rejection": _rejection(labels, known, idle),
        "unknown": {
            "clips": len(foreign),
            "groups": dict(sorted(Counter(clip.item.group or "(none)" for clip in foreign).items())),
            "named": _named(labels, foreign, calibration.enter),
            "known_named": _named(labels, known, calibration.enter),
            "enter": calibration.enter,
        },
    }


def _muscles(model: Model, known: Sequence[ClipScores]) -> dict[str, Any]:
    groups = model.labels.muscles
    catalogue = load_catalogue().exercises
    worked = [[group in catalogue[clip.item.group].muscles for group in groups] for clip in known]
    truth = np.array(worked, dtype=bool).reshape(-1, len(groups))
    predicted = _stack([clip.muscles for clip in known], len(groups))
    looked_up = _look_up(model, known)
    return {
        "clips": len(known),
        "groups": list(groups),
        "map": metrics.mean_average_precision(predicted, truth),
        "map_lookup": metrics.mean_average_precision(looked_up, truth),
        "f1": metrics.f1(predicted, truth),
        "f1_lookup": metrics.f1(looked_up, truth),
        "label_accuracy": metrics.label_accuracy(predicted, truth),
        "label_accuracy_lookup": metrics.label_accuracy(looked_up, truth),
        "label_accuracy_all_negative": metrics.label_accuracy(np.zeros_like(predicted), truth),
    }


def _stack(rows: Sequence[FloatArray], columns: int) -> FloatArray:
    """The rows as one array, (rows, columns), also where there are none."""
    return np.array(rows, dtype=np.float32).reshape(-1, columns)


def _look_up(model: Model, known: Sequence[ClipScores]) -> NDArray[np.float32]:
    """The muscles that the predicted exercises are known to work: what a learned head has to beat."""
    head = model.plugins.head(_BASELINE)
    if not isinstance(head, DerivedHeadSpec):
        raise InvalidInputError(f"{_BASELINE}: expected a derived head")
    logits = deactivate(_stack([clip.exercise for clip in known], len(model.labels.exercise)), "softmax")
    exercise = Scores("exercise", model.labels.exercise, logits, "softmax")
    return head.derive(head.config(), exercise, model.labels.muscles).probabilities


def _rejection(labels: Sequence[str], known: Sequence[ClipScores], idle: Sequence[ClipScores]) -> dict[str, Any]:
    if IDLE not in labels or not idle:
        return {"clips": len(idle), "auroc": None, "recall": None, "false_rejections": None}
    index = list(labels).index(IDLE)
    scores = np.array([clip.exercise[index] for clip in [*known, *idle]])
    positive = np.array([False] * len(known) + [True] * len(idle))
    rejected = np.array([clip.exercise.argmax() == index for clip in [*known, *idle]])
    return {
        "clips": len(idle),
        "auroc": metrics.auroc(scores, positive),
        "recall": float(rejected[positive].mean()),
        "false_rejections": float(rejected[~positive].mean()),
    }


def _named(labels: Sequence[str], clips: Sequence[ClipScores], enter: float) -> float | None:
    """Share of the clips that get an exercise's name."""
    if not clips:
        return None
    exercises = [index for index, label in enumerate(labels) if label != IDLE]
    return float(np.mean([clip.exercise[exercises].max() >= enter for clip in clips]))
