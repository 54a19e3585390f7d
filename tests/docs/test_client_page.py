"""The programs of the page on the Python client run against a server."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.server.config import ServeConfig
from fitsense.synthetic.figures import FigureVideo
from tests.helpers.doc_pages import blocks
from tests.helpers.live_server import serving

PAGE = "docs/how-to/client.md"


def test_client_page_programs_run(
    model: fitsense.Model,
    squats: FigureVideo,
    squats_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = list(squats)[:30]
    monkeypatch.setattr("fitsense.synthetic.figures.sample", lambda: frames)
    analyse, *others = blocks(PAGE, "python")
    namespace: dict[str, Any] = {}
    with serving(model, ServeConfig(sources={"videos": str(squats_file.parent)})) as running:
        monkeypatch.setattr(sys, "argv", ["page", running.url, str(squats_file)])
        exec(compile(analyse, PAGE, "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("squat since ")
        assert printed[1].startswith("  number 1, in ")
        assert printed[-1] == "1 sets in 6 s"
        for program in others:
            exec(compile(program.replace("workout.mp4", squats_file.name), PAGE, "exec"), namespace)
            printed = capsys.readouterr().out.splitlines()
            assert "session.ended" in printed[-1] or re.search(r"last event is \d{10}$", printed[-1])
