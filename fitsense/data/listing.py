"""Clips and labels of a source, which is a folder for each class or a table; opens no clip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from fitsense.catalogue import load_catalogue
from fitsense.data.labels import Grouping, exercise_of, group_of, is_known, muscle_of, muscles_of
from fitsense.data.manifest import Skipped
from fitsense.data.tables import Row, read_table
from fitsense.errors import InvalidInputError

COLUMNS = ("path", "exercise", "group", "muscles", "split", "fold", "scene", "source")
"""Columns of a written manifest; other columns of the source follow."""

ENDINGS = frozenset(
    ".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()  # noqa: SIM905
)
"""Suffixes of video files, in lower case."""


@attrs.frozen
class Entry:
    """A clip as its source lists it; values that the source leaves out are empty or None.

    :param path: absolute.
    :param more: cells of columns that fitsense does not read, which the manifest keeps.
    """

    path: Path
    exercise: str
    group: str
    muscles: tuple[str, ...] | None = None
    split: str = ""
    fold: int | None = None
    scene: str = ""
    source: str = ""
    more: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Listing:
    """The clips of a source, and the skipped files or rows."""

    entries: list[Entry]
    skipped: list[Skipped]


def list_folder(folder: Path, grouping: Grouping) -> Listing:
    """List the clips in folders that are named after their exercise.

    The exercise of a clip is the nearest folder above it whose name the catalogue has, else the clip's folder. Hidden
    folders are skipped.
    """
    folder = absolute(folder)
    listing = Listing([], [])
    for path in _files(folder):
        inside = path.relative_to(folder)
        named = [exercise_of(part) for part in reversed(inside.parts[:-1])]
        exercise = next(filter(is_known, named), named[0] if named else "")
        if path.name.startswith("."):
            reason = "hidden file"
        elif _text(path) != str(path):
            reason = "file name is not Unicode: a manifest cannot hold it"
        elif path.suffix.lower() not in ENDINGS:
            reason = f"unknown ending: {path.suffix or 'none'}"
        elif not exercise:
            reason = "no label: it is in no folder that is named after an exercise"
        else:
            group = group_of(exercise, grouping)
            listing.entries.append(Entry(path, exercise, group, muscles_of(exercise, group)))
            continue
        listing.skipped.append(Skipped(_text(path), reason))
    return listing


def list_table(file: Path, grouping: Grouping) -> Listing:
    """List the clips of a CSV file with a column ``path``, and ``group``, ``exercise``, ``muscles`` or ``labels``.

    ``muscles`` holds names of muscle groups, separated by semicolons; ``labels`` holds names of exercises and muscle
    groups. Cells of a column ``group`` are used unchanged, empty ones too; without the column, groups follow from
    exercises. Paths are absolute, or relative to the file's folder.

    :raises InvalidInputError: the file is no such table, or a cell has an invalid value.
    """
    rows = [_trimmed(row) for row in read_table(file, ["path"])]
    if rows and not {"group", "exercise", "muscles", "labels"} & rows[0].cells.keys():
        raise InvalidInputError(
            f"{file}: expected a column group, exercise, muscles or labels, got {', '.join(rows[0].cells)}"
        )
    listing = Listing([], [])
    for row in rows:
        path = absolute(file.parent / row.cells["path"])
        if not row.cells["path"]:
            raise InvalidInputError(f"{row.where}: expected a path, got an empty cell")
        exercises, muscles = _labels(row)
        fold = _fold(row)
        exercise = exercises[0] if exercises else ""
        group = exercise_of(row.cells["group"]) if "group" in row.cells else group_of(exercise, grouping)
        if not path.is_file():
            reason = "no such file"
        elif len(exercises) > 1:
            reason = f"several exercises: {', '.join(exercises)}"
        elif not (exercise or group or muscles):
            reason = "no label: neither exercise nor muscles"
        else:
            listing.entries.append(
                Entry(
                    path=path,
                    exercise=exercise,
                    group=group,
                    muscles=muscles or muscles_of(exercise, group),
                    split=row.cells.get("split", ""),
                    fold=fold,
                    scene=row.cells.get("scene", ""),
                    source=row.cells.get("source", ""),
                    more={column: cell for column, cell in row.cells.items() if column not in COLUMNS},
                )
            )
            continue
        listing.skipped.append(Skipped(str(path), reason))
    return listing


def _text(path: Path) -> str:
    """A path as Unicode text, with replacement characters for other bytes."""
    return os.fsencode(path).decode("utf-8", "replace")


def absolute(path: Path) -> Path:
    """An absolute path without dots; links are not resolved, so that a linked file stays in its folder."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _trimmed(row: Row) -> Row:
    """Strip the cells, except for the path, which may begin or end with spaces."""
    return attrs.evolve(row, cells={name: cell if name == "path" else cell.strip() for name, cell in row.cells.items()})


def _labels(row: Row) -> tuple[list[str], tuple[str, ...]]:
    """The exercises and muscle groups that a row names, each once."""
    exercises, muscles = [exercise_of(row.cells.get("exercise", ""))], set()
    for name in _names(row, "labels"):
        exercise, muscle = exercise_of(name), muscle_of(name)
        if muscle is not None and not is_known(exercise):
            muscles.add(muscle)
        else:
            exercises.append(exercise)
    for name in _names(row, "muscles"):
        muscle = muscle_of(name)
        if muscle is None:
            there = ", ".join(load_catalogue().muscle_groups)
            raise InvalidInputError(f"{row.where}: unknown muscle group {name!r}; available: {there}")
        muscles.add(muscle)
    groups = load_catalogue().muscle_groups
    return list(filter(None, dict.fromkeys(exercises))), tuple(group for group in groups if group in muscles)


def _names(row: Row, column: str) -> list[str]:
    return [name.strip() for name in row.cells.get(column, "").split(";") if name.strip()]


def _fold(row: Row) -> int | None:
    cell = row.cells.get("fold", "")
    if cell and not cell.isdecimal():
        raise InvalidInputError(f"{row.where}: expected a whole number as fold, got {cell!r}")
    return int(cell) if cell else None


def _files(folder: Path) -> Iterator[Path]:
    """All files below `folder`, in order; follows links to folders, each once."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            yield from (Path(where, name) for name in sorted(names))
        seen.add(real)
