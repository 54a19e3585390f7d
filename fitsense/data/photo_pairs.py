"""Pairs of photographs: the start and the end of an exercise.

A folder holds the pictures and a ``photo_pairs.csv``. A body that moves to and fro between the two is a repetition, so
that branches on landmarks can learn from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from fitsense._internal.hashing import fingerprint
from fitsense.data.manifest import Skipped, muscle_ids
from fitsense.data.samples import NO_FOLD, Sample, muscle_targets
from fitsense.data.tables import Row, read_table
from fitsense.errors import InvalidInputError
from fitsense.types import Frame

TABLE = "photo_pairs.csv"
"""Name of the table in a folder of photo pairs."""

_REQUIRED = ("first", "second", "exercise")


def read_photo_pairs(folder: Path) -> tuple[list[Sample], list[Skipped]]:
    """Samples of the pairs in a folder's ``photo_pairs.csv``, and the rows without both files, with the reason.

    Columns are ``first`` and ``second`` (paths, absolute or relative to the folder) and ``exercise``; ``group``,
    ``muscles_primary`` and ``muscles_secondary`` (ids of the catalogue, separated by semicolons) and ``licence`` are
    read if they are there.

    :raises InvalidInputError: there is no table, a column is missing, or a muscle group is unknown.
    """
    file = folder / TABLE
    if not file.is_file():
        raise InvalidInputError(f"{folder}: expected a {TABLE} in it, and there is none")
    pairs, skipped = [], []
    for row in read_table(file, _REQUIRED):
        paths = [folder / row.cells["first"], folder / row.cells["second"]]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            skipped.append(Skipped(str(missing[0]), "no such file"))
        else:
            pairs.append(_sample(row, paths))
    return pairs, skipped


def _sample(row: Row, paths: list[Path]) -> Sample:
    cells = row.cells
    group, exercise = cells.get("group", ""), cells["exercise"]
    primary, secondary = muscle_targets(
        group, exercise, muscle_ids(row, "muscles_primary"), muscle_ids(row, "muscles_secondary") or ()
    )
    return Sample(
        key=" ".join(f"{path.name} {fingerprint(path)}" for path in paths),
        name=str(paths[0]),
        group=group,
        scene=cells["first"],
        fold=NO_FOLD,
        split="",
        source=TABLE,
        muscles=primary,
        open=_Opener(paths),
        licence=cells.get("licence", ""),
        muscles_secondary=secondary,
        exercise=exercise,
        kind="photos",
    )


class _Opener:
    """Gives the two pictures as frames of one size, a second apart."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __call__(self, short_side: int) -> AbstractContextManager[Iterable[Frame]]:
        return self._frames(short_side)

    @contextmanager
    def _frames(self, short_side: int) -> Iterator[Iterable[Frame]]:
        from PIL import Image

        from fitsense.imaging.resize import scale, scaled_size

        frames = []
        for second, path in enumerate(self._paths):
            try:
                with Image.open(path) as picture:
                    rgb = np.asarray(picture.convert("RGB"))
            except OSError as error:
                raise InvalidInputError(f"{path}: expected a picture, got {error}") from error
            width, height = scaled_size(rgb.shape[1], rgb.shape[0], short_side)
            frames.append(Frame(scale(rgb, width, height), float(second)))
        yield frames
