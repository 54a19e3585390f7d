"""What a bundle is trained on, and what is held out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from fitsense.bundles.manifest import Labels
from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.manifest import Skipped, check_disjoint, read_manifest, splits_of
from fitsense.data.samples import NO_FOLD, Sample, clips, synthetic_samples
from fitsense.errors import InvalidInputError
from fitsense.train.recipe import Recipe, Sources


@attrs.frozen(eq=False)
class Pool:
    """Labelled footage.

    :param labelled: real clips of trained labels.
    :param synthetic: rendered ones.
    :param auxiliary: clips of trained labels that are never held out or measured on.
    :param unknown: real clips of other exercises.
    :param labels: what heads score.
    :param too_few: groups that are not trained, with their number of scenes.
    :param skipped: what cannot be used, with the reason.
    """

    labelled: Sequence[Sample]
    synthetic: Sequence[Sample]
    auxiliary: Sequence[Sample]
    unknown: Sequence[Sample]
    labels: Labels
    too_few: Mapping[str, int]
    skipped: Sequence[Skipped]


@attrs.frozen
class Partition:
    """One way of holding clips out.

    :param name: for the folder of what is trained with it.
    :param held: whether a footage is held out.
    """

    name: str
    held: Callable[[Sample], bool]


def read_pool(recipe: Recipe, sources: Sources) -> Pool:
    """All that there is to train on.

    :raises InvalidInputError: figures of the result would mean nothing, since clips that belong together were parted.
    """
    trained = read_manifest(sources.data, sources.splits)
    tested = read_manifest(sources.data, [sources.test_split]).items if sources.test_split else []
    check_disjoint(trained.items, tested)
    footage = clips([item for item in trained.items if item.group])
    exercises, too_few = label_set(footage, recipe.min_scenes)
    foreign = [item for item in footage if item.group not in exercises]
    skipped = list(trained.skipped)
    if sources.unknown_split:
        extra = read_manifest(sources.data, [sources.unknown_split])
        foreign += [item for item in clips(extra.items) if item.group not in exercises]
        skipped += extra.skipped
    known = [item for item in footage if item.group in exercises]
    aids = []
    for folder in sources.auxiliary:
        more = read_manifest(folder, splits_of(folder))
        aids += [attrs.evolve(item, split="", fold=NO_FOLD) for item in clips(more.items) if item.group in exercises]
        skipped += more.skipped
    return Pool(
        labelled=known,
        synthetic=[item for item in synthetic_samples(recipe.synthetic_clips) if item.group in exercises],
        auxiliary=aids,
        unknown=foreign,
        labels=Labels(exercises, _muscle_labels(known)),
        too_few=too_few,
        skipped=skipped,
    )


def partitions(recipe: Recipe, pool: Pool) -> list[Partition]:
    """How clips are held out, one way after the other; no clip twice.

    :raises InvalidInputError: there is nothing to hold out, or a scene would be held out in part.
    """
    if recipe.validation == "val":
        scenes = {item.scene for item in pool.labelled if item.split == "val"}
        if not scenes:
            raise InvalidInputError("hold_out: expected clips of the split val among those to train on; hold out folds")
        for item in pool.labelled:
            if item.split != "val" and item.scene in scenes:
                raise InvalidInputError(
                    f"scene {item.scene!r} is in val and in {item.split}; put all of its clips into one, or hold out "
                    "folds"
                )
        return [Partition("val", lambda item: item.split == "val")]
    folds = sorted({item.fold for item in pool.labelled})
    if len(folds) < 2:
        raise InvalidInputError("expected clips of at least two folds (or scenes), to hold one out at a time")
    return [Partition(f"fold{fold}", lambda item, fold=fold: item.fold == fold) for fold in folds]  # type: ignore[misc]


def label_set(footage: Sequence[Sample], min_scenes: int) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The groups that enough scenes show, sorted; and the others, with their number of scenes."""
    scenes: dict[str, set[str]] = {}
    for item in footage:
        scenes.setdefault(item.group, set()).add(item.scene)
    kept = tuple(sorted(group for group, where in scenes.items() if len(where) >= min_scenes))
    return kept, {group: len(where) for group, where in scenes.items() if group not in kept}


def _muscle_labels(known: Sequence[Sample]) -> tuple[str, ...]:
    """The muscle groups that any of the clips works, in the catalogue's order."""
    nothing = sorted({item.group for item in known if not item.muscles and item.group != IDLE})
    if nothing:
        raise InvalidInputError(
            f"muscles of {', '.join(nothing)} are unknown: neither the catalogue has these groups, nor has the "
            "manifest a column muscles or muscles_primary that says what they work"
        )
    worked = {muscle for item in known for muscle in item.muscles}
    return tuple(group for group in load_catalogue().muscle_groups if group in worked)
