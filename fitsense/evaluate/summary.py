"""Metrics of clips that a model has scored, over all of them at once, as a JSON object.

For a model with the label ``unknown``, metrics of exercises are of the probabilities without it, and those of unknown
exercises of the probabilities that sessions state.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import IDLE
from fitsense.data.samples import worked_by
from fitsense.data.task_targets import has_target, task_targets
from fitsense.errors import InvalidInputError
from fitsense.evaluate import bootstrap, metrics
from fitsense.evaluate.bootstrap import BootstrapSamples
from fitsense.evaluate.comparison import compare
from fitsense.evaluate.scores import ClipScores, known_labels
from fitsense.evaluate.task_metrics import task_metrics
from fitsense.inference.model import Model
from fitsense.plugins.specs import DerivedHeadSpec
from fitsense.types import FloatArray, Scores, to_logits

_BASELINE = "heads/lookup_muscles"
_WORST = 24
NO_GROUP = "(none)"
"""Placeholder for the group of clips without one."""


@attrs.frozen(eq=False)
class _Known:
    """The clips whose exercise the model knows, as arrays.

    :param truth: indices of their labels, (clips,).
    :param exercise: probabilities, (clips, labels).
    :param worked: the muscle groups that they work: those that the manifest names, else those of the catalogue,
        (clips, groups).
    :param muscles: activations, (clips, groups).
    :param looked_up: those that the predicted exercises are known to work, (clips, groups).
    """

    clips: Sequence[ClipScores]
    truth: NDArray[np.int64]
    exercise: FloatArray
    worked: NDArray[np.bool_]
    muscles: FloatArray
    looked_up: FloatArray

    @classmethod
    def of(cls, model: Model, clips: Sequence[ClipScores]) -> _Known:
        labels, groups = known_labels(model), model.labels.muscles
        muscles = [clip.item.muscles or worked_by(clip.item.group) for clip in clips]
        worked = [[group in named for group in groups] for named in muscles]
        exercise = _stack([clip.exercise for clip in clips], len(labels))
        return cls(
            clips=clips,
            truth=np.array([labels.index(clip.item.group) for clip in clips], dtype=np.int64),
            exercise=exercise,
            worked=np.array(worked, dtype=bool).reshape(-1, len(groups)),
            muscles=_stack([clip.muscles for clip in clips], len(groups)),
            looked_up=_look_up(model, exercise),
        )

    def answers(self, temperature: float) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Confidence of the answer to each clip at a temperature, over all its views, and a mask of right answers."""
        rows = [clip.mean_probabilities(temperature) for clip in self.clips]
        return _answers(_stack(rows, self.exercise.shape[1]), self.truth)

    def answers_to_windows(self, temperature: float, views: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The same for single windows without mirror images, as in a session."""
        rows = [row for clip in self.clips for row in clip.probabilities(temperature)[:views]]
        truth = [label for clip, label in zip(self.clips, self.truth, strict=True) for _ in clip.logits[:views]]
        return _answers(_stack(rows, self.exercise.shape[1]), np.array(truth, dtype=np.int64))


def summarise(model: Model, scored: Sequence[ClipScores], folder: Path, views: int) -> dict[str, Any]:
    """The figures of clips that were scored.

    :param folder: folder to which the paths of clips are relative.
    :param views: how many of each clip's views are windows; the rest are their mirror images.
    """
    labels = known_labels(model)
    known = _Known.of(model, [clip for clip in scored if clip.item.group in labels and clip.item.group != IDLE])
    idle = [clip for clip in scored if clip.item.group == IDLE]
    untrained = [clip for clip in scored if clip.item.group not in labels and clip.item.group != IDLE]
    draws = BootstrapSamples.of([clip.item.scene for clip in known.clips])
    return {
        "exercise": _exercise(model, known, views),
        "muscles": {**_muscles(model, known), "unseen": _unseen(model, untrained)},
        "rejection": _rejection(labels, known.clips, idle),
        "unknown": _unknown(model, known.clips, idle, untrained),
        **({"tasks": _tasks(model, scored)} if model.tasks else {}),
        "intervals": _intervals(known, draws) | _intervals_of_rejection(labels, known.clips, idle, untrained),
        **compare(known.clips, known.truth, known.worked, draws),
        "by_source": _by_source(known),
        "worst": _worst(labels, scored, folder),
        "plots": {
            "reliability": _reliability(model, known, views),
            "precision_recall": {
                group: {
                    "positives": float(known.worked[:, index].mean()) if known.clips else None,
                    "fused": metrics.precision_recall(known.muscles[:, index], known.worked[:, index]),
                    "lookup": metrics.precision_recall(known.looked_up[:, index], known.worked[:, index]),
                }
                for index, group in enumerate(model.labels.muscles)
            },
        },
    }


def relative(path: Path, folder: Path) -> str:
    """A clip's path as the manifest of its folder names it."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _exercise(model: Model, known: _Known, views: int) -> dict[str, Any]:
    labels, truth, probabilities = known_labels(model), known.truth, known.exercise
    predicted = probabilities.argmax(axis=1)
    recall = metrics.recall_by_label(predicted, truth, labels)
    temperature = model.manifest.calibration.temperature
    return {
        "clips": len(known.clips),
        "groups": len(recall),
        "top1": metrics.top_k(probabilities, truth, 1),
        "top5": metrics.top_k(probabilities, truth, 5),
        "macro_recall": float(np.mean([entry["recall"] for entry in recall.values()])) if recall else None,
        "nll": metrics.log_loss(probabilities, truth),
        "ece": metrics.calibration_error(*known.answers(temperature)),
        "ece_uncalibrated": metrics.calibration_error(*known.answers(1.0)),
        "ece_by_chance": metrics.calibration_error_by_chance(known.answers(temperature)[0]),
        "ece_windows": metrics.calibration_error(*known.answers_to_windows(temperature, views)),
        "ece_windows_uncalibrated": metrics.calibration_error(*known.answers_to_windows(1.0, views)),
        "by_group": _by_group(labels, known, recall),
        "labels": list(labels),
        "confusion": metrics.confusion(predicted, truth, len(labels)),
    }


def _by_group(
    labels: Sequence[str], known: _Known, recall: dict[str, dict[str, float | int]]
) -> dict[str, dict[str, Any]]:
    """Figures of each exercise among the clips of known ones."""
    if not recall:
        return {}
    more = metrics.precision_and_f1(known.exercise.argmax(axis=1), known.truth, labels)
    precision = metrics.average_precision(known.exercise, np.eye(len(labels), dtype=bool)[known.truth])
    return {
        label: {
            **entry,
            "scenes": len({clip.item.scene for clip in known.clips if clip.item.group == label}),
            **more[label],
            "average_precision": precision[labels.index(label)],
        }
        for label, entry in recall.items()
    }


def _muscles(model: Model, known: _Known) -> dict[str, Any]:
    groups, truth, predicted, looked_up = model.labels.muscles, known.worked, known.muscles, known.looked_up
    map_, map_lookup = (metrics.mean_average_precision(scores, truth) for scores in (predicted, looked_up))
    precision, precision_lookup = (metrics.average_precision(scores, truth) for scores in (predicted, looked_up))
    f1s = metrics.f1_by_column(predicted, truth)
    return {
        "clips": len(known.clips),
        "groups": list(groups),
        "map": map_,
        "map_lookup": map_lookup,
        "map_over_lookup": None if map_ is None or map_lookup is None else map_ - map_lookup,
        "f1": metrics.f1(predicted, truth),
        "f1_lookup": metrics.f1(looked_up, truth),
        "label_accuracy": metrics.label_accuracy(predicted, truth),
        "label_accuracy_lookup": metrics.label_accuracy(looked_up, truth),
        "label_accuracy_all_negative": metrics.label_accuracy(np.zeros_like(predicted), truth),
        "by_group": {
            group: {
                "positives": int(truth[:, index].sum()),
                "average_precision": precision[index],
                "average_precision_lookup": precision_lookup[index],
                "f1": f1s[index],
            }
            for index, group in enumerate(groups)
        },
    }


def _tasks(model: Model, scored: Sequence[ClipScores]) -> dict[str, Any]:
    """Metrics of the tasks that plugins declare, on the clips that are labelled for them."""
    figures = {}
    for name, task in model.tasks.items():
        labels = model.labels.of(name)
        clips = [clip for clip in scored if has_target(clip.item, task)]
        truth = task_targets([clip.item for clip in clips], task, labels)
        figures[name] = task_metrics(task, labels, _stack([clip.tasks[name] for clip in clips], len(labels)), truth)
    return figures


def _unseen(model: Model, untrained: Sequence[ClipScores]) -> dict[str, Any]:
    """Metrics of muscles on clips of exercises that the model does not know, if the manifest or the catalogue states
    their muscles."""
    groups = model.labels.muscles
    named = [
        (clip, clip.item.muscles or worked_by(clip.item.group) or worked_by(clip.item.exercise)) for clip in untrained
    ]
    clips = [(clip, worked) for clip, worked in named if worked]
    truth = np.array([[group in worked for group in groups] for _, worked in clips], dtype=bool)
    truth = truth.reshape(-1, len(groups))
    exercise = _stack([clip.exercise for clip, _ in clips], len(known_labels(model)))
    map_ = metrics.mean_average_precision(_stack([clip.muscles for clip, _ in clips], len(groups)), truth)
    map_lookup = metrics.mean_average_precision(_look_up(model, exercise), truth)
    return {
        "clips": len(clips),
        "map": map_,
        "map_lookup": map_lookup,
        "map_over_lookup": None if map_ is None or map_lookup is None else map_ - map_lookup,
    }


def _look_up(model: Model, probabilities: FloatArray) -> FloatArray:
    """Muscles of the predicted exercises by the catalogue: the baseline of learned heads."""
    head = model.plugins.head(_BASELINE)
    if not isinstance(head, DerivedHeadSpec):
        raise InvalidInputError(f"{_BASELINE}: expected a derived head")
    exercise = Scores("exercise", known_labels(model), to_logits(probabilities, "softmax"), "softmax")
    return head.derive(head.config(), exercise, model.labels.muscles).probabilities


def _rejection(labels: Sequence[str], known: Sequence[ClipScores], idle: Sequence[ClipScores]) -> dict[str, Any]:
    if IDLE not in labels or not idle:
        return {"clips": len(idle), "auroc": None, "recall": None, "false_rejections": None}
    index = list(labels).index(IDLE)
    positive = _kinds(known, idle)
    rejected = np.array([clip.exercise.argmax() == index for clip in [*known, *idle]])
    return {
        "clips": len(idle),
        "auroc": metrics.auroc(_idleness(labels, [*known, *idle]), positive),
        "recall": float(rejected[positive].mean()),
        "false_rejections": float(rejected[~positive].mean()) if known else None,
    }


def _unknown(
    model: Model, known: Sequence[ClipScores], idle: Sequence[ClipScores], untrained: Sequence[ClipScores]
) -> dict[str, Any]:
    labels, enter = known_labels(model), model.manifest.calibration.enter

    def auroc(others: Sequence[ClipScores]) -> float | None:
        return metrics.auroc(_doubt(labels, [*known, *others]), _kinds(known, others))

    def named(clips: Sequence[ClipScores]) -> float | None:
        return float((_doubt(labels, clips) <= 1 - enter).mean()) if clips else None

    return {
        "clips": len(untrained),
        "groups": dict(sorted(Counter(clip.item.group or NO_GROUP for clip in untrained).items())),
        "named": named(untrained),
        "known_named": named(known),
        "idle_named": named(idle),
        "enter": enter,
        "auroc": auroc([*idle, *untrained]),
        "auroc_idle": auroc(idle),
        "auroc_untrained": auroc(untrained),
    }


def _intervals(known: _Known, draws: BootstrapSamples) -> dict[str, list[float] | None]:
    weights, truth = draws.weights, known.truth
    first, top5 = (metrics.among_top(known.exercise, truth, k) for k in (1, 5))
    map_ = bootstrap.mean_average_precision(weights, known.muscles, known.worked)
    map_lookup = bootstrap.mean_average_precision(weights, known.looked_up, known.worked)
    return {
        "exercise.top1": draws.interval(bootstrap.share(weights, first)),
        "exercise.top5": draws.interval(bootstrap.share(weights, top5)),
        "exercise.macro_recall": draws.interval(bootstrap.macro_share(weights, first, truth)),
        "exercise.ece": draws.interval(bootstrap.calibration_error(weights, known.exercise.max(axis=1), first)),
        "muscles.map": draws.interval(map_),
        "muscles.map_over_lookup": draws.interval(map_ - map_lookup),
    }


def _intervals_of_rejection(
    labels: Sequence[str], known: Sequence[ClipScores], idle: Sequence[ClipScores], untrained: Sequence[ClipScores]
) -> dict[str, list[float] | None]:
    """Intervals of the rejection metrics, over the scenes of all clips."""

    def interval(scores: FloatArray, others: Sequence[ClipScores]) -> list[float] | None:
        draws = BootstrapSamples.of([clip.item.scene for clip in [*known, *others]])
        return draws.interval(bootstrap.auroc(draws.weights, scores, _kinds(known, others)))

    others = [*idle, *untrained]
    return {
        "rejection.auroc": interval(_idleness(labels, [*known, *idle]), idle) if IDLE in labels else None,
        "unknown.auroc": interval(_doubt(labels, [*known, *others]), others),
    }


def _kinds(known: Sequence[ClipScores], others: Sequence[ClipScores]) -> NDArray[np.bool_]:
    """Mask of the others among the clips of both kinds, one after the other."""
    return np.repeat([False, True], [len(known), len(others)])


def _idleness(labels: Sequence[str], clips: Sequence[ClipScores]) -> FloatArray:
    """The probability of no exercise, (clips,)."""
    return np.array([clip.exercise[list(labels).index(IDLE)] for clip in clips], dtype=np.float32)


def _doubt(labels: Sequence[str], clips: Sequence[ClipScores]) -> FloatArray:
    """One minus the largest score of an exercise for the naming threshold, (clips,)."""
    exercises = [index for index, label in enumerate(labels) if label != IDLE]
    return np.array([1 - clip.named[exercises].max() for clip in clips], dtype=np.float32)


def _by_source(known: _Known) -> dict[str, dict[str, Any]]:
    """Figures of each source of clips; none where all are from one."""
    right: dict[str, list[bool]] = defaultdict(list)
    for clip, hit in zip(known.clips, metrics.among_top(known.exercise, known.truth, 1), strict=True):
        right[clip.item.source].append(bool(hit))
    if len(right) < 2:
        return {}
    return {source: {"clips": len(hits), "top1": float(np.mean(hits))} for source, hits in sorted(right.items())}


def _worst(labels: Sequence[str], scored: Sequence[ClipScores], folder: Path) -> list[dict[str, Any]]:
    """The clips with the most confident wrong answers. For exercises that the model does not know, only
    ``no_exercise`` and ``unknown`` are right."""
    wrong: list[dict[str, Any]] = []
    for clip in scored:
        known = clip.item.group in labels
        answer = labels[int(clip.exercise.argmax())]
        rejected = not known and clip.unknown >= clip.named.max()
        if answer != (clip.item.group if known else IDLE) and not rejected:
            wrong.append(
                {
                    "path": relative(clip.item.path, folder),
                    "truth": clip.item.group or NO_GROUP,
                    "known": known,
                    "answer": answer,
                    "probability": float(clip.named.max()),
                    "truth_probability": float(clip.named[labels.index(clip.item.group)]) if known else None,
                }
            )
    return sorted(wrong, key=lambda entry: (-entry["probability"], entry["path"]))[:_WORST]


def _reliability(model: Model, known: _Known, views: int) -> dict[str, Any]:
    temperature = model.manifest.calibration.temperature
    return {
        "clips": {
            "before": metrics.reliability(*known.answers(1.0)),
            "after": metrics.reliability(*known.answers(temperature)),
        },
        "windows": {
            "before": metrics.reliability(*known.answers_to_windows(1.0, views)),
            "after": metrics.reliability(*known.answers_to_windows(temperature, views)),
        },
    }


def _answers(probabilities: FloatArray, truth: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.bool_]]:
    return probabilities.max(axis=1), metrics.among_top(probabilities, truth, 1)


def _stack(rows: Sequence[FloatArray], columns: int) -> FloatArray:
    """The rows as one array, (rows, columns), also where there are none."""
    return np.array(rows, dtype=np.float32).reshape(-1, columns)
