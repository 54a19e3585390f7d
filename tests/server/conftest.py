"""A server for the tests of each file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

import fitsense
from fitsense.server.config import ServeConfig
from fitsense.synthetic.figures import FigureVideo
from tests.helpers.live_server import Running, serving


@pytest.fixture(scope="module")
def videos(squats_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that may be served, in one that may not."""
    folder = tmp_path_factory.mktemp("served") / "videos"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "squats.mp4").write_bytes(squats_file.read_bytes())
    (folder.parent / "secret.mp4").write_bytes(squats_file.read_bytes())
    (folder / "out.mp4").symlink_to(folder.parent / "secret.mp4")
    (folder / "in.mp4").symlink_to(folder / "deep" / "squats.mp4")
    return folder


@pytest.fixture(scope="module")
def running(model: fitsense.Model, videos: Path) -> Iterator[Running]:
    with serving(model, ServeConfig(sources={"videos": str(videos), "nowhere": "http://127.0.0.1:9/none"})) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[httpx2.Client]:
    with running.client() as client:
        yield client


@pytest.fixture(scope="session")
def jpegs(squats: FigureVideo) -> list[tuple[float, bytes]]:
    """The squats, picture by picture."""
    return [(frame.time_s, image(frame.rgb, "JPEG")) for frame in squats]


def image(rgb: object, kind: str) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind, quality=90)  # type: ignore[arg-type]
    return file.getvalue()
