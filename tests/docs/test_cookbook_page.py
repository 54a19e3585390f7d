"""The programs of the cookbook do what it says."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.doc_pages import ROOT, blocks
from tests.helpers.network_camera import Camera

PAGE = "docs/how-to/cookbook.md"
COACH, FOLDER, GYM, ROUTE = blocks(PAGE, "python")


def run(program: str, **names: Any) -> dict[str, Any]:
    exec(compile(program, PAGE, "exec"), namespace := dict(names))
    return namespace


@pytest.fixture(autouse=True)
def _one_model(model: fitsense.Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, with the model of all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fitsense, "load_model", lambda *_, **__: model)


def test_webcam_program_counts_the_set_down(squats_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert '"camera:0"' in COACH
    run(COACH.replace('"camera:0"', repr(str(squats_file))))
    assert capsys.readouterr().out.splitlines() == [
        "squat 1, 2 left", "squat 2, 1 left", "squat 3, 0 left", "set 1 done, 0 left", "well done"
    ]  # fmt: skip


def test_folder_program_writes_a_row_for_each_set(squats_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos").mkdir()
    for name in ("monday.mp4", "tuesday.mp4"):
        shutil.copy(squats_file, Path("videos", name))
    run(FOLDER)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[1:] for row in rows] == [["squat", "3"]] * 2
    assert [row[0].split(";")[0] for row in rows] == ["file:monday.mp4", "file:tuesday.mp4"]
    assert len(Path("sets.csv").read_text("utf-8").splitlines()) == 3


@pytest.mark.slow
def test_gym_program_reports_every_camera(
    squats: FigureVideo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Camera(encode(tmp_path / "squats.ts", squats, rate=10)) as camera:
        program = re.sub(r"rtsp://[\d.]+/stream", camera.url(protocol="rtsp"), GYM)
        # Without reconnecting, so that it ends.
        run(program.replace('.snapshot")', '.snapshot", live=fitsense.LiveConfig(reconnect_timeout_s=0))'))
    printed = capsys.readouterr().out
    for name in ("door", "rack", "mats", "rower"):
        assert re.search(rf"^{name}: squat, \d repetitions$", printed, re.MULTILINE)
        assert re.search(rf"^{name}: finished $", printed, re.MULTILINE)
    assert not list(Path().glob("*.snapshot"))


def test_route_answers_an_upload_with_events(squats_file: Path) -> None:
    pytest.importorskip("fastapi")
    httpx2, uvicorn = pytest.importorskip("httpx2"), pytest.importorskip("uvicorn")
    server = uvicorn.Server(uvicorn.Config(run(ROUTE)["app"], port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not (server.started and server.servers):
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        answer = httpx2.post(f"http://127.0.0.1:{port}/workouts", content=squats_file.read_bytes(), timeout=None)
    finally:
        server.should_exit = True
        thread.join()
    types = [json.loads(line)["type"] for line in answer.text.splitlines()]
    assert (types[0], types[-1]) == ("fitsense.session.started", "fitsense.session.ended")
    assert types.count("fitsense.repetition.completed") == 3


def test_figures_of_bundles_are_those_of_their_reports() -> None:
    import importlib.util
    import sys

    file = ROOT / "docs" / "_extensions" / "bundle_figures.py"
    spec = importlib.util.spec_from_file_location("bundle_figures", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["bundle_figures"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reports = module.reports()
    assert len(reports) > 1
    table = "\n".join(module.comparison(reports))
    for report in reports.values():
        assert f"{report['exercise']['top1']:.3f}".removeprefix("0") in table
    exercises = "\n".join(module.recalls(reports))
    assert all(f"| {name} | " in exercises for name in reports["gym"]["exercise"]["by_group"])
