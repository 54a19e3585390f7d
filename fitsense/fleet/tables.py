"""Parquet tables of the segments, sets and muscle load of many videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fitsense._internal.atomic import atomic_path
from fitsense.errors import FitsenseError, MissingExtraError
from fitsense.events.log import EventLog, load_log
from fitsense.fleet.outcome import Outcome
from fitsense.tabular.columns import LOAD, SET_STATS, SPAN, Column, arrow_schema

Row = Mapping[str, Any]

# Number of rows per write.
_ROWS = 10_000


_VIDEO = (Column("video", "string"), Column("url", "string"))

TABLES: Mapping[str, Sequence[Column]] = {
    "segments": (*_VIDEO, Column("exercise", "string"), *SPAN, Column("confidence", "double"), *SET_STATS),
    "sets": (
        *_VIDEO,
        Column("set", "int64"),
        Column("exercise", "string"),
        Column("exercise_set", "int64"),
        *SPAN,
        *SET_STATS,
        Column("rest_before_s", "double", "s"),
    ),
    "muscle_load": (
        *_VIDEO,
        *LOAD,
    ),
}
"""The columns of each table. ``video`` is the outcome's ``id``; times are seconds of the video's media time."""


def rows_of(log: EventLog) -> Mapping[str, Sequence[Row]]:
    """The rows of a video's log by table, without the columns that identify the video."""
    ended = log.last("session.ended") or {}
    repetitions = ended.get("muscle_load_repetitions", {})
    return {
        "segments": log.data("exercise.ended"),
        "sets": [
            {**one, "set": number, "exercise_set": one["index"]} for number, one in enumerate(ended.get("sets", ()), 1)
        ],
        "muscle_load": [
            {"muscle": muscle, "load_s": load_s, "load_repetitions": repetitions.get(muscle)}
            for muscle, load_s in ended.get("muscle_load_s", {}).items()
        ],
    }


def write_tables(folder: Path, videos: Iterable[tuple[Outcome, Path]]) -> None:
    """Write each table to a file with its name in `folder`, completely or not at all.

    :param videos: outcomes and the files of their events.
    :raises FitsenseError: a file of events cannot be read or is malformed.
    :raises MissingExtraError: ``fitsense[ray]`` is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("fitsense fleet", "ray", error) from error
    schemas = {table: arrow_schema(columns) for table, columns in TABLES.items()}
    with ExitStack() as stack:
        writers = {}
        for table, schema in schemas.items():
            temporary = stack.enter_context(atomic_path(folder / f"{table}.parquet"))
            writers[table] = stack.enter_context(pq.ParquetWriter(temporary, schema))
        rows: dict[str, list[Row]] = {table: [] for table in TABLES}
        for outcome, file in videos:
            for table, row in _rows(outcome, file):
                rows[table].append(row)
                if len(rows[table]) == _ROWS:
                    writers[table].write_table(pa.Table.from_pylist(rows[table], schemas[table]))
                    rows[table] = []
        for table, writer in writers.items():
            writer.write_table(pa.Table.from_pylist(rows[table], schemas[table]))


def _rows(outcome: Outcome, file: Path) -> Iterator[tuple[str, Row]]:
    try:
        logs = load_log(file)
    except OSError as error:
        raise FitsenseError(f"{file}: {error.strerror or error}") from error
    except FitsenseError as error:
        raise type(error)(f"{file}: {error}") from error
    # A path may not be Unicode, but the text of a table is.
    video = {"video": outcome.id, "url": outcome.url.encode("utf-8", "replace").decode()}
    for log in logs:
        for table, rows in rows_of(log).items():
            for row in rows:
                yield table, {**video, **row}
