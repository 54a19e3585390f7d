"""Construction of a training manifest from a folder or table of clips."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense._internal.progress import ProgressBar, silent
from fitsense.catalogue import load_catalogue
from fitsense.data.labels import Grouping, is_known
from fitsense.data.listing import COLUMNS, Entry, absolute, list_folder, list_table
from fitsense.data.manifest import FOLDS, MANIFEST, Skipped
from fitsense.data.probe import Probe, probe
from fitsense.data.scene_groups import ALIKE, find_scenes
from fitsense.data.splits import PartT, spread
from fitsense.data.tables import write_table
from fitsense.errors import InvalidInputError

SKIPPED = "skipped.csv"
REPORT = "dataset.json"
EXTRA = "extra"
"""The split of clips that show no trained exercise; it may share scenes with train."""


@attrs.frozen
class Options:
    """Settings of :func:`import_clips`.

    :param grouping: derivation of a clip's class from its exercise, if the source has no column ``group``.
    :param test: share of clips in the split ``test``.
    :param val: share of clips in the split ``val``; the rest is in ``train``.
    :param seed: seed of splits and folds.
    :param scene_pattern: regular expression that finds a clip's scene, such as a person, in its path: its first group
        that matches, or the whole match.
    :param alike: largest colour difference between clips of one scene, where the source gives no scenes: 0 joins no
        clips, 1 joins all.
    :param published: publisher of clips whose source names none.
    :param muscles: ids of muscle groups by class, for classes that the catalogue does not have.
    :param resplit: whether to replace the splits and folds that the source gives.
    """

    grouping: Grouping = "fine"
    test: float = 0.15
    val: float = 0.15
    seed: int = 0
    scene_pattern: str | None = None
    alike: float = ALIKE
    published: str = ""
    muscles: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    resplit: bool = False

    def __attrs_post_init__(self) -> None:
        if min(self.test, self.val) < 0 or self.test + self.val >= 1:
            raise InvalidInputError(
                f"test and val: expected shares from 0 that leave some to train on, got {self.test} and {self.val}"
            )
        if not 0 <= self.alike <= 1:
            raise InvalidInputError(f"alike: expected 0 to 1, got {self.alike}")
        try:
            re.compile(self.scene_pattern or "")
        except re.error as error:
            raise InvalidInputError(
                f"scene_pattern: {self.scene_pattern!r} is no regular expression: {error}"
            ) from None
        there = load_catalogue().muscle_groups
        for group, muscles in self.muscles.items():
            if not muscles or not set(muscles) <= there.keys():
                raise InvalidInputError(
                    f"muscles of {group}: expected some of {', '.join(there)}; got {', '.join(muscles) or 'none'}"
                )


def import_clips(
    source: Path, out: Path, options: Options, *, cache: Path, force: bool = False, track: ProgressBar = silent
) -> dict[str, Any]:
    """Write the ``manifest.csv`` of a source's clips into the folder `out`; return the report as a JSON object.

    Also writes the report to ``dataset.json``, and the skipped clips, if there are any, to ``skipped.csv``. Clips are
    not moved. Each clip is probed once: `cache` keeps the result, also of an interrupted run.

    :param source: a folder with a folder of clips for each exercise, or a CSV file that lists clips and labels.
    :param force: whether to replace an existing manifest.
    :raises InvalidInputError: the source cannot be parsed, it has no usable clip, its splits divide a scene, or `out`
        has a manifest.
    """
    if (out / MANIFEST).exists() and not force:
        raise InvalidInputError(f"{out / MANIFEST}: is there already; force replaces it")
    listing = (list_folder if source.is_dir() else list_table)(source, options.grouping)
    folder = absolute(out)
    own = {str(folder / name) for name in (MANIFEST, SKIPPED, REPORT)}
    skipped = [skip for skip in listing.skipped if skip.path not in own]
    entries, probes, unusable = _usable(listing.entries, cache, track)
    skipped += unusable
    if not entries:
        reasons = ", ".join(f"{count} {reason}" for reason, count in _by_reason(skipped).items())
        raise InvalidInputError(f"{source}: has no clip that can be used; left out: {reasons or 'nothing'}")

    names = [_name(entry.path, folder) for entry in entries]
    above = absolute(source if source.is_dir() else source.parent)
    entries = [_completed(entry, above, options) for entry in entries]
    colours = np.stack([seen.colours for seen in probes])
    # By names within the source, so that scenes do not depend on its place.
    inside = [_name(entry.path, above) for entry in entries]
    scenes = find_scenes(inside, [entry.scene for entry in entries], colours, options.alike)
    splits, folds = _splits(entries, scenes, options), _folds(entries, scenes, options)
    skipped = [Skipped(_name(Path(skip.path), folder), skip.reason) for skip in skipped]
    report = _report(entries, scenes, splits, skipped, options)

    more = sorted({column for entry in entries for column in entry.more})
    rows = [
        (
            name,
            entry.exercise,
            entry.group,
            ";".join(entry.muscles or ()),
            split,
            str(folds[scene]),
            scene,
            entry.source,
            *(entry.more.get(column, "") for column in more),
        )
        for name, entry, scene, split in zip(names, entries, scenes, splits, strict=True)
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / SKIPPED).unlink(missing_ok=True)
    if skipped:
        write_table(out / SKIPPED, ("path", "reason"), [(skip.path, skip.reason) for skip in skipped])
    (out / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write_table(out / MANIFEST, (*COLUMNS, *more), rows)
    return report


def _usable(
    entries: Sequence[Entry], cache: Path, track: ProgressBar
) -> tuple[list[Entry], list[Probe], list[Skipped]]:
    """The usable clips in the order of their paths, their probes, and the skipped clips."""
    cache.mkdir(parents=True, exist_ok=True)
    entries = sorted(entries, key=lambda entry: entry.path)
    kept: dict[str, tuple[Entry, Probe]] = {}
    skipped = []
    contradicted = set()
    for entry in track(entries, "Probing clips"):
        seen = probe(entry.path, cache)
        if seen.problem:
            skipped.append(Skipped(str(entry.path), seen.problem))
        elif seen.digest in kept:
            other = kept[seen.digest][0]
            if _label(other) == _label(entry):
                skipped.append(Skipped(str(entry.path), f"duplicate: the same file as {other.path}"))
            else:
                contradicted.add(seen.digest)
                skipped.append(Skipped(str(entry.path), f"several labels: the same file is {other.path}"))
        else:
            kept[seen.digest] = entry, seen
    # It is unknown which of the labels is right.
    for digest in sorted(contradicted):
        entry = kept.pop(digest)[0]
        skipped.append(Skipped(str(entry.path), "several labels: the same file is elsewhere under another one"))
    return [entry for entry, _ in kept.values()], [seen for _, seen in kept.values()], skipped


def _label(entry: Entry) -> tuple[str, str, tuple[str, ...] | None]:
    return entry.exercise, entry.group, entry.muscles


def _completed(entry: Entry, above: Path, options: Options) -> Entry:
    """Fill values that the source leaves out from the options."""
    scene = entry.scene
    if not scene and options.scene_pattern is not None:
        found = re.search(options.scene_pattern, _name(entry.path, above))
        scene = next((text for text in (*found.groups(), found[0]) if text), "") if found else ""
    return attrs.evolve(
        entry,
        scene=scene,
        source=entry.source or options.published,
        muscles=entry.muscles or options.muscles.get(entry.group),
        split="" if options.resplit else entry.split,
        fold=None if options.resplit else entry.fold,
    )


def _splits(entries: Sequence[Entry], scenes: Sequence[str], options: Options) -> list[str]:
    """The split of each clip, which is that of its scene. Clips without a trained class go to :data:`EXTRA` instead of
    ``train``."""
    given = _given(entries, scenes, "split", lambda entry: None if entry.split in ("", EXTRA) else entry.split)
    trained = [entry.split != EXTRA and bool(entry.group or entry.muscles) for entry in entries]
    shares = {"train": 1 - options.test - options.val, "test": options.test, "val": options.val}
    placed = given | spread(
        itertools.compress(_classes(entries, scenes), trained),
        {split: share for split, share in shares.items() if share},
        options.seed,
        given=given,
        first="train",
    )
    splits = []
    for entry, scene, counts in zip(entries, scenes, trained, strict=True):
        split = placed.get(scene, EXTRA)
        splits.append(entry.split or (EXTRA if split == "train" and not counts else split))
    return splits


def _folds(entries: Sequence[Entry], scenes: Sequence[str], options: Options) -> dict[str, int]:
    given = _given(entries, scenes, "fold", lambda entry: entry.fold)
    return spread(_classes(entries, scenes), dict.fromkeys(range(FOLDS), 1 / FOLDS), options.seed, given=given)


def _classes(entries: Sequence[Entry], scenes: Sequence[str]) -> list[tuple[str, str]]:
    """Scene and class of each clip."""
    classes = [entry.group or ";".join(entry.muscles or ()) for entry in entries]
    return list(zip(scenes, classes, strict=True))


def _given(
    entries: Sequence[Entry], scenes: Sequence[str], what: str, part_of: Callable[[Entry], PartT | None]
) -> dict[str, PartT]:
    """The parts that the source gives to scenes.

    :raises InvalidInputError: it gives two parts to one scene.
    """
    given: dict[str, tuple[PartT, Entry]] = {}
    for entry, scene in zip(entries, scenes, strict=True):
        part = part_of(entry)
        if part is None:
            continue
        before, other = given.setdefault(scene, (part, entry))
        if before != part:
            way_out = "resplit replaces splits and folds"
            if not (entry.scene and other.scene):
                way_out += ", alike 0 joins no clips by their colours"
            raise InvalidInputError(
                f"scene {scene!r} is in {what} {before} by {other.path} and in {what} {part} by {entry.path}; {way_out}"
            )
    return {scene: part for scene, (part, _) in given.items()}


def _report(
    entries: Sequence[Entry],
    scenes: Sequence[str],
    splits: Sequence[str],
    skipped: Sequence[Skipped],
    options: Options,
) -> dict[str, Any]:
    clips: dict[str, Counter[str]] = {}
    scenes_of: dict[str, dict[str, set[str]]] = {}
    for entry, scene, split in zip(entries, scenes, splits, strict=True):
        clips.setdefault(entry.group, Counter())[split] += 1
        scenes_of.setdefault(entry.group, {}).setdefault(split, set()).add(scene)
    wanted = [split for split, share in (("test", options.test), ("val", options.val)) if share]
    sizes = Counter(scenes)
    largest = max(sorted(sizes), key=sizes.__getitem__)
    return {
        "options": attrs.asdict(options),
        "clips": len(entries),
        "scenes": len(sizes),
        "scenes_found": len({scene for entry, scene in zip(entries, scenes, strict=True) if not entry.scene}),
        "largest_scene": {"scene": largest, "clips": sizes[largest]},
        "splits": dict(sorted(Counter(splits).items())),
        "classes": {
            group: {
                "clips": clips[group].total(),
                "scenes": len(set().union(*scenes_of[group].values())),
                "splits": dict(sorted(clips[group].items())),
            }
            for group in sorted(clips)
        },
        "too_few_scenes": {
            group: missing
            for group in sorted(clips)
            if group and (missing := [split for split in wanted if not clips[group][split]])
        },
        "unknown": {
            group: clips[group].total()
            for group in sorted(clips)
            if group
            and any(entry.group == group and entry.muscles is None for entry in entries)
            and not is_known(group)
        },
        "skipped": len(skipped),
        "skipped_by_reason": _by_reason(skipped),
        "skipped_files": [attrs.asdict(skip) for skip in skipped],
    }


def _by_reason(skipped: Sequence[Skipped]) -> dict[str, int]:
    """Number of skipped clips by reason, without the reasons' details."""
    return dict(sorted(Counter(skip.reason.partition(":")[0] for skip in skipped).items()))


def _name(path: Path, folder: Path) -> str:
    """Name of a file: its path relative to `folder` if it is below, else its absolute path."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
