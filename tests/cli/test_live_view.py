"""``fitsense analyze`` on a camera, as its users run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fitsense.cli import main
from fitsense.events.schema import validate_event
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.network_camera import Camera


@pytest.fixture(scope="module")
def film(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("film") / "squats.ts", squats, rate=10)


@pytest.fixture
def camera(film: Path) -> Iterator[Camera]:
    """A camera for one test, which may end it."""
    with Camera(film) as camera:
        yield camera


def analyze(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fitsense", "analyze", "--hop", "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events_of(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        validate_event(event)
    return events


@pytest.mark.slow
def test_analyze_interrupt_with_silent_camera_ends_session(camera: Camera) -> None:
    process = analyze(camera.url("stall=3"))
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    events = events_of(first + rest)
    assert events[0]["source"].startswith("urn:fitsense:stream:")
    # Today, not 1970.
    assert events[0]["time"] > "2024"
    assert events[-1]["type"] == "fitsense.session.ended"
    assert events[-1]["data"]["reason"] == "interrupted"


def test_analyze_lost_camera_ends_session(camera: Camera) -> None:
    process = analyze(camera.url(), "--live", "all", "--reconnect", "0.5")
    assert process.stdout is not None
    first = process.stdout.readline()
    camera.kill()
    rest, errors = process.communicate()
    assert process.returncode == 4
    assert errors.startswith("fitsense: the source was lost: ")
    assert "could not be reached again within 0.5 s" in errors
    events = events_of(first + rest)
    warned = [event["data"]["code"] for event in events if event["type"] == "fitsense.session.warning"]
    # Whether a window was complete before depends on how soon this process read the first line.
    assert warned[:2] == ["reconnecting", "source_lost"]
    assert set(warned[2:]) <= {"too_short"}
    assert events[-1]["data"]["reason"] == "finished"


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "rtsp://admin:S3cret@127.0.0.1:9/cam"],
        ["analyze", "http://admin:S3cret@127.0.0.1:9/cam?token=S3cret"],
        ["analyze", "srt://127.0.0.1:9?passphrase=S3cret-S3cret"],
        ["analyze", "rtsp:/admin:S3cret@127.0.0.1:9/cam"],
        ["analyze", "admin:S3cret@127.0.0.1/cam"],
        ["analyze", "one.mp4", "rtsp://admin:S3cret@127.0.0.1:9/cam"],
        ["analyze", "--sample", "--sink", "mqtts://user:S3cret@broker"],
        ["analyze", "--sample", "--sink", "mqtts://user:S3cret=@broker"],
        ["rtsp://admin:S3cret@127.0.0.1:9/cam"],
        ["serve", "--source", "rtsp://admin:S3cret@127.0.0.1:9/cam"],
        ["serve", "--source", "rtsp://admin:S3cret=x@127.0.0.1:9/cam"],
        ["serve", "--source", "front=rtsp:/admin:S3cret@127.0.0.1:9/cam"],
        ["dataset", "ftp://user:S3cret@127.0.0.1:9/clips", "--out", "none"],
        ["evaluate-sessions", "--data", "http://user:S3cret@127.0.0.1:9/clips"],
    ],
)
def test_cli_errors_hide_password_of_address(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code not in (0, None)
    assert "S3cret" not in done.output + done.stderr + str(done.exception)


def test_cli_reconnecting_camera_hides_password(squats: FigureVideo, tmp_path: Path) -> None:
    with Camera(encode(tmp_path / "squats.ts", squats, rate=10)) as camera:
        address = camera.url("token=S3cret").replace("://", "://admin:S3cret@")
        process = analyze(address, "--live", "all", "--reconnect", "0.5")
        assert process.stdout is not None
        first = process.stdout.readline()
        camera.kill()
        rest, errors = process.communicate()
    assert process.returncode == 4
    assert "the source was lost" in errors
    assert "S3cret" not in first + rest + errors
