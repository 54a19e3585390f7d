"""Live sources: a real process that serves a real file at its own speed, over sockets."""

from __future__ import annotations

import http.server
import io
import itertools
import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fitsense
from fitsense._internal.backoff import BackoffConfig
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.live import LiveConfig, LiveSource
from fitsense.video.source import SourceWarning, VideoSource
from tests.conftest import encode
from tests.helpers.network_camera import Camera
from tests.video.conftest import RATE_HZ

STEP_S = 1 / RATE_HZ


@pytest.fixture(scope="module")
def camera(film: Path) -> Iterator[Camera]:
    with Camera(film) as camera:
        yield camera


def frames_of(items: list[Frame | SourceWarning]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def codes_of(items: list[Frame | SourceWarning]) -> list[str]:
    return [item.code for item in items if isinstance(item, SourceWarning)]


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fitsense")]


@pytest.mark.parametrize("protocol", ["http", "rtsp"])
def test_live_source_frames_have_media_and_wall_clock_times(protocol: str, camera: Camera) -> None:
    before, began_s = datetime.now(UTC), time.monotonic()
    with closing(LiveSource(camera.url(protocol=protocol), DecodeConfig(short_side=16))) as source:
        assert source.started_at is not None
        assert before <= source.started_at <= datetime.now(UTC)
        assert source.info.duration_s is None
        items = list(itertools.islice(source, 40))
        # The source gives nothing before its time.
        assert time.monotonic() - began_s > 39 * STEP_S
        assert codes_of(items) == []
        np.testing.assert_allclose([frame.time_s for frame in frames_of(items)], np.arange(40) * STEP_S, atol=1e-3)
        assert frames_of(items)[0].rgb.shape == (16, 24, 3)
        assert readers()
    assert readers() == []


@pytest.mark.slow
def test_live_source_reconnect_leaves_gap_of_true_length(film: Path) -> None:
    config = LiveConfig(backoff=BackoffConfig(0.1, 0.2))
    before: list[Frame | SourceWarning] = []
    with Camera(film) as camera, closing(LiveSource(camera.url(), config=config)) as source:
        items = iter(source)
        before += itertools.islice(items, 30)
        camera.kill()
        before += itertools.takewhile(lambda item: isinstance(item, Frame), items)
        lost_s = time.monotonic()
        camera.start()
        after = list(itertools.islice(items, 30))
        # Its newest frame is of now.
        back_s = time.monotonic()
    assert codes_of(before) == []
    assert codes_of(after) == ["reconnected"]
    # The news come with the first new frame.
    assert isinstance(after[1], SourceWarning)
    times = [frame.time_s for frame in frames_of(before + after)]
    steps = np.diff(times)
    assert min(steps) > 0
    np.testing.assert_allclose(np.delete(steps, len(before) - 1), STEP_S, atol=1e-3)
    assert abs(times[-1] - times[len(before) - 1] - (back_s - lost_s)) < 1.5


def test_live_source_silent_is_lost(camera: Camera) -> None:
    config = LiveConfig(timeout_s=3.5, reconnect_timeout_s=0)
    with closing(LiveSource(camera.url("stall=1.2"), config=config)) as source:
        items = list(source)
    assert len(frames_of(items)) >= 20
    assert codes_of(items) == ["source_lost"]
    assert items[-1] == SourceWarning("source_lost", "the source was lost: nothing came for 3.5 s")
    assert readers() == []


def test_live_source_lost_is_given_up_after_timeout(film: Path) -> None:
    config = LiveConfig(backoff=BackoffConfig(0.1, 0.3), reconnect_timeout_s=0.8)
    with Camera(film) as camera, closing(LiveSource(camera.url(), config=config)) as source:
        items = []
        for item in source:
            items.append(item)
            if len(items) == 5:
                camera.kill()
        assert codes_of(items) == ["reconnecting", "source_lost"]
        assert isinstance(items[-1], SourceWarning)
        assert "could not be reached again within 0.8 s" in items[-1].message
        # An address may hold a password.
        assert str(camera.port) not in items[-1].message


def test_live_source_unreachable_raises(camera: Camera) -> None:
    with pytest.raises(fitsense.SourceError, match=r"cannot be opened as video: nothing came for 0\.3 s"):
        LiveSource(camera.url("mute"), config=LiveConfig(timeout_s=0.3))
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    with pytest.raises(fitsense.SourceError, match="Connection refused"):
        LiveSource(f"http://127.0.0.1:{nobody}/live")


def test_live_source_latest_drops_frames_and_warns(camera: Camera) -> None:
    config = LiveConfig(policy="latest", queue_size=4, warning_interval_s=0.5)
    items: list[Frame | SourceWarning] = []
    lags = []
    with closing(LiveSource(camera.url(), config=config)) as source:
        # It has been opened, however long that took.
        began_s = time.monotonic()
        for item in source:
            items.append(item)
            if isinstance(item, Frame):
                lags.append(time.monotonic() - began_s - item.time_s)
                time.sleep(4 * STEP_S)
            if len(items) > 16:
                break
    # Behind by what may wait, not by all that there was.
    assert max(lags) < 3
    steps = np.diff([frame.time_s for frame in frames_of(items)])
    assert min(steps) > 0
    assert max(steps) > 1.5 * STEP_S
    assert set(codes_of(items)) == {"dropped_frames"}
    for item in items:
        if isinstance(item, SourceWarning):
            dropped, offered = map(int, re.findall(r"\d+", item.message)[:2])
            assert 0 < dropped < offered


def test_live_source_all_lags_and_warns(camera: Camera) -> None:
    config = LiveConfig(policy="all", queue_size=4)
    items: list[Frame | SourceWarning] = []
    with closing(LiveSource(camera.url(), config=config)) as source:
        for item in source:
            items.append(item)
            if len(items) == 10:
                time.sleep(3.5)
            if len(items) > 40:
                break
    assert codes_of(items) == ["behind"]
    np.testing.assert_allclose([frame.time_s for frame in frames_of(items)], np.arange(40) * STEP_S, atol=1e-3)


def test_live_source_bursts_lose_no_frames(camera: Camera) -> None:
    config = LiveConfig(policy="latest", queue_size=4)
    with closing(LiveSource(camera.url("burst=1.2"), config=config)) as source:
        items = list(itertools.islice(source, 60))
    assert codes_of(items) == []
    np.testing.assert_allclose([frame.time_s for frame in frames_of(items)], np.arange(60) * STEP_S, atol=1e-3)


def test_live_source_stop_ends_wait(camera: Camera) -> None:
    """While nothing comes, and the reader cannot be woken."""
    source = LiveSource(camera.url("stall=1.2"), config=LiveConfig(timeout_s=3.5))
    threading.Timer(1.0, source.stop).start()
    items = list(source)
    assert codes_of(items) == []
    source.close()
    source.close()
    for reader in readers():
        # The timeout ends it.
        reader.join(60)
    assert readers() == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_live_source_recording_is_read_like_a_file(film: Path, tmp_path: Path) -> None:
    with VideoSource(film) as whole:
        encode(tmp_path / "film.mp4", itertools.islice(whole, 40))
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with closing(
            LiveSource(f"http://127.0.0.1:{server.server_address[1]}/film.mp4", DecodeConfig(short_side=16))
        ) as source:
            assert source.started_at is None
            items = list(source)
            assert readers() == []
        server.shutdown()
    with VideoSource(tmp_path / "film.mp4", DecodeConfig(short_side=16)) as file:
        assert [frame.time_s for frame in frames_of(items)] == [frame.time_s for frame in file]
    assert codes_of(items) == []


def test_live_source_without_timestamps_uses_the_clock() -> None:
    """Many cheap cameras send none, and FFmpeg would assume 25 frames a second."""
    pictures = []
    for level in range(10):
        file = io.BytesIO()
        Image.new("RGB", (48, 32), (level * 16,) * 3).save(file, "JPEG")
        pictures.append(file.getvalue())

    class Jpegs(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for picture in pictures:
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                time.sleep(0.2)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jpegs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        with closing(LiveSource(url, config=LiveConfig(reconnect_timeout_s=0))) as source:
            times = [frame.time_s for frame in frames_of(list(source))]
        server.shutdown()
    assert len(times) == 10
    # At 25 a second it would be a third of one.
    assert times[-1] - times[0] > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queue_size": 0}, r"LiveConfig\.queue_size: expected an integer of at least 1, got 0"),
        ({"timeout_s": math.inf}, r"LiveConfig\.timeout_s"),
        (
            {"reconnect_timeout_s": -1},
            r"LiveConfig\.reconnect_timeout_s: expected a number in 0..inf, got -1",
        ),
        ({"policy": "some"}, "policy"),
    ],
)
def test_live_config_invalid_value_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LiveConfig(**changes)  # type: ignore[arg-type]
