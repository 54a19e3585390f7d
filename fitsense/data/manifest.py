"""A folder of clips with a ``manifest.csv``."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import attrs

from fitsense.errors import InvalidInputError

_REQUIRED = ("path", "group", "split")


@attrs.frozen
class ClipItem:
    """One labelled clip.

    :param path: the video file.
    :param group: the label to train on; empty for a clip of no trained group.
    :param split: such as ``train``, ``val``, ``test``.
    :param scene: same person and place, or same production; never to be split.
    :param fold: for cross-validation, disjoint by scene; None where the manifest has none.
    """

    path: Path
    group: str
    split: str
    scene: str
    fold: int | None


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
        rows = list(reader)
    known = sorted({row["split"] for row in rows})
    for split in splits:
        if split not in known:
            raise InvalidInputError(f"{file}: no clip is in split {split!r}; there are: {', '.join(known)}")
    items, skipped = [], []
    for row in rows:
        if row["split"] not in splits:
            continue
        path = folder / row["path"]
        if not path.is_file():
            skipped.append(Skipped(row["path"], "no such file"))
            continue
        fold = row.get("fold") or ""
        items.append(
            ClipItem(
                path=path,
                group=row["group"],
                split=row["split"],
                scene=row.get("scene") or row["path"],
                fold=int(fold) if fold.isdigit() else None,
            )
        )
    return Dataset(items, skipped)
