"""The page on live sources: its programs, commands and settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import fitsense
from fitsense.cli.analyze import command
from fitsense.events.schema import validate_event
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.network_camera import Camera

PAGE = (Path(__file__).parents[2] / "docs/how-to/live-sources.md").read_text("utf-8")
ADDRESS = "rtsp://192.168.1.20/stream"


@pytest.fixture(scope="module")
def programs(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The programs of the page, with the address of a test camera."""
    film = encode(tmp_path_factory.mktemp("film") / "squats.ts", squats, rate=10)
    with Camera(film) as camera:
        yield [
            program.replace(ADDRESS, camera.url(protocol="rtsp"))
            for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        ]


@pytest.mark.slow
def test_live_async_program_stops_after_five_seconds(programs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(programs[0], "page", "exec"), {})
    assert re.search(r"^interrupted after \d s$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_live_program_stream_end_finishes_session(programs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(programs[1], "page", "exec"), {})
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        validate_event(event)
    assert events[-1]["data"]["reason"] == "finished"


@pytest.mark.slow
def test_live_snapshot_program_ends_the_session(
    programs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(programs[2], "page", "exec"), {})
    printed = capsys.readouterr().out
    assert re.fullmatch(r"(continued at \d+ s|new at 0 s)\nfitsense\.session\.ended\n", printed)
    assert list(tmp_path.iterdir()) == []


def test_live_commands_parse() -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        program, name, *arguments = shlex.split(line.removeprefix("$ "))
        assert (program, name) == ("fitsense", "analyze")
        assert command.make_context(name, arguments).params["source"]


def test_live_page_names_every_setting() -> None:
    fields = set(attrs.fields_dict(fitsense.LiveConfig))
    assert fields == {name for name in fields if re.search(rf"`[^`]*\b{name}\b", PAGE)}
