"""A folder of clips with a ``manifest.csv``."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import attrs

from fitsense.errors import InvalidInputError

FOLDS = 5
"""How many folds scenes are spread over where the manifest gives none."""

_REQUIRED = ("path", "group", "split")


@attrs.frozen
class ClipItem:
    """One labelled clip.

    :param path: the video file.
    :param group: the label to train on; empty for a clip of no trained group.
    :param split: such as ``train``, ``val``, ``test``.
    :param scene: same person and place, or same production; never to be split.
    :param fold: for cross-validation; from the scene where the manifest has none.
    """

    path: Path
    group: str
    split: str
    scene: str
    fold: int


@attrs.frozen
class Skipped:
    """A clip that could not be used, and why."""

    path: str
    reason: str


@attrs.frozen
class Dataset:
    """Clips of some splits, and the rows that had to be left out."""

    items: Sequence[ClipItem]
    skipped: Sequence[Skipped]


def read_manifest(folder: Path, splits: Collection[str]) -> Dataset:
    """The clips of `splits` in `folder`'s ``manifest.csv``, whose columns are at least path, group and split.

    ``scene`` and ``fold`` are read where they are; without ``scene``, each clip counts as a scene of its own.

    :raises InvalidInputError: there is no manifest, a column is missing, or a split has no rows.
    """
    rows = _rows(folder)
    known = sorted({row["split"] for row in rows})
    for split in splits:
        if split not in known:
            raise InvalidInputError(f"{folder}: no clip is in split {split!r}; there are: {', '.join(known)}")
    items, skipped = [], []
    for row in rows:
        if row["split"] not in splits:
            continue
        path = folder / row["path"]
        if not path.is_file():
            skipped.append(Skipped(row["path"], "no such file"))
            continue
        scene, fold = row.get("scene") or row["path"], row.get("fold") or ""
        items.append(
            ClipItem(
                path=path,
                group=row["group"],
                split=row["split"],
                scene=scene,
                fold=int(fold) if fold.isdigit() else int(hashlib.sha256(scene.encode()).hexdigest(), 16) % FOLDS,
            )
        )
    return Dataset(items, skipped)


def _rows(folder: Path) -> list[dict[str, str]]:
    file = folder / "manifest.csv"
    if not file.is_file():
        raise InvalidInputError(f"{folder}: expected a manifest.csv in it, and there is none")
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
        if missing:
            raise InvalidInputError(
                f"{file}: expected the columns {', '.join(_REQUIRED)}; {', '.join(missing)} missing"
            )
        return list(reader)


def splits_of(folder: Path) -> set[str]:
    """The values of the manifest's split column."""
    return {row["split"] for row in _rows(folder)}


def check_disjoint(trained: Sequence[ClipItem], held_out: Sequence[ClipItem]) -> None:
    """Raise :class:`InvalidInputError` where a scene is in two folds, or both trained on and held out: figures of
    clips whose scene was trained on mean nothing."""
    folds: dict[str, int] = {}
    for item in trained:
        if folds.setdefault(item.scene, item.fold) != item.fold:
            raise InvalidInputError(f"scene {item.scene!r} is in several folds; put all of its clips into one")
    for item in held_out:
        if item.scene in folds:
            raise InvalidInputError(
                f"scene {item.scene!r} is in a split to train on and in {item.split}; put all of its clips into one"
            )
