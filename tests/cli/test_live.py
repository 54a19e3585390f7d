"""``fitsense analyze`` on a camera, as its users run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fitsense.schema import validate_event
from fitsense.testing.figures import FigureVideo
from tests.conftest import encode
from tests.video.serving import Camera


@pytest.fixture(scope="module")
def camera(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    with Camera(encode(tmp_path_factory.mktemp("film") / "squats.ts", squats, rate=10)) as camera:
        yield camera


def analyze(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fitsense", "analyze", "--hop", "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events_of(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        validate_event(event)
    return events


def test_ctrl_c_ends_a_session_whose_camera_has_gone_silent(camera: Camera) -> None:
    process = analyze(camera.url("stall=3"))
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    events = events_of(first + rest)
    assert events[0]["source"].startswith("urn:fitsense:stream:")
    # Today, not 1970.
    assert events[0]["time"] > "2024"
    assert events[-1]["type"] == "fitsense.session.ended"
    assert events[-1]["data"]["reason"] == "interrupted"


def test_a_camera_that_is_gone_for_good_ends_the_session(camera: Camera) -> None:
    process = analyze(camera.url(), "--live", "all", "--reconnect", "0.5")
    assert process.stdout is not None
    first = process.stdout.readline()
    camera.kill()
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert errors.startswith("fitsense: the source was lost: ")
    assert "could not be reached again within 0.5 s" in errors
    events = events_of(first + rest)
    warned = [event["data"]["code"] for event in events if event["type"] == "fitsense.session.warning"]
    assert warned == ["reconnecting", "source_lost", "too_short"]
    assert events[-1]["data"]["reason"] == "finished"
