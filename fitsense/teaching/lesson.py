"""From features of a few clips to heads and thresholds that know one label more. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_from_json, config_to_json
from fitsense.bundles.manifest import DerivedEntry, Manifest, TaughtEntry
from fitsense.bundles.teaching import TaughtClips, TeachingStatistics
from fitsense.catalogue import UNKNOWN
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, LabelExamples
from fitsense.teaching.heads import TeachableHead
from fitsense.teaching.thresholds import HeldOut, fitted_calibration, fitted_shift, held_out
from fitsense.types import FloatArray


@attrs.frozen(eq=False)
class Lesson:
    """Knowledge of a bundle, before or after it was taught.

    :param manifest: with the labels and the calibration.
    :param heads: exercise heads by branch.
    """

    manifest: Manifest
    heads: Mapping[str, TeachableHead]
    statistics: TeachingStatistics


@attrs.frozen(eq=False)
class Learned(Lesson):
    """A bundle that was taught one label more.

    :param position: of the new label.
    :param recognised: share of the windows of taught clips that get the right name from a row that was taught from
        the other clips alone; None for one clip.
    :param taken: share of the rehearsal, windows of other exercises, that gets the new name instead of the right one.
    """

    position: int
    recognised: float | None
    taken: float


def learn(
    lesson: Lesson,
    entry: TaughtEntry,
    clips: NDArray[np.int64],
    features: Mapping[str, FloatArray],
    plugins: PluginManager,
) -> Learned:
    """Teach a label.

    :param entry: the exercise.
    :param clips: which clip a window is of, (windows,).
    :param features: by branch, float32 (windows, feature_dim).
    """
    label = entry.exercise
    manifest, position = with_label(lesson.manifest, entry, plugins)
    before = held_out(lesson.manifest, plugins, lesson.heads, lesson.statistics)
    heads, statistics = _taught(lesson, clips, features, label, position)
    shift = fitted_shift(held_out(manifest, plugins, heads, statistics), label) * manifest.calibration.temperature
    heads = {branch: head.shifted(position, shift) for branch, head in heads.items()}
    statistics = _shifted(statistics, label, position, shift)
    after = held_out(manifest, plugins, heads, statistics)
    manifest = attrs.evolve(manifest, calibration=fitted_calibration(before, after, lesson.manifest))
    recognised, taken = _measured(before, after, label, lesson.manifest, manifest)
    return Learned(manifest, heads, statistics, position, recognised, taken)


def with_label(manifest: Manifest, entry: TaughtEntry, plugins: PluginManager) -> tuple[Manifest, int]:
    """The manifest with one exercise more, and the position of its label: before ``unknown``, which is the last."""
    labels = manifest.labels.exercise
    position = len(labels) - (labels[-1] == UNKNOWN)
    manifest = attrs.evolve(
        manifest,
        labels=attrs.evolve(manifest.labels, exercise=(*labels[:position], entry.exercise, *labels[position:])),
        derived=tuple(_derived(derived, entry, plugins) for derived in manifest.derived),
        taught=(*manifest.taught, entry),
    )
    return manifest, position


def _derived(derived: DerivedEntry, entry: TaughtEntry, plugins: PluginManager) -> DerivedEntry:
    """A derived head that knows the muscles of the exercise."""
    spec = plugins.head(derived.head)
    if not isinstance(spec, DerivedHeadSpec) or spec.add_label is None or derived.task != "muscles":
        return derived
    config = config_from_json(spec.config, derived.config, derived.head)
    return attrs.evolve(derived, config=config_to_json(spec.add_label(config, entry.exercise, entry.muscles)))


def _taught(
    lesson: Lesson, clips: NDArray[np.int64], features: Mapping[str, FloatArray], label: str, position: int
) -> tuple[dict[str, TeachableHead], TeachingStatistics]:
    """The heads with one label more, and the statistics with its clips."""
    statistics, rehearsal = lesson.statistics, lesson.statistics.rehearsal
    heads, kept, logits, rehearsed = {}, {}, {}, {}
    for branch, head in lesson.heads.items():
        # As the file keeps them.
        kept[branch] = features[branch].astype(np.float16).astype(np.float32)
        examples = LabelExamples(kept[branch], clips)
        heads[branch] = head.with_label(statistics.heads[branch], examples, position)
        logits[branch] = head.held_out(statistics.heads[branch], examples, position)
        # Other labels may give way to the new one.
        change = np.delete(heads[branch].logits(rehearsal.features[branch]), position, axis=1)
        change -= head.logits(rehearsal.features[branch])
        rehearsed[branch] = rehearsal.logits[branch] + _of_first(change, position, rehearsal.labels)
    return heads, attrs.evolve(
        statistics,
        rehearsal=attrs.evolve(rehearsal, logits=rehearsed),
        taught={**statistics.taught, label: TaughtClips(clips, kept, logits)},
    )


def _of_first(values: FloatArray, position: int, labels: Sequence[str]) -> FloatArray:
    """Columns of the labels that a bundle was trained with; those that were taught stand before the position."""
    return np.delete(values, slice(position - (values.shape[1] - len(labels)), position), axis=1)


def _shifted(statistics: TeachingStatistics, label: str, position: int, shift: float) -> TeachingStatistics:
    """Statistics in which an amount is added to the held-out logits of a taught exercise."""
    one = statistics.taught[label]
    logits = {branch: values.copy() for branch, values in one.logits.items()}
    for values in logits.values():
        values[:, position] += np.float32(shift)
    return attrs.evolve(statistics, taught={**statistics.taught, label: attrs.evolve(one, logits=logits)})


def _measured(before: HeldOut, after: HeldOut, label: str, old: Manifest, new: Manifest) -> tuple[float | None, float]:
    """Share of the held-out windows of the new label that get its name, and of those of other labels that get it in
    place of the right one."""
    said, had = after.named(new.calibration.enter), before.named(old.calibration.enter)
    own = [name == label for name, truth in zip(said, after.truth, strict=True) if truth == label]
    # Windows of the new label come last.
    lost = [now == label and was == truth for now, was, truth in zip(said, had, before.truth, strict=False)]
    return float(np.mean(own)) if own else None, float(np.mean(lost))
