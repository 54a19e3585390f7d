"""The documentation of the server matches the code."""

from __future__ import annotations

import re
import tomllib

import attrs
import pytest

import fitsense
from fitsense.server.api import websocket
from fitsense.server.api.openapi import openapi
from fitsense.server.api.problems import ProblemType
from fitsense.server.config import Limits, ServeConfig, config_of
from fitsense.server.connections import TOO_MANY_FRAMES
from fitsense.synthetic.figures import FigureVideo
from tests.helpers.doc_pages import PAGES, blocks
from tests.helpers.live_server import serving

HOW_TO, REFERENCE = "docs/how-to/serve.md", "docs/reference/server.md"


def test_page_example_client_receives_events(
    model: fitsense.Model, squats: FigureVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks(HOW_TO, "python")
    with serving(model) as running:
        mine = program.replace("127.0.0.1:8765", f"127.0.0.1:{running.port}").replace("in sample()", "in FRAMES")
        exec(compile(mine, HOW_TO, "exec"), {"FRAMES": list(squats)[:30]})
    printed = capsys.readouterr().out.splitlines()
    assert (printed[0], printed[-1]) == ("fitsense.session.started", "fitsense.session.ended")


def test_page_settings_are_complete_defaults() -> None:
    shown = tomllib.loads(blocks(HOW_TO, "toml")[1])
    assert config_of(shown) == ServeConfig(sources={"videos": "/srv/videos"}, bundles=("gym",))
    assert set(shown["limits"]) == set(attrs.fields_dict(Limits))
    assert set(shown) | {"tokens_file", "threads", "state_dir"} == set(attrs.fields_dict(ServeConfig))


def test_reference_lists_every_route_problem_and_code() -> None:
    page = PAGES[REFERENCE]
    requests = {
        f"{method.upper()} {path}"
        for path, item in openapi()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, re.MULTILINE)) == requests
    problems = {
        f"urn:fitsense:problem:{name}": int(status)
        for name, status in re.findall(r"^\| `([a-z-]+)` \| (\d+) \|$", page, re.MULTILINE)
    }
    assert problems == {kind.type: kind.status for kind in ProblemType}
    codes = {int(code) for code in re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE)}
    ours = {websocket.ENDED, websocket.TAKEN_OVER, websocket.EVENTS_GONE, websocket.TOO_SLOW, TOO_MANY_FRAMES}
    assert codes == ours | {1009, 1012}
    for word in ("after", "events=false", "Last-Event-ID", "fitsense.v1"):
        assert word in page
