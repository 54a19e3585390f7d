"""From labelled clips to a bundle: a frozen backbone, and heads fitted on its features."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundle import (
    BranchEntry,
    Bundle,
    Calibration,
    DerivedEntry,
    FusionEntry,
    HeadEntry,
    Labels,
    Manifest,
    save,
)
from fitsense.catalogue import IDLE, load_catalogue
from fitsense.configs import config_to_json
from fitsense.data.manifest import Skipped, check_disjoint, read_manifest
from fitsense.errors import InvalidInputError, MissingExtraError, PluginError
from fitsense.evaluate import metrics
from fitsense.evaluate.run import evaluate, score
from fitsense.export.branch import join
from fitsense.export.onnx import export_branch
from fitsense.hookspecs import BackboneSpec, DerivedHeadSpec, HeadSpec
from fitsense.model import Model
from fitsense.plugins import Plugins
from fitsense.progress import Track, silent
from fitsense.runtime import load_branch
from fitsense.runtime.openvino import cpu_computes_bf16
from fitsense.train import calibration
from fitsense.train.card import model_card
from fitsense.train.features import ClipFeatures, Extractor, ViewPolicy
from fitsense.train.heads import balance, fit, label_set, logits_of, out_of_fold, targets
from fitsense.types import FloatArray, Scores, Task, deactivate
from fitsense.weights import load_backbone

if TYPE_CHECKING:
    from torch import nn

_FUSION = "ensemble/weighted"
_LOOKUP = "lookup"
# Clips that bfloat16 is tried on, and the share of them whose answer must stay.
_BF16_CLIPS, _BF16_AGREEMENT = 100, 0.98


@attrs.frozen
class Recipe:
    """What makes a bundle; saved in it.

    :param backbone: a backbone's name.
    :param weights: what it starts from: one of the backbone's published weights, or a file.
    :param weights_origin: where a file of weights comes from, and its licence; for the model card.
    :param exercise_head: a head for exercises.
    :param muscles_head: a head for muscle groups.
    :param views: windows of each clip.
    :param mirror: whether to add their mirror images.
    :param figures: rendered figures of each kind to mix in.
    :param min_scenes: an exercise that fewer scenes show is not trained.
    :param l2_exercise: penalty on the exercise head's squared weights.
    :param l2_muscles: likewise of the muscles head.
    :param class_power: 0 makes classes count alike, 1 by their number of scenes.
    :param wrong_costs: what a wrong name costs, where a right one gains 1; it sets the naming threshold.
    :param lookup_head: a derived head that joins the muscles head in a weighted average; empty for none.
    """

    backbone: str = "x3d/s"
    weights: str = "kinetics400"
    weights_origin: str = ""
    exercise_head: str = "heads/linear_exercise"
    muscles_head: str = "heads/linear_muscles"
    views: int = 4
    mirror: bool = True
    figures: int = 40
    min_scenes: int = 5
    l2_exercise: float = 0.01
    l2_muscles: float = 0.002
    class_power: float = 0.0
    wrong_costs: float = 1.0
    lookup_head: str = "heads/lookup_muscles"


@attrs.frozen
class Sources:
    """What a bundle is trained on and measured with.

    :param data: a folder with a ``manifest.csv``.
    :param splits: the splits to train on.
    :param foreign_split: clips of exercises that are not trained, for the threshold of unknown; None for none.
    :param test_split: the split whose figures go into the model card; None for none.
    """

    data: Path
    splits: Sequence[str] = ("train", "val")
    foreign_split: str | None = "extra"
    test_split: str | None = "test"


@attrs.frozen(eq=False)
class _Pool:
    """The features that heads are fitted on and measured with.

    :param known: real clips of trained labels.
    :param figures: rendered ones.
    :param foreign: real clips of other exercises.
    """

    known: Sequence[ClipFeatures]
    figures: Sequence[ClipFeatures]
    foreign: Sequence[ClipFeatures]
    labels: Labels
    too_few: Mapping[str, int]
    skipped: Sequence[Skipped]

    @property
    def trained(self) -> list[ClipFeatures]:
        return [*self.known, *self.figures]


@attrs.frozen(eq=False)
class _Head:
    """A head that was fitted on everything, and what such heads say of clips that they were not fitted on.

    :param held_out: logits of each known clip by a head without its fold, (views, labels).
    """

    spec: HeadSpec
    entry: HeadEntry
    module: nn.Module
    held_out: Sequence[FloatArray]


def train(
    recipe: Recipe,
    sources: Sources,
    out: Path,
    *,
    name: str,
    version: str = "0.1.0",
    cache: Path,
    plugins: Plugins | None = None,
    track: Track = silent,
) -> tuple[Bundle, dict[str, Any]]:
    """Make a bundle in the folder `out`, which must not hold anything yet; give it and a report.

    Features that were computed before, also by an interrupted run, are taken from `cache`. Figures of clips that
    were held out by fold, and of the test split, are in the report and in the model card.

    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("training", "torch", error) from error
    if out.exists() and any(out.iterdir()):
        raise InvalidInputError(f"{out}: expected a folder that is new or empty")
    _check(sources)
    torch.manual_seed(0)
    plugins = plugins or Plugins.discover()
    backbone_name = plugins.full_name("backbone", recipe.backbone)
    spec = plugins.backbone(backbone_name)
    backbone = spec.build(spec.config())
    load_backbone(spec, backbone, recipe.weights, plugins)
    branch = _branch(backbone_name, spec)

    pool = _features(recipe, sources, backbone, branch, cache, track)
    exercise = _head(recipe.exercise_head, "exercise", recipe.l2_exercise, recipe, pool, plugins)
    muscles = _head(recipe.muscles_head, "muscles", recipe.l2_muscles, recipe, pool, plugins)
    fitted, held_out = _calibrate(recipe, pool, exercise)
    muscles_fusion, derived, muscles_held_out = _muscles(recipe, pool, exercise, muscles, fitted, branch.name, plugins)

    branch = attrs.evolve(branch, heads=(exercise.entry, muscles.entry))
    module = join(backbone, {"exercise": exercise.module, "muscles": muscles.module})
    labels = pool.labels
    manifest = Manifest(
        name=name,
        version=version,
        licence="Apache-2.0",
        summary=f"{backbone_name} with heads for {len(labels.exercise) - (IDLE in labels.exercise)} exercises "
        f"and {len(labels.muscles)} muscle groups",
        labels=labels,
        branches=(branch,),
        fusion={"exercise": FusionEntry(_FUSION, {}), "muscles": muscles_fusion},
        derived=derived,
        calibration=fitted,
        training={
            # A path on the trainer's machine says nothing to anybody else.
            "recipe": {**attrs.asdict(recipe), "weights": Path(recipe.weights).name},
            "splits": list(sources.splits),
        },
    )
    report: dict[str, Any] = {
        "trained": {
            "clips": len(pool.known),
            "scenes": len({clip.scene for clip in pool.known}),
            "figures": len(pool.figures),
            "by_group": dict(sorted(Counter(clip.group for clip in pool.known).items())),
            "too_few_scenes": dict(pool.too_few),
            "skipped": [attrs.asdict(skip) for skip in pool.skipped],
        },
        "held_out": held_out | {"muscles": muscles_held_out},
    }
    # Elsewhere until it is whole, so that a run that is interrupted leaves `out` as it was.
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out.parent) as unfinished:
        folder = Path(unfinished) / "bundle"
        folder.mkdir()
        export_branch(module, branch.clip, folder / branch.graph, folder / branch.weights)
        report["bf16"] = _compare_bf16(save(folder, manifest), sources, plugins, track)
        manifest = attrs.evolve(manifest, allow_bf16=report["bf16"]["good_enough"])
        if sources.test_split:
            model = Model(save(folder, manifest), plugins=plugins)
            report["test"] = evaluate(
                model, sources.data, sources.test_split, views=recipe.views, mirror=recipe.mirror, track=track
            )
        (folder / "training.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        (folder / "README.md").write_text(model_card(manifest, report), "utf-8")
        save(folder, manifest)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return Bundle.load(out), report


def _check(sources: Sources) -> None:
    """Refuse before the work what would make its result worthless, or fail after it."""
    trained = read_manifest(sources.data, sources.splits).items
    held_out = read_manifest(sources.data, [sources.test_split]).items if sources.test_split else []
    if sources.foreign_split:
        read_manifest(sources.data, [sources.foreign_split])
    check_disjoint(trained, held_out)
    if len({item.fold for item in trained}) < 2:
        raise InvalidInputError("expected clips of at least two folds (or scenes), to hold one out at a time")


def _compare_bf16(bundle: Bundle, sources: Sources, plugins: Plugins, track: Track) -> dict[str, Any]:
    """How far bfloat16 moves the answers on clips of the training splits, where this CPU computes in it."""
    if not cpu_computes_bf16():
        return {"clips": 0, "good_enough": False}
    items = read_manifest(sources.data, sources.splits).items
    chosen = items[:: max(1, len(items) // _BF16_CLIPS)]
    exact, rough = (
        score(Model(bundle, plugins=plugins, bf16=bf16), chosen, views=1, mirror=False, track=track)[0]
        for bf16 in (False, True)
    )
    agreement = np.mean(
        [one.exercise.argmax() == other.exercise.argmax() for one, other in zip(exact, rough, strict=True)]
    )
    difference = np.mean([np.abs(one.exercise - other.exercise).max() for one, other in zip(exact, rough, strict=True)])
    return {
        "clips": len(exact),
        "same_answer": float(agreement),
        "mean_largest_difference": float(difference),
        "good_enough": bool(agreement >= _BF16_AGREEMENT),
    }


def _branch(name: str, spec: BackboneSpec) -> BranchEntry:
    config = spec.config()
    branch = name.replace("/", "_")
    return BranchEntry(
        name=branch,
        backbone=name,
        config=config_to_json(config),
        clip=spec.clip(config),
        feature_dim=spec.feature_dim(config),
        graph=f"{branch}.onnx",
        weights=f"{branch}.safetensors",
        heads=(),
    )


def _features(
    recipe: Recipe, sources: Sources, backbone: nn.Module, branch: BranchEntry, cache: Path, track: Track
) -> _Pool:
    """What the backbone sees, run as a bundle without heads: the very graph that sessions will run."""
    with tempfile.TemporaryDirectory(prefix="fitsense-backbone-") as name:
        folder = Path(name)
        export_branch(join(backbone, {}), branch.clip, folder / branch.graph, folder / branch.weights)
        fingerprint = hashlib.sha256((folder / branch.weights).read_bytes()).hexdigest()
        headless = Manifest(
            name="features",
            version="0",
            licence="",
            labels=Labels((IDLE,), ("abs",)),
            branches=(branch,),
            fusion={},
            calibration=Calibration(1.0, 0.5, 0.5),
        )
        run = load_branch(save(folder, headless), branch, bf16=False)
        policy = ViewPolicy(recipe.views, recipe.mirror)
        extractor = Extractor(run, branch, policy, f"{branch.backbone} {fingerprint}", cache / "features")
        dataset = read_manifest(sources.data, sources.splits)
        clips, unreadable = extractor.clips([item for item in dataset.items if item.group], track)
        skipped = [*dataset.skipped, *unreadable]
        more: Sequence[ClipFeatures] = ()
        if sources.foreign_split:
            extra = read_manifest(sources.data, [sources.foreign_split])
            more, unreadable = extractor.clips(extra.items, track)
            skipped += [*extra.skipped, *unreadable]
        figures = extractor.figures(recipe.figures, track=track)
    exercises, too_few = label_set(clips, recipe.min_scenes)
    return _Pool(
        known=[clip for clip in clips if clip.group in exercises],
        figures=[clip for clip in figures if clip.group in exercises],
        foreign=[clip for clip in [*clips, *more] if clip.group not in exercises],
        labels=Labels(exercises, _muscle_labels(exercises)),
        too_few=too_few,
        skipped=skipped,
    )


def _muscle_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The muscle groups that any of the exercises works, in the catalogue's order."""
    catalogue = load_catalogue()
    unknown = [label for label in labels if label != IDLE and label not in catalogue.exercises]
    if unknown:
        raise InvalidInputError(
            f"groups of the manifest that are not in the catalogue, so that their muscles are unknown: {unknown}"
        )
    worked = {muscle for label in labels if label != IDLE for muscle in catalogue.exercises[label].muscles}
    return tuple(group for group in catalogue.muscle_groups if group in worked)


def _head(name: str, task: Task, l2: float, recipe: Recipe, pool: _Pool, plugins: Plugins) -> _Head:
    full = plugins.full_name("head", name)
    spec = plugins.head(full)
    if not isinstance(spec, HeadSpec) or spec.task != task:
        raise PluginError(f"head {full}: expected one that answers {task} from features")
    config = spec.config()
    labels = getattr(pool.labels, task)
    clips = pool.trained
    return _Head(
        spec=spec,
        entry=HeadEntry(task, full, config_to_json(config), spec.activation),
        module=fit(spec, config, clips, balance(clips, recipe.class_power), labels, l2),
        held_out=out_of_fold(spec, config, clips, labels, l2, recipe.class_power)[: len(pool.known)],
    )


def _calibrate(recipe: Recipe, pool: _Pool, head: _Head) -> tuple[Calibration, dict[str, Any]]:
    """Temperature and threshold from held-out clips, and figures of the same."""
    labels = pool.labels.exercise
    truth = targets(pool.known, "exercise", labels)
    # The first views are the windows themselves, the rest their mirror images, which no session sees.
    windows = [logits[: recipe.views] for logits in head.held_out]
    scale = calibration.temperature(windows, truth)

    def probabilities_of(logits: Sequence[FloatArray]) -> FloatArray:
        return Scores("exercise", labels, np.concatenate(logits) / scale, "softmax").probabilities

    foreign = [logits[: recipe.views] for logits in logits_of(head.module, pool.foreign)]
    enter, named, named_rightly = calibration.naming_threshold(
        list(probabilities_of(windows)),
        [clip.group for clip, each in zip(pool.known, windows, strict=True) for _ in each],
        list(probabilities_of(foreign)) if foreign else [],
        labels,
        recipe.wrong_costs,
    )
    probabilities = _mean_probabilities(pool, head, scale)
    exercise = np.array([clip.group != IDLE for clip in pool.known])
    by_label = metrics.recall_by_label(probabilities.argmax(axis=1), truth, labels)
    return calibration.calibration(scale, enter), {
        "clips": len(pool.known),
        "top1": metrics.top_k(probabilities[exercise], truth[exercise], 1),
        "macro_recall": float(np.mean([entry["recall"] for label, entry in by_label.items() if label != IDLE])),
        "temperature": scale,
        "enter": enter,
        "named": named,
        "named_rightly": named_rightly,
        "foreign_clips": len(foreign),
    }


def _muscles(
    recipe: Recipe,
    pool: _Pool,
    exercise: _Head,
    muscles: _Head,
    fitted: Calibration,
    branch: str,
    plugins: Plugins,
) -> tuple[FusionEntry, tuple[DerivedEntry, ...], dict[str, Any]]:
    """How the learned head and the look-up are weighted, chosen on held-out clips; and figures of each."""
    labels = pool.labels.muscles
    truth = targets(pool.known, "muscles", labels)
    learned = np.stack([_muscles_of(logits, labels) for logits in muscles.held_out])
    members = {branch: Scores("muscles", labels, deactivate(learned, "sigmoid"), "sigmoid")}
    active = np.array([clip.group != IDLE for clip in pool.known])
    figures = {"map": metrics.mean_average_precision(learned[active], truth[active])}
    if not recipe.lookup_head:
        return FusionEntry(_FUSION, {}), (), figures
    full = plugins.full_name("head", recipe.lookup_head)
    spec = plugins.head(full)
    if not isinstance(spec, DerivedHeadSpec) or spec.task != "muscles":
        raise PluginError(f"head {full}: expected one that derives muscles")
    config = spec.config()
    probabilities = _mean_probabilities(pool, exercise, fitted.temperature)
    named = Scores("exercise", pool.labels.exercise, deactivate(probabilities, "softmax"), "softmax")
    members[_LOOKUP] = spec.derive(config, named, labels)
    fusion = plugins.fusion(_FUSION)
    assert fusion.fit is not None
    config_to_fit = fusion.config(space="probabilities")
    folds = np.array([clip.fold for clip in pool.known])
    fused = np.zeros_like(learned)
    for fold in np.unique(folds):
        # Also the weights must not have seen what they are measured on.
        kept = fusion.fit(config_to_fit, _rows(members, folds != fold), truth[folds != fold])
        fused[folds == fold] = fusion.fuse(kept, _rows(members, folds == fold)).probabilities
    weights = fusion.fit(config_to_fit, members, truth)
    figures["map_lookup"] = metrics.mean_average_precision(members[_LOOKUP].probabilities[active], truth[active])
    figures["map_fused"] = metrics.mean_average_precision(fused[active], truth[active])
    return (
        FusionEntry(_FUSION, config_to_json(weights)),
        (DerivedEntry(_LOOKUP, "muscles", full, config_to_json(config)),),
        figures,
    )


def _rows(members: Mapping[str, Scores], chosen: NDArray[np.bool_]) -> dict[str, Scores]:
    return {name: attrs.evolve(scores, logits=scores.logits[chosen]) for name, scores in members.items()}


def _muscles_of(logits: FloatArray, labels: tuple[str, ...]) -> FloatArray:
    """Mean activations over a clip's views, (labels,)."""
    probabilities = Scores("muscles", labels, logits, "sigmoid").probabilities
    return np.asarray(probabilities.mean(axis=0), dtype=np.float32)


def _mean_probabilities(pool: _Pool, head: _Head, scale: float) -> FloatArray:
    """Calibrated probabilities of each known clip, held out, averaged over its views: (clips, labels)."""
    labels = pool.labels.exercise
    return np.stack(
        [Scores("exercise", labels, each / scale, "softmax").probabilities.mean(axis=0) for each in head.held_out]
    )
