"""Samples to train on, and the partitions that hold some of them out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import attrs

from fitsense.bundles.manifest import Labels
from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.data.manifest import ClipItem, Dataset, Skipped, check_disjoint, read_manifest, splits_of
from fitsense.data.photo_pairs import read_photo_pairs
from fitsense.data.samples import NO_FOLD, Sample, clips, synthetic_samples
from fitsense.data.task_targets import task_labels
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import PluginManager
from fitsense.train.recipe import Recipe, Sources, plugin_tasks


@attrs.frozen(eq=False)
class Pool:
    """Samples to train on.

    :param labelled: recorded clips of trained labels.
    :param synthetic: rendered clips of trained labels.
    :param auxiliary: clips of trained labels that are never held out or measured on.
    :param unknown: recorded clips of other exercises; of the group ``unknown`` if the labels have it.
    :param photos: photo pairs of trained labels, or of ``unknown`` if the labels have it.
    :param tested: clips of the test split, which branches only predict.
    :param tested_items: their rows of the manifest, in the same order.
    :param labels: the labels that heads score.
    :param too_few: groups with too few scenes to be trained, with their number of scenes.
    :param skipped: clips that cannot be used, with the reason.
    """

    labelled: Sequence[Sample]
    synthetic: Sequence[Sample]
    auxiliary: Sequence[Sample]
    unknown: Sequence[Sample]
    photos: Sequence[Sample]
    labels: Labels
    too_few: Mapping[str, int]
    skipped: Sequence[Skipped]
    tested: Sequence[Sample] = ()
    tested_items: Sequence[ClipItem] = ()

    @property
    def predicted(self) -> Sequence[Sample]:
        """Recorded clips that branches predict but need not learn from."""
        return [*self.unknown, *self.tested]

    @property
    def measured(self) -> Sequence[Sample]:
        """Samples that partitions hold out: those of trained labels, and those of ``unknown`` if it is a label."""
        return [*self.labelled, *(self.unknown if UNKNOWN in self.labels.exercise else ())]


@attrs.frozen
class Partition:
    """One way of holding clips out.

    :param name: name in folders and logs.
    :param held: whether a sample is held out.
    :param hidden_scenes: scenes of held-out clips, no sample of which is trained on.
    """

    name: str
    held: Callable[[Sample], bool]
    hidden_scenes: frozenset[str] = frozenset()

    def trained(self, sample: Sample) -> bool:
        """True if a sample is trained on."""
        return not self.held(sample) and not (sample.group == UNKNOWN and sample.scene in self.hidden_scenes)


def read_pool(recipe: Recipe, sources: Sources, plugins: PluginManager | None = None) -> Pool:
    """Read the samples of all sources.

    :param plugins: plugins that declare further tasks of the recipe; None for the installed ones.
    :raises InvalidInputError: training and test splits share scenes or files, so that metrics would be invalid.
    """
    trained = read_manifest(sources.data, sources.splits)
    tested = read_manifest(sources.data, [sources.test_split]) if sources.test_split else Dataset([], [])
    check_disjoint(trained.items, tested.items)
    samples = clips([item for item in trained.items if item.group])
    exercises, too_few = label_set(samples, recipe.min_scenes)
    unknown = [item for item in samples if item.group not in exercises]
    skipped = [*trained.skipped, *tested.skipped]
    if sources.unknown_split:
        extra = read_manifest(sources.data, [sources.unknown_split])
        unknown += [item for item in clips(extra.items) if item.group not in exercises]
        skipped += extra.skipped
    labelled = [item for item in samples if item.group in exercises]
    photos: list[Sample] = []
    if sources.photos:
        pairs, missing = read_photo_pairs(sources.photos)
        photos = [item for item in pairs if item.group in exercises or recipe.unknown]
        skipped += missing
    if recipe.unknown:
        folds = sorted({item.fold for item in labelled})
        unknown = [_as_unknown(item, folds) for item in unknown]
        photos = [item if item.group in exercises else _as_unknown(item, folds) for item in photos]
    auxiliary = []
    for folder in sources.auxiliary:
        more = read_manifest(folder, splits_of(folder))
        auxiliary += [
            attrs.evolve(item, split="", fold=NO_FOLD, kind="auxiliary")
            for item in clips(more.items)
            if item.group in exercises
        ]
        skipped += more.skipped
    of_branches = [task for branch in recipe.branches for task in branch.tasks]
    plugins = (plugins or PluginManager.discover()) if of_branches or recipe.derived_heads else None
    names = dict.fromkeys([*of_branches, *(plugin_tasks(recipe, plugins) if plugins else ())])
    return Pool(
        labelled=labelled,
        synthetic=[item for item in synthetic_samples(recipe.synthetic_clips) if item.group in exercises],
        auxiliary=auxiliary,
        unknown=unknown,
        photos=photos,
        labels=Labels(
            (*exercises, *([UNKNOWN] if recipe.unknown else [])),
            _muscle_labels(labelled, photos),
            {name: task_labels(labelled, plugins.task(name)) for name in names} if plugins else {},
        ),
        too_few=too_few,
        skipped=skipped,
        tested=clips(tested.items),
        tested_items=tested.items,
    )


def partitions(recipe: Recipe, pool: Pool) -> list[Partition]:
    """Partitions of a recipe; each clip is held out by one of them at most.

    :raises InvalidInputError: there is nothing to hold out, or a scene would be held out in part.
    """
    if recipe.validation == "val":
        scenes = {item.scene for item in pool.labelled if item.split == "val"}
        if not scenes:
            raise InvalidInputError("validation: expected clips of the split val among those to train on; use folds")
        for item in pool.labelled:
            if item.split != "val" and item.scene in scenes:
                raise InvalidInputError(
                    f"scene {item.scene!r} is in val and in {item.split}; put all of its clips into one split, or "
                    "set validation to folds"
                )
        return [Partition("val", lambda item: item.split == "val")]
    folds = sorted({item.fold for item in pool.labelled})
    if len(folds) < 2:
        raise InvalidInputError("expected clips of at least two folds (or scenes), to hold one out at a time")
    return [_fold(fold, pool) for fold in folds]


def _fold(fold: int, pool: Pool) -> Partition:
    def held(item: Sample) -> bool:
        return item.fold == fold

    return Partition(f"fold{fold}", held, frozenset(item.scene for item in pool.measured if held(item)))


def _as_unknown(sample: Sample, folds: Sequence[int]) -> Sample:
    """A sample of an exercise that is not trained by name, held out together with all others of its exercise."""
    exercise = sample.exercise or sample.group or sample.scene
    fold = folds[zlib.crc32(exercise.encode()) % len(folds)] if folds else NO_FOLD
    return attrs.evolve(sample, group=UNKNOWN, exercise=exercise, fold=fold)


def label_set(samples: Sequence[Sample], min_scenes: int) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Groups with at least `min_scenes` scenes, sorted; and the others, with their number of scenes."""
    scenes: dict[str, set[str]] = {}
    for item in samples:
        scenes.setdefault(item.group, set()).add(item.scene)
    kept = tuple(sorted(group for group, where in scenes.items() if len(where) >= min_scenes))
    return kept, {group: len(where) for group, where in scenes.items() if group not in kept}


def _muscle_labels(samples: Sequence[Sample], photos: Sequence[Sample]) -> tuple[str, ...]:
    """Muscle groups that any of the samples works, in the catalogue's order."""
    nothing = sorted({item.group for item in samples if not item.muscles and item.group != IDLE})
    if nothing:
        raise InvalidInputError(
            f"muscles: expected a column muscles or muscles_primary in the manifest for groups that are not in the "
            f"catalogue, got none for {', '.join(nothing)}"
        )
    worked = {muscle for item in (*samples, *photos) for muscle in item.muscles}
    return tuple(group for group in load_catalogue().muscle_groups if group in worked)
