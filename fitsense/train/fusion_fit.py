"""Fusion and calibration of a bundle's branches, fitted on their out-of-fold outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_to_json
from fitsense.bundles.manifest import Calibration, DerivedEntry, FusionEntry, Labels
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError, PluginError
from fitsense.evaluate import metrics
from fitsense.inference.base import EVIDENCE
from fitsense.inference.members import fit_fusion_config, fuse_members
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, FusionSpec
from fitsense.train import calibration
from fitsense.train.heads import targets
from fitsense.train.recipe import DOUBT, LOOKUP, Recipe, plugin_tasks
from fitsense.train.task_fusion import derived_members, fit_task
from fitsense.train.trained_branch import FittedBranch, Outputs
from fitsense.types import FloatArray, Scores, Task, to_logits

# Of fitting weights and temperature in turn.
_ROUNDS = 3


@attrs.frozen(eq=False)
class FittedFusion:
    """Fitted fusion and calibration.

    :param fusion: the fusion of each task.
    :param derived: heads that derive a task from another.
    :param metrics: metrics of the held-out clips: of each branch, and of the fusion.
    """

    fusion: Mapping[str, FusionEntry]
    derived: tuple[DerivedEntry, ...]
    calibration: Calibration
    metrics: Mapping[str, Any]


@attrs.frozen(eq=False)
class _HeldOutScores:
    """Logits of the members of a fusion for held-out windows.

    :param samples: the sample of each clip.
    :param members: logits (clips, views, labels) by member's name.
    :param evidence: of members that state it, (clips, views), see :attr:`fitsense.Scores.evidence`.
    """

    samples: Sequence[Sample]
    members: Mapping[str, FloatArray]
    evidence: Mapping[str, FloatArray]

    def flat(self, divisor: float, labels: Labels) -> dict[str, Scores]:
        """Scores of exercises of each member, of all windows, with logits divided by a number."""
        return {
            name: attrs.evolve(
                _scores("exercise", logits.reshape(-1, logits.shape[-1]) / np.float32(divisor), labels),
                evidence=self.evidence[name].reshape(-1) if name in self.evidence else None,
            )
            for name, logits in self.members.items()
        }


def fit_fusion(
    recipe: Recipe,
    branches: Sequence[FittedBranch],
    labelled: Sequence[Sample],
    unknown: Sequence[Sample],
    labels: Labels,
    plugins: PluginManager,
) -> FittedFusion:
    """Fit fusions, temperature and thresholds.

    :param labelled: samples of trained labels; those without out-of-fold outputs of every branch are left out.
    :param unknown: samples of other exercises, held out as those of trained labels are if ``unknown`` is a label.
    :raises InvalidInputError: no sample has out-of-fold outputs of every branch.
    """
    full = plugins.full_name("fusion", recipe.fusion)
    spec = plugins.fusion(full)
    held = _out_of_fold(labelled, branches)
    if not held:
        raise InvalidInputError("fusion: expected clips with out-of-fold outputs of every branch, got none")
    unknown_clips = _out_of_fold(unknown, branches) if UNKNOWN in labels.exercise else []
    both = [*held, *unknown_clips]
    exercise = _windows(branches, both, "exercise")
    truth = targets(both, "exercise", labels.exercise)
    fused, config, temperature = _best_space(spec, exercise, truth, len(held), labels)
    calibrated = _probabilities(fused / temperature, labels.exercise)
    probabilities, of_strangers = calibrated[: len(held)], calibrated[len(held) :]
    if UNKNOWN not in labels.exercise:
        unknown_clips = [item for item in unknown if all(item.key in branch.final.outputs for branch in branches)]
        if unknown_clips:
            logits = _fused(spec, config, _windows(branches, unknown_clips, "exercise", held_out=False), labels)
            of_strangers = _probabilities(logits / temperature, labels.exercise)
    columns = len(labels.exercise)
    enter, named, correct = calibration.naming_threshold(
        list(probabilities.reshape(-1, columns)),
        [item.group for item in held for _ in range(recipe.views)],
        list(of_strangers.reshape(-1, columns)),
        labels.exercise,
        recipe.error_cost,
        len(held) / len(labelled),
    )
    if recipe.max_unknown_named is not None and unknown_clips:
        limit = calibration.limit_of_unknown(of_strangers.mean(axis=1), labels.exercise, recipe.max_unknown_named)
        enter = max(enter, limit)
        named, correct = calibration.named_at(
            enter,
            probabilities.reshape(-1, columns),
            [item.group for item in held for _ in range(recipe.views)],
            labels.exercise,
        )
    worked = [at for at, item in enumerate(both) if item.group != UNKNOWN or item.has_muscles]
    muscles_entry, derived, muscles = _fit_muscles(
        recipe, branches, [both[at] for at in worked], calibrated[worked], labels, plugins
    )
    tasks: dict[str, Any] = {}
    entries = {"exercise": FusionEntry(full, config_to_json(config)), "muscles": muscles_entry}
    mean = probabilities.mean(axis=1)
    further = derived_members(recipe, plugins, _scores("exercise", to_logits(mean, "softmax"), labels), labels)
    for name in plugin_tasks(recipe, plugins):
        entries[name], tasks[name] = fit_task(
            plugins.task(name), spec, full, _spaces(spec)[-1], branches, held, labels.of(name), further
        )
    alone = {
        name: exercise_metrics(_probabilities(logits[: len(held)], labels.exercise).mean(axis=1), held, labels)
        for name, logits in exercise.members.items()
    }
    return FittedFusion(
        fusion=entries,
        derived=(*derived, *(one.entry for one in further)),
        calibration=calibration.calibration(temperature, enter),
        metrics={
            "clips": len(held),
            **exercise_metrics(mean, held, labels),
            "branches": alone,
            "temperature": temperature,
            "enter": enter,
            "named": named,
            "named_correctly": correct,
            "unknown_clips": len(unknown_clips),
            **_unknown_metrics(mean, of_strangers.mean(axis=1), held, labels, enter),
            "muscles": muscles,
            **({"tasks": tasks} if tasks else {}),
        },
    )


def exercise_metrics(probabilities: FloatArray, samples: Sequence[Sample], labels: Labels) -> dict[str, Any]:
    """Top-1 accuracy and mean recall over exercises, of clips that show a trained exercise.

    :param probabilities: (clips, labels); that of ``unknown`` is no answer here.
    """
    probabilities = np.array(probabilities)
    if UNKNOWN in labels.exercise:
        probabilities[:, labels.exercise.index(UNKNOWN)] = -1.0
    active = np.array([item.group != IDLE for item in samples])
    truth = targets(samples, "exercise", labels.exercise)[active]
    recall = metrics.recall_by_label(probabilities[active].argmax(axis=1), truth, labels.exercise)
    return {
        "top1": metrics.top_k(probabilities[active], truth, 1),
        "macro_recall": float(np.mean([entry["recall"] for entry in recall.values()])) if recall else None,
    }


def _out_of_fold(samples: Sequence[Sample], branches: Sequence[FittedBranch]) -> list[Sample]:
    return [item for item in samples if all(item.key in branch.out_of_fold for branch in branches)]


def _unknown_metrics(
    known: FloatArray, unknown: FloatArray, samples: Sequence[Sample], labels: Labels, enter: float
) -> dict[str, Any]:
    """Metrics of distinguishing unknown from trained exercises by mean probabilities of clips (clips, labels)."""
    if not len(unknown):
        return {}
    active = np.array([item.group != IDLE for item in samples])
    sure, untrained = (calibration.best_exercise(each, labels.exercise)[1] for each in (known[active], unknown))
    doubt = 1 - np.concatenate([sure, untrained])
    return {
        "unknown_auroc": metrics.auroc(doubt, np.repeat([False, True], [len(sure), len(untrained)])),
        "unknown_named": float((untrained >= enter).mean()),
        "known_named": float((sure >= enter).mean()),
    }


def _windows(
    branches: Sequence[FittedBranch], samples: Sequence[Sample], task: Task, *, held_out: bool = True
) -> _HeldOutScores:
    def outputs(branch: FittedBranch) -> Mapping[str, Outputs]:
        return branch.out_of_fold if held_out else branch.final.outputs

    answering = [branch for branch in branches if any(head.task == task for head in branch.entry.heads)]

    def stacked(branch: FittedBranch, output: str) -> FloatArray:
        return np.stack([outputs(branch)[item.key][output] for item in samples])

    return _HeldOutScores(
        samples,
        {branch.entry.name: stacked(branch, task) for branch in answering},
        {
            branch.entry.name: stacked(branch, EVIDENCE)
            for branch in answering
            if samples and EVIDENCE in outputs(branch)[samples[0].key]
        },
    )


def _best_space(
    spec: FusionSpec, windows: _HeldOutScores, truth: NDArray[np.int64], known: int, labels: Labels
) -> tuple[FloatArray, Any, float]:
    """Fused logits (clips, views, labels), configuration and temperature of the fusion's space with the lowest
    calibrated log loss.

    :param known: the temperature is fitted on this many clips, the first ones. Further ones are of exercises that were
        held out altogether and mostly get a wrong name: with them, names of trained exercises would be less sure than
        they are right. The naming threshold is for them.
    """

    def temperature_of(fused: FloatArray) -> float:
        return calibration.temperature(list(fused[:known]), truth[:known])

    tried = []
    for config in _spaces(spec):
        fused = _fused(spec, config, windows, labels)
        temperature = temperature_of(fused)
        if spec.fit is not None and len(windows.members) > 1:
            # Weights depend on the temperature, and the temperature on the weights.
            for _ in range(_ROUNDS):
                config = _fitted_at(spec, config, windows, truth, labels, temperature)
                fused = _fused(spec, config, windows, labels)
                temperature = temperature_of(fused)
        loss = calibration.log_loss(list(fused), truth, temperature)
        tried.append((loss, fused, config, temperature))
        if len(windows.members) == 1:
            break
    _, fused, config, temperature = min(tried, key=lambda one: one[0])
    return fused, config, temperature


def _fitted_at(
    spec: FusionSpec,
    config: Any,
    windows: _HeldOutScores,
    truth: NDArray[np.int64],
    labels: Labels,
    temperature: float,
) -> Any:
    """The configuration fitted on calibrated logits, or on probabilities if the fusion averages these."""
    divisor = temperature if getattr(config, "space", "logits") == "logits" else 1.0
    views = next(iter(windows.members.values())).shape[1]
    return fit_fusion_config(spec, config, windows.flat(divisor, labels), np.repeat(truth, views))


def _spaces(spec: FusionSpec) -> list[Any]:
    """Configurations of a fusion for logits and for probabilities; only one for a fusion without that choice."""
    if "space" not in attrs.fields_dict(spec.config):
        return [spec.config()]
    return [spec.config(space="logits"), spec.config(space="probabilities")]


def _fused(spec: FusionSpec, config: Any, windows: _HeldOutScores, labels: Labels) -> FloatArray:
    shape = next(iter(windows.members.values())).shape
    return fuse_members(spec, config, windows.flat(1.0, labels)).logits.reshape(shape)


def _scores(task: Task, logits: FloatArray, labels: Labels) -> Scores:
    return Scores(task, labels.of(task), logits, "softmax" if task == "exercise" else "sigmoid")


def _probabilities(logits: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Softmax of logits (..., labels), of the same shape."""
    flat = Scores("exercise", tuple(labels), logits.reshape(-1, len(labels)), "softmax").probabilities
    return flat.reshape(logits.shape)


def _fit_muscles(
    recipe: Recipe,
    branches: Sequence[FittedBranch],
    held: Sequence[Sample],
    exercise: FloatArray,
    labels: Labels,
    plugins: PluginManager,
) -> tuple[FusionEntry, tuple[DerivedEntry, ...], dict[str, Any]]:
    """Fit the fusion of the muscles heads and the derived ones; return also metrics of each.

    :param held: samples with known muscles, of trained exercises and of unknown ones.
    :param exercise: calibrated, fused probabilities (clips, views, labels).
    """
    full = plugins.full_name("fusion", recipe.muscles_fusion or recipe.fusion)
    spec = plugins.fusion(full)
    truth = targets(held, "muscles", labels.muscles)
    members: dict[str, Scores] = {}
    windows = _windows(branches, held, "muscles")
    for name, logits in windows.members.items():
        flat = _scores("muscles", logits.reshape(-1, logits.shape[-1]), labels).probabilities
        mean = _scores("muscles", to_logits(flat.reshape(logits.shape).mean(axis=1), "sigmoid"), labels)
        evidence = windows.evidence[name].mean(axis=1) if name in windows.evidence else None
        members[name] = attrs.evolve(mean, evidence=evidence)
    derived: list[DerivedEntry] = []
    for member, wanted in ((LOOKUP, recipe.lookup_head), (DOUBT, recipe.doubt_head)):
        if wanted:
            head_name = plugins.full_name("head", wanted)
            head = plugins.head(head_name)
            if not isinstance(head, DerivedHeadSpec) or head.task != "muscles":
                raise PluginError(f"head {head_name}: expected one that derives muscles")
            predicted = _scores("exercise", to_logits(exercise.mean(axis=1), "softmax"), labels)
            members[member] = head.derive(head.config(), predicted, labels.muscles)
            derived.append(DerivedEntry(member, "muscles", head_name, config_to_json(head.config())))
    known = np.array([item.group not in (IDLE, UNKNOWN) for item in held])
    unseen = np.array([item.group == UNKNOWN for item in held])

    def precision(scores: FloatArray, chosen: NDArray[np.bool_]) -> float | None:
        return metrics.mean_average_precision(scores[chosen], truth[chosen])

    # Where some exercises were held out altogether, these decide: of known ones, the look-up knows the muscles.
    deciding = unseen if recipe.doubt_head and unseen.any() else np.ones(len(held), dtype=bool)
    fused, config = _cross_fitted(spec, members, truth, [item.fold for item in held], deciding)
    results: dict[str, Any] = {
        "branches": {name: precision(one.probabilities, known) for name, one in members.items() if name != DOUBT},
        "map": precision(fused, known),
    }
    if unseen.any():
        looked_up = members[LOOKUP].probabilities if LOOKUP in members else fused
        results["unseen"] = {
            "clips": int(unseen.sum()),
            "map": precision(fused, unseen),
            "map_lookup": precision(looked_up, unseen),
        }
    return FusionEntry(full, config_to_json(config)), tuple(derived), results


def _cross_fitted(
    spec: FusionSpec,
    members: Mapping[str, Scores],
    truth: NDArray[Any],
    folds: Sequence[int],
    deciding: NDArray[np.bool_],
) -> tuple[FloatArray, Any]:
    """Fused probabilities, each by a fusion that was not fitted on the clip's fold; and the fusion fitted on all.

    :param deciding: whether a fusion may be fitted on a clip, bool (clips,).
    """
    unfitted = _spaces(spec)[-1]
    if spec.fit is None or len(members) == 1:
        return spec.fuse(unfitted, members).probabilities, unfitted
    fold = np.array(folds)
    fused = np.zeros(truth.shape, np.float32)
    for one in np.unique(fold):
        others = (fold != one if len(set(folds)) > 1 else fold == one) & deciding
        kept = spec.fit(unfitted, _rows(members, others), truth[others])
        fused[fold == one] = spec.fuse(kept, _rows(members, fold == one)).probabilities
    return fused, spec.fit(unfitted, _rows(members, deciding), truth[deciding])


def _rows(members: Mapping[str, Scores], chosen: NDArray[np.bool_]) -> dict[str, Scores]:
    return {name: scores.select(chosen) for name, scores in members.items()}
