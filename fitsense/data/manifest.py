"""A folder of clips with a ``manifest.csv``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from fitsense.catalogue import load_catalogue
from fitsense.data.tables import Row, read_table
from fitsense.errors import InvalidInputError

MANIFEST = "manifest.csv"
"""The name of a manifest in its folder."""

FOLDS = 5
"""Number of folds if the manifest gives none."""

_COLUMNS = (
    *("path", "exercise", "group", "muscles", "muscles_primary", "muscles_secondary", "split", "fold", "scene"),
    *("source", "licence", "license"),
)
_REQUIRED = ("path", "group", "split")


@attrs.frozen
class ClipItem:
    """One labelled clip.

    :param path: the video file.
    :param group: the label to train on; empty for a clip of no trained group.
    :param split: such as ``train``, ``val``, ``test``.
    :param scene: clips of the same people and place, or of one production; a split never divides it.
    :param fold: fold of cross-validation; computed from the scene if the manifest has none.
    :param source: publisher of the clip; empty if unknown.
    :param muscles: ids of the muscle groups that it works, in the catalogue's order: the primary ones if the
        manifest distinguishes them. None for those of the catalogue.
    :param exercise: the label in detail, such as ``hammer_curl``; empty for none.
    :param licence: SPDX id, or the publisher's words; empty if the manifest states none.
    :param muscles_secondary: ids of the secondary muscle groups, none of them in `muscles`.
    :param answers: cells of the other columns, by column; targets of the tasks that plugins declare.
    """

    path: Path
    group: str
    split: str
    scene: str
    fold: int
    source: str = ""
    muscles: tuple[str, ...] | None = None
    exercise: str = ""
    licence: str = ""
    muscles_secondary: tuple[str, ...] = ()
    answers: Mapping[str, str] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class Skipped:
    """A skipped clip, with the reason."""

    path: str
    reason: str


@attrs.frozen
class Dataset:
    """Clips of some splits, and the skipped rows."""

    items: Sequence[ClipItem]
    skipped: Sequence[Skipped]


def read_manifest(folder: Path, splits: Collection[str]) -> Dataset:
    """Read the clips of `splits` from ``manifest.csv`` in `folder`.

    The columns ``path``, ``group`` and ``split`` are required.
    Paths are absolute, or relative to `folder`. ``scene``, ``fold``, ``source``, ``muscles`` (ids of the catalogue,
    separated by semicolons), ``muscles_primary`` and ``muscles_secondary`` (likewise; preferred to ``muscles``),
    ``exercise`` and ``licence`` (or ``license``) are optional; without ``scene``, each clip is a separate scene.

    :raises InvalidInputError: there is no manifest, a column is missing, a split has no rows, or a muscle group is
        unknown.
    """
    rows = _rows(folder)
    known = sorted({row.cells["split"] for row in rows})
    for split in splits:
        if split not in known:
            raise InvalidInputError(f"{folder}: no clip is in split {split!r}; available: {', '.join(known)}")
    items, skipped = [], []
    for row in rows:
        cells = row.cells
        if cells["split"] not in splits:
            continue
        path = folder / cells["path"]
        if not path.is_file():
            skipped.append(Skipped(cells["path"], "no such file"))
            continue
        scene, fold = cells.get("scene") or cells["path"], cells.get("fold") or ""
        items.append(
            ClipItem(
                path=path,
                group=cells["group"],
                split=cells["split"],
                scene=scene,
                fold=int(fold) if fold.isdigit() else int(hashlib.sha256(scene.encode()).hexdigest(), 16) % FOLDS,
                source=cells.get("source", ""),
                muscles=muscle_ids(row, "muscles_primary") or muscle_ids(row, "muscles"),
                exercise=cells.get("exercise", ""),
                licence=" ".join((cells.get("licence") or cells.get("license") or "").split()),
                muscles_secondary=_secondary(row),
                answers={column: cell for column, cell in cells.items() if column not in _COLUMNS},
            )
        )
    return Dataset(items, skipped)


def _secondary(row: Row) -> tuple[str, ...]:
    primary, secondary = muscle_ids(row, "muscles_primary") or (), muscle_ids(row, "muscles_secondary") or ()
    if secondary and not primary:
        raise InvalidInputError(f"{row.where}: muscles_secondary: expected muscles_primary in the same row, got none")
    for name in primary:
        if name in secondary:
            raise InvalidInputError(f"{row.where}: expected each muscle group once, got {name!r} in both columns")
    return secondary


def muscle_ids(row: Row, column: str) -> tuple[str, ...] | None:
    """Muscle groups that a row names in a column, separated by semicolons, in the catalogue's order; None for none."""
    named = {name.strip() for name in row.cells.get(column, "").split(";")} - {""}
    groups = load_catalogue().muscle_groups
    for name in sorted(named - groups.keys()):
        raise InvalidInputError(f"{row.where}: unknown muscle group {name!r}; available: {', '.join(groups)}")
    return tuple(group for group in groups if group in named) or None


def _rows(folder: Path) -> list[Row]:
    file = folder / MANIFEST
    if not file.is_file():
        raise InvalidInputError(f"{folder}: expected a file {MANIFEST}, got none")
    return read_table(file, _REQUIRED)


def splits_of(folder: Path) -> set[str]:
    """The values of the manifest's split column."""
    return {row.cells["split"] for row in _rows(folder)}


def check_disjoint(trained: Sequence[ClipItem], held_out: Sequence[ClipItem]) -> None:
    """Check that no scene is in two folds, or both trained on and held out, which would make metrics too good.

    :raises InvalidInputError: a scene is.
    """
    folds: dict[str, int] = {}
    for item in trained:
        if folds.setdefault(item.scene, item.fold) != item.fold:
            raise InvalidInputError(f"scene {item.scene!r} is in several folds; put all of its clips into one")
    for item in held_out:
        if item.scene in folds:
            raise InvalidInputError(
                f"scene {item.scene!r} is in a split to train on and in {item.split}; put all of its clips into one"
            )
