"""The page on many sources: its programs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.doc_pages import blocks
from tests.helpers.network_camera import Camera

PAGE = "docs/how-to/many-sources.md"


@pytest.mark.slow
def test_many_sources_programs_analyse_every_camera_to_its_end(
    squats: FigureVideo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = encode(tmp_path / "squats.ts", squats, rate=10)
    with Camera(film) as camera, ThreadPoolExecutor() as pool:

        def run(program: str) -> None:
            # With test cameras, and without reconnecting.
            program = re.sub(r"rtsp://[\d.]+/stream", camera.url(protocol="rtsp"), program)
            program = program.replace(") as group", ", live=fitsense.LiveConfig(reconnect_timeout_s=0)) as group")
            exec(compile(program, PAGE, "exec"), {})

        programs = blocks(PAGE, "python")
        assert list(pool.map(run, programs)) == [None] * 3
    printed = capsys.readouterr().out
    for name in ("door", "rack"):
        assert re.search(rf"^{name}: finished $", printed, re.MULTILINE)
        assert re.search(rf"^{name}: squat$", printed, re.MULTILINE)
    ends = re.findall(r'"source":"(\w+)","type":"fitsense.session.ended".*"reason":"(\w+)"', printed)
    assert ends == [("door", "interrupted"), ("rack", "finished")]
    assert re.search(r"^\['fitsense.session.started', .*'fitsense.session.ended'\]$", printed, re.MULTILINE)
