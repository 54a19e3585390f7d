"""The page on libraries of videos: its programs and its table of columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fitsense.fleet.tables import TABLES
from fitsense.synthetic.figures import Bout, FigureVideo
from tests.conftest import encode
from tests.helpers.doc_pages import PAGES, blocks

PAGE = "docs/how-to/fleet.md"


@pytest.mark.slow
def test_fleet_programs_analyse_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    film = encode(tmp_path / "videos/squats.mp4", FigureVideo(bouts=(Bout("squat", 3, 2.0),), rate_hz=10.0, seed=7))
    for program in blocks(PAGE, "python"):
        exec(compile(program, PAGE, "exec"), {})
    printed = capfd.readouterr().out
    assert "1 to do\n" in printed
    assert f"{film} done" in printed
    assert f"{film} squat 3 " in printed
    (tree,) = blocks(PAGE, "text")
    files = {line.split()[0] for line in tree.splitlines()}
    made = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "results").rglob("*.*")}
    assert {re.sub(r"events/.*\.", "events/ID.", name) for name in made} == files


def test_fleet_page_lists_every_column_of_every_table() -> None:
    said: dict[str, set[str]] = {table: set() for table in TABLES}
    for names, tables, kind in re.findall(r"^\| (`.*?) \| ([a-z_, ]+) \| (\w+) \|", PAGES[PAGE], re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            for table in TABLES if tables == "all" else tables.split(", "):
                said[table].add(f"{name} {kind}")
    assert said == {table: {f"{column.name} {column.kind}" for column in columns} for table, columns in TABLES.items()}
