"""A server for the tests of each file."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import pytest
from PIL import Image

import fitsense
from fitsense.server.config import ServeConfig
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.browser import Visit, near, shows
from tests.helpers.live_server import PATIENCE_S, Running, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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


# Not for the session: while Playwright runs, so does an event loop, beside which tests cannot start another.
@pytest.fixture(scope="module")
def browser(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a camera that shows a squatting figure."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    # The camera shows 30 pictures a second, whatever the file says.
    thrice = [attrs.evolve(frame, time_s=frame.time_s + part / 30.0) for frame in squats for part in range(3)]
    camera = encode(tmp_path_factory.mktemp("camera") / "squats.mjpeg", thrice, "mjpeg", "yuvj420p")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages, which must not load external resources, violate their policy, or raise errors."""
    troubles: list[str] = []

    with contextlib.ExitStack() as stack:

        def visit(url: str, query: str = "", **options: Any) -> Page:
            context = stack.enter_context(browser.new_context(**({"permissions": ["camera"]} | options)))
            context.set_default_timeout(PATIENCE_S * 1000)
            page = context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("request", lambda asked: None if near(asked.url, url) else troubles.append(asked.url))
            page.on("console", lambda said: troubles.append(said.text) if "Policy" in said.text else None)
            page.goto(f"{url}/{query}")
            shows(page.locator("html[data-ready]"))
            return page

        yield visit
    assert troubles == []
