"""A session's events as tables: of sessions, sets, repetitions and muscle load."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.events.log import EventLog, load_log, read_log
from fitsense.events.model import Event
from fitsense.events.parsing import OtherEvent
from fitsense.report.totals import Report, reports_of
from fitsense.tabular.columns import LOAD, SET_STATS, SPAN, Column, arrow_schema
from fitsense.workouts.csv import csv_of, set_rows
from fitsense.workouts.workout import has_workout

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes

TableName: TypeAlias = Literal["sessions", "sets", "repetitions", "muscle_load", "set_muscle_load"]

Row = dict[str, Any]

_SESSION = (Column("session", "int64"), Column("source", "string"), Column("subject", "string"))
_WHICH_SET = (Column("set", "int64"), Column("exercise", "string"), Column("name", "string"))
_STARTED_AT = Column("started_at", "time")
_ENDED_AT = Column("ended_at", "time")
_REST = Column("rest_before_s", "double", "s")
_MUSCLE, *_LOADS = LOAD
_MUSCLE_NAME = Column("muscle_name", "string")

COLUMNS: Mapping[TableName, Sequence[Column]] = {
    "sessions": (
        *_SESSION,
        Column("model", "string"),
        _STARTED_AT,
        *SPAN,
        Column("reason", "string"),
        Column("sets", "int64"),
        Column("repetitions", "int64"),
        Column("time_under_tension_s", "double", "s"),
        Column("idle_s", "double", "s"),
    ),
    "sets": (*_SESSION, *_WHICH_SET, Column("exercise_set", "int64"), *SPAN, _STARTED_AT, _ENDED_AT, *SET_STATS, _REST),
    "repetitions": (*_SESSION, *_WHICH_SET, Column("repetition", "int64"), *SPAN),
    "muscle_load": (*_SESSION, _MUSCLE, _MUSCLE_NAME, *_LOADS),
    "set_muscle_load": (*_SESSION, *_WHICH_SET, _MUSCLE, _MUSCLE_NAME, *_LOADS),
}
"""The columns of each table. ``session`` counts the sessions from 1, ``set`` each one's sets, and ``exercise_set``
those of its exercise."""


class Tables:
    """Sets, repetitions and muscle load of sessions; from :func:`fitsense.tables`.

    In a notebook it shows the report of ``fitsense report --html``. Times are seconds of media time; what is not known
    is None.
    """

    def __init__(self, logs: Sequence[EventLog], catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or load_catalogue()
        self._logs = [log for log in logs if has_workout(log)]
        self._reports = reports_of(logs)

    def rows(self, table: TableName) -> list[Row]:
        """A table's rows as dicts, which need no extra.

        :param table: ``sessions``, ``sets``, ``repetitions``, ``muscle_load`` of each session, or
            ``set_muscle_load`` of each set.
        :raises InvalidInputError: there is no such table.
        """
        makers = {
            "sessions": _session_rows,
            "sets": _set_rows,
            "repetitions": _repetition_rows,
            "muscle_load": _load_rows,
            "set_muscle_load": _set_load_rows,
        }
        if table not in makers:
            raise InvalidInputError(f"table: expected one of {', '.join(get_args(TableName))}, got {table!r}")
        sessions = enumerate(zip(self._reports, self._logs, strict=True), 1)
        return [
            {"session": number, "source": log.source, "subject": log.subject, **row}
            for number, (report, log) in sessions
            for row in makers[table](report, log, self._catalogue)
        ]

    def csv(self, table: TableName) -> str:
        """A table as CSV (RFC 4180) with a header line, which needs no extra; times are ISO 8601.

        Lines end in CR LF: write it with ``Path.write_text(…, encoding="utf-8", newline="")``.

        :raises InvalidInputError: there is no such table.
        """
        rows = self.rows(table)
        return csv_of([column.name for column in COLUMNS[table]], rows)

    def arrow(self, table: TableName) -> pa.Table:
        """A table of Arrow; units are in its fields' metadata.

        :raises MissingExtraError: ``fitsense[tables]`` is not installed.
        """
        rows = self.rows(table)
        try:
            import pyarrow as pa
        except ImportError as error:
            raise MissingExtraError("Tables.arrow", "tables", error) from error
        return pa.Table.from_pylist(rows, arrow_schema(COLUMNS[table]))

    def pandas(self, table: TableName) -> pd.DataFrame:
        """A DataFrame of pandas, also with its columns' types where it is empty; whole numbers may be missing.

        :raises MissingExtraError: ``fitsense[tables]`` is not installed.
        """
        rows = self.rows(table)
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("Tables.pandas", "tables", error) from error
        types: Mapping[str, Any] = {"string": "string", "double": "float64", "int64": "Int64"}
        columns = COLUMNS[table]
        frame = pd.DataFrame(rows, columns=[column.name for column in columns])
        for column in columns:
            if column.kind in types:
                frame[column.name] = frame[column.name].astype(types[column.kind])
            else:
                frame[column.name] = pd.to_datetime(frame[column.name], utc=True).astype("datetime64[ms, UTC]")
        return frame

    def plot_tempo(self, ax: Axes | None = None) -> Axes:
        """Plot how long each repetition took, by when it was.

        :param ax: axes of matplotlib; None for those of a new figure.
        :raises MissingExtraError: ``fitsense[tables]`` is not installed.
        """
        from fitsense.tabular import plots

        return plots.tempo(self.rows("repetitions"), ax)

    def plot_load(self, ax: Axes | None = None) -> Axes:
        """Plot the load of each muscle group, in seconds at full activation, by exercise.

        :param ax: axes of matplotlib; None for those of a new figure.
        :raises MissingExtraError: ``fitsense[tables]`` is not installed.
        """
        from fitsense.tabular import plots

        return plots.load(self.rows("set_muscle_load"), ax)

    def _repr_html_(self) -> str:
        from fitsense.report.notebook import embedded

        return embedded(self._reports, "events", self._catalogue)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.rows(name))} {name}" for name in ("sessions", "sets", "repetitions"))
        return f"<fitsense tables: {counts}>"


def tables(
    events: Iterable[Event | OtherEvent | Mapping[str, Any]] | Path, *, catalogue: Catalogue | None = None
) -> Tables:
    """Make tables of events.

    :param events: the events of one or several sessions, as :func:`fitsense.analyze` gives them, or as the JSON objects
        of a log; or the path of a log. Events of other types than fitsense's are left out.
    :param catalogue: whose names exercises and muscle groups have; None for the English ones.
    :raises SchemaError: there is no session in them, or an event does not obey its schema.
    :raises OSError: the log cannot be read.
    """
    if isinstance(events, Path):
        return Tables(load_log(events), catalogue)
    if isinstance(events, str):
        raise InvalidInputError(f"events: expected events or the Path of a log, got the text {events!r}; use Path(…)")
    return Tables(read_log(_lines(events)), catalogue)


def _lines(events: Iterable[Any]) -> Iterator[str]:
    for event in events:
        if isinstance(event, Event):
            yield event.to_json()
        elif isinstance(event, Mapping):
            yield json.dumps(event)


def _session_rows(report: Report, log: EventLog, catalogue: Catalogue) -> Iterator[Row]:
    workout = report.workout
    yield {
        "model": report.model,
        "started_at": workout.started_at,
        "start_s": report.start_s,
        "end_s": report.end_s,
        "duration_s": _rounded(report.end_s - report.start_s),
        "reason": report.reason,
        "sets": len(workout.sets),
        "repetitions": report.repetition_count,
        "time_under_tension_s": _rounded(report.time_under_tension_s),
        "idle_s": report.idle_s,
    }


def _set_rows(report: Report, log: EventLog, catalogue: Catalogue) -> Iterator[Row]:
    yield from set_rows(report.workout, catalogue)


def _which_set(row: Row) -> Row:
    return {name: row[name] for name in ("set", "exercise", "name")}


def _repetition_rows(report: Report, log: EventLog, catalogue: Catalogue) -> Iterator[Row]:
    for row, repetitions in _by_set(report, catalogue):
        for number, one in enumerate(repetitions, 1):
            yield {
                **_which_set(row),
                "repetition": number,
                "start_s": _rounded(one.start_s),
                "end_s": _rounded(one.end_s),
                "duration_s": _rounded(one.end_s - one.start_s),
            }


def _by_set(report: Report, catalogue: Catalogue) -> Iterator[tuple[Row, list[Any]]]:
    """Each set and the repetitions whose middle lies in it."""
    left = list(report.repetitions)
    for row in set_rows(report.workout, catalogue):
        yield row, [one for one in left if row["start_s"] <= (one.start_s + one.end_s) / 2 <= row["end_s"]]


def _load_rows(report: Report, log: EventLog, catalogue: Catalogue) -> Iterator[Row]:
    by_repetitions = report.load_repetitions or {}
    for muscle, load_s in report.load_s.items():
        yield {
            **_muscle(muscle, catalogue),
            "load_s": _rounded(load_s),
            "load_repetitions": _rounded(by_repetitions.get(muscle)),
        }


def _set_load_rows(report: Report, log: EventLog, catalogue: Catalogue) -> Iterator[Row]:
    parts = log.data("muscles.activated") or log.data("exercise.ended")
    for row, repetitions in _by_set(report, catalogue):
        load = _load(parts, row["start_s"], row["end_s"])
        each = [_load(parts, one.start_s, one.end_s, mean=True) for one in repetitions]
        for muscle in report.load_s:
            yield {
                **_which_set(row),
                **_muscle(muscle, catalogue),
                "load_s": _rounded(load.get(muscle, 0.0)),
                "load_repetitions": _rounded(sum(one.get(muscle, 0.0) for one in each)),
            }


def _load(parts: Iterable[Mapping[str, Any]], start_s: float, end_s: float, mean: bool = False) -> Mapping[str, float]:
    """Activation by muscle group, integrated from `start_s` to `end_s`; or its mean over the known time."""
    load: dict[str, float] = {}
    known_s = 0.0
    for part in parts:
        overlap_s = min(end_s, part["end_s"]) - max(start_s, part["start_s"])
        if overlap_s <= 0:
            continue
        known_s += overlap_s
        for muscle, activation in part["muscles"].items():
            load[muscle] = load.get(muscle, 0.0) + activation * overlap_s
    return {muscle: value / known_s for muscle, value in load.items()} if mean and known_s else load


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _muscle(id_: str, catalogue: Catalogue) -> Row:
    return {"muscle": id_, "muscle_name": catalogue.muscle_group_name(id_)}
