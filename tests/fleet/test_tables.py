"""Parquet tables of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.errors import SchemaError
from fitsense.fleet import tables
from fitsense.fleet.outcome import Outcome
from fitsense.fleet.tables import TABLES, write_tables
from fitsense.synthetic.figures import FigureVideo


def outcome(name: str, url: str = "/films/a.mp4") -> Outcome:
    return Outcome(name, url, "1", "0", "gym 1", "done")


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {table: pq.read_table(folder / f"{table}.parquet").to_pylist() for table in TABLES}


@pytest.fixture(scope="module")
def events(model: fitsense.Model, squats: FigureVideo) -> list[fitsense.Event]:
    return list(fitsense.analyze(squats, model=model))


def test_tables_match_events(events: list[fitsense.Event], tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text("".join(event.to_json() + "\n" for event in events), "utf-8")
    write_tables(tmp_path, [(outcome("a"), file), (outcome("b", "s3://é"), file)])
    said = [event.to_dict() for event in events]
    summary = said[-1]["data"]
    segments = [event["data"] for event in said if event["type"] == "fitsense.exercise.ended"]
    assert segments
    assert summary["sets"]
    found = read(tmp_path)
    for table, expected in (("segments", segments), ("sets", summary["sets"])):
        for video, url in (("a", "/films/a.mp4"), ("b", "s3://é")):
            rows = [row for row in found[table] if row["video"] == video]
            assert len(rows) == len(expected)
            for row, one in zip(rows, expected, strict=True):
                assert row["url"] == url
                assert row.items() >= {name: one[name] for name in row.keys() & one.keys()}.items()
    assert [(row["set"], row["exercise_set"]) for row in found["sets"]] == [(1, 1), (1, 1)]
    loads = [row for row in found["muscle_load"] if row["video"] == "b"]
    assert {row["muscle"]: row["load_s"] for row in loads} == summary["muscle_load_s"]
    assert {row["muscle"]: row["load_repetitions"] for row in loads} == summary["muscle_load_repetitions"]


def test_tables_without_rows_have_types_and_units(tmp_path: Path) -> None:
    write_tables(tmp_path, [])
    for table, columns in TABLES.items():
        schema = pq.read_schema(tmp_path / f"{table}.parquet")
        assert schema.names == [column.name for column in columns]
        for column in columns:
            field = schema.field(column.name)
            assert str(field.type) == column.kind
            assert (field.metadata or {}).get(b"unit", b"").decode() == column.unit
            assert column.name.endswith("_s") == column.unit.startswith("s"), "a name says its unit"


@given(rows=st.lists(st.dictionaries(st.sampled_from(["quads", "back"]), st.floats(0, 1e6)), max_size=6))
def test_tables_many_rows_keep_order(rows: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tables")
    videos = []
    for number, load in enumerate(rows):
        file = folder / f"{number}.ndjson"
        event = {"type": "fitsense.session.ended", "source": "urn:a", "data": {"muscle_load_s": load}}
        file.write_text(json.dumps(event) + "\n")
        videos.append((outcome(str(number)), file))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "_ROWS", 2)
        write_tables(folder, videos)
    assert [(row["video"], row["muscle"], row["load_s"]) for row in read(folder)["muscle_load"]] == [
        (str(number), muscle, load_s) for number, load in enumerate(rows) for muscle, load_s in load.items()
    ]


def test_tables_invalid_log_keeps_old_tables(tmp_path: Path) -> None:
    write_tables(tmp_path, [])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "events").mkdir()
    file = tmp_path / "events/a.ndjson"
    file.write_text("nonsense\n")
    with pytest.raises(SchemaError, match=r"a\.ndjson: line 1: expected an event"):
        write_tables(tmp_path, [(outcome("a"), file)])
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_tables_path_not_unicode_has_row(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    event = {"type": "fitsense.session.ended", "source": "urn:a", "data": {"muscle_load_s": {"quads": 1.0}}}
    file.write_text(json.dumps(event) + "\n")
    write_tables(tmp_path, [(outcome("a", "/films/\udcff.mp4"), file)])
    assert [row["url"] for row in read(tmp_path)["muscle_load"]] == ["/films/?.mp4"]
