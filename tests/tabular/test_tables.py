"""Tables of events."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import get_args

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.events.parsing import parse_event
from fitsense.tabular.tables import COLUMNS, TableName, Tables
from tests.helpers.event_logs import WORKOUT, Done, log

mpl.use("agg")

NAMES: tuple[TableName, ...] = get_args(TableName)


@pytest.fixture(scope="module")
def workout() -> Tables:
    return fitsense.tables(log())


def test_tables_of_events_objects_and_files_are_the_same(workout: Tables, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in log()))
    objects = fitsense.tables(parse_event(event) for event in log())
    for name in NAMES:
        assert fitsense.tables(file).rows(name) == objects.rows(name) == workout.rows(name)
    with pytest.raises(fitsense.InvalidInputError, match=r"use Path\("):
        fitsense.tables("events.ndjson")  # type: ignore[arg-type]


def test_sets_and_repetitions_are_those_that_were_done(workout: Tables) -> None:
    sets, repetitions = workout.rows("sets"), workout.rows("repetitions")
    assert [(row["exercise"], row["repetitions"]) for row in sets] == [
        (one.exercise, len(one.tempi)) for one in WORKOUT
    ]
    assert [row["duration_s"] for row in repetitions] == pytest.approx([s for one in WORKOUT for s in one.tempi])
    assert [(row["set"], row["repetition"]) for row in repetitions] == [
        (number, index) for number, one in enumerate(WORKOUT, 1) for index in range(1, len(one.tempi) + 1)
    ]
    (session,) = workout.rows("sessions")
    assert (session["sets"], session["repetitions"], session["reason"]) == (5, 21, "finished")


def test_muscle_load_of_a_set_is_activation_over_its_time_and_repetitions(workout: Tables) -> None:
    rows = {(row["set"], row["muscle"]): row for row in workout.rows("set_muscle_load")}
    for number, one in enumerate(WORKOUT, 1):
        for muscle, activation in one.muscles.items():
            row = rows[number, muscle]
            assert row["load_s"] == pytest.approx(activation * sum(one.tempi), abs=0.01)
            assert row["load_repetitions"] == pytest.approx(activation * len(one.tempi), abs=0.01)
    assert rows[1, "chest"]["load_s"] == 0.0


SETS = st.builds(
    Done,
    st.just("squat"),
    st.lists(st.just(2.0), min_size=1, max_size=4),
    st.just(20.0),
    st.just({"quads": 0.5}),
)


@given(st.lists(SETS, max_size=3))
def test_muscle_load_of_the_sets_adds_up_to_that_of_the_session(sets: list[Done]) -> None:
    made = fitsense.tables(log(sets, warnings=()))
    session = {row["muscle"]: row["load_s"] for row in made.rows("muscle_load")}
    summed = dict.fromkeys(session, 0.0)
    for row in made.rows("set_muscle_load"):
        summed[row["muscle"]] += row["load_s"]
    assert summed == pytest.approx(session, abs=0.05)


def test_tables_number_sessions_and_people_separately(workout: Tables) -> None:
    both = fitsense.tables(
        [*log(), *log(WORKOUT[:1], subject="2"), {"id": "1", "type": "a.b", "source": "x", "data": {}}]
    )
    assert [row["subject"] for row in both.rows("sessions")] == [None, "2"]
    assert [row["session"] for row in both.rows("sets")] == [1] * 5 + [2]
    assert both.rows("sets")[:5] == workout.rows("sets")


def test_tables_truncated_log_has_its_events() -> None:
    broken = fitsense.tables(log()[:-1])
    (session,) = broken.rows("sessions")
    assert (session["reason"], session["idle_s"], session["sets"]) == (None, None, 5)
    assert {row["load_repetitions"] for row in broken.rows("muscle_load")} == {None}


@pytest.mark.parametrize("name", NAMES)
def test_pandas_and_arrow_have_the_rows_and_typed_columns(workout: Tables, name: TableName) -> None:
    rows, table, frame = workout.rows(name), workout.arrow(name), workout.pandas(name)
    columns = [column.name for column in COLUMNS[name]]
    assert table.column_names == list(frame.columns) == columns
    assert all(set(row) == set(columns) for row in rows)
    assert table.num_rows == len(frame) == len(rows) > 0
    assert table.to_pylist() == rows
    assert table.schema.field(columns[-1]).metadata[b"unit"].startswith((b"s", b"rep"))
    # Also without rows, as for a session without exercise.
    nothing = fitsense.tables(log((), warnings=())).pandas(name)
    assert list(nothing.dtypes) == list(frame.dtypes)


def test_tables_unknown_name_is_refused(workout: Tables) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"expected one of sessions, sets, .*, got 'set'"):
        workout.rows("set")  # type: ignore[arg-type]


def test_tables_notebook_shows_report(workout: Tables) -> None:
    shown = workout._repr_html_()
    (page,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert "Bench press" in html.unescape(page)
    assert html.unescape(page).startswith("<!doctype html>")
    assert repr(workout) == "<fitsense tables: 1 sessions, 5 sets, 21 repetitions>"


def test_plots_draw_every_set_and_muscle(workout: Tables) -> None:
    from matplotlib import pyplot

    _, (left, right) = pyplot.subplots(1, 2)
    assert workout.plot_tempo(left) is left
    assert [len(line.get_xdata()) for line in left.lines] == [len(one.tempi) for one in WORKOUT]  # type: ignore[arg-type]
    legend = left.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["Squat", "Bench press", "Row"]
    workout.plot_load(right)
    totals: dict[str, float] = {}
    for bar in right.patches:
        totals[f"{bar.get_y():.1f}"] = totals.get(f"{bar.get_y():.1f}", 0.0) + bar.get_width()
    expected = [row["load_s"] for row in workout.rows("muscle_load") if row["load_s"]]
    assert sorted(totals.values()) == pytest.approx(sorted(expected), abs=0.05)
    assert workout.plot_tempo().figure is not left.figure
    fitsense.tables(log((), warnings=())).plot_load()
    pyplot.close("all")


@pytest.mark.parametrize(
    ("call", "package"), [("pandas('sets')", "pandas"), ("arrow('sets')", "pyarrow"), ("plot_load()", "matplotlib")]
)
def test_tables_missing_extra_is_named(call: str, package: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(json.dumps(event) + "\n" for event in log()))
    script = (
        f"import sys; sys.modules['{package}'] = None\n"
        f"import fitsense, pathlib\n"
        f"tables = fitsense.tables(pathlib.Path({str(tmp_path / 'log')!r}))\n"
        f"assert tables.rows('sets')\n"
        f"try: tables.{call}\n"
        f"except fitsense.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'fitsense[tables]'" in done.stdout


def test_names_are_of_the_catalogues_language() -> None:
    german = fitsense.tables(log(), catalogue=fitsense.load_catalogue("de"))
    assert german.rows("sets")[0]["name"] == "Kniebeuge"
    assert {row["muscle_name"] for row in german.rows("set_muscle_load")} >= {"Quadrizeps", "Brust"}
    assert "Kniebeuge" in german._repr_html_()


@pytest.mark.parametrize("name", NAMES)
def test_csv_of_a_table_reads_back_as_its_rows(workout: Tables, name: TableName) -> None:
    text, rows = workout.csv(name), workout.rows(name)
    assert text.count("\r\n") == len(rows) + 1 > 1
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    for got, row in zip(read, rows, strict=True):
        for column in COLUMNS[name]:
            value, cell = row[column.name], got[column.name]
            if value is None:
                assert cell == ""
            elif column.kind == "time":
                assert datetime.fromisoformat(cell) == value
            else:
                assert type(value)(cell) == value


def test_csv_of_a_session_without_sets_has_a_header_only() -> None:
    columns = ",".join(column.name for column in COLUMNS["repetitions"])
    assert fitsense.tables(log(())).csv("repetitions") == columns + "\r\n"
