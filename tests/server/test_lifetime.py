"""Work, memory and threads end with their session, and hold its place until they have."""

from __future__ import annotations

import gc
import itertools
import platform
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
from av.video.codeccontext import VideoCodecContext

import fitsense
from fitsense.server import feeder
from fitsense.server.config import Limits, ServeConfig
from fitsense.video.source import VideoSource
from tests.server.running import Running, serving, until


def decoders() -> set[int]:
    return {id(thing) for thing in gc.get_objects() if issubclass(type(thing), VideoCodecContext)}


def feeders() -> int:
    return sum(thread.name == "fitsense feeder" for thread in threading.enumerate())


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps uploads, and no other one does."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def one_place(model: fitsense.Model, videos: Path) -> Iterator[Running]:
    """A server of a single session."""
    limits = Limits(sessions=1, requests_per_s=1000)
    with serving(model, ServeConfig(sources={"videos": str(videos)}, limits=limits)) as running:
        yield running


class Endless(VideoSource):
    """Its first packet comes again and again: after the first picture, none is late enough to be given."""

    @property
    def _packets(self) -> Any:
        return self._again

    @_packets.setter
    def _packets(self, packets: Iterator[Any]) -> None:
        self._again = itertools.repeat(next(packets))


class Pictureless(VideoSource):
    """It gives no picture, and does not end."""

    def _decode(self) -> Any:
        # As for packets that cannot be decoded.
        self._packets = (self._spoilt(packet) for packet in itertools.repeat(next(self._packets)))
        return super()._decode()

    @staticmethod
    def _spoilt(packet: Any) -> Any:
        spoilt = type(packet)(b"\0")
        spoilt.stream = packet.stream
        return spoilt


def test_uploads_leave_no_decoder_and_no_thread(one_place: Running, squats_file: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        before = decoders()
        with one_place.client() as client:
            for _ in range(2):
                assert client.post("/v1/analyses", content=squats_file.read_bytes()).status_code == 200
                until(lambda: feeders() == 0)
                assert decoders() <= before
            assert client.post("/v1/analyses", content=b"no video").status_code == 422
            until(lambda: feeders() == 0)
            assert decoders() <= before
    finally:
        gc.enable()


def test_a_session_that_is_forgotten_leaves_nothing(one_place: Running, squats_file: Path) -> None:
    assert one_place.server is not None
    sessions = one_place.server.sessions
    gc.collect()
    gc.disable()
    try:
        with one_place.client() as client:
            answer = client.post("/v1/analyses", content=squats_file.read_bytes())
            until(lambda: feeders() == 0)
            (kept,) = (weakref.ref(served) for served in sessions)
            lane = weakref.ref(kept().lane)  # type: ignore[union-attr]
            assert client.delete(answer.headers["location"]).status_code == 204
            until(lambda: kept() is None and lane() is None)
    finally:
        gc.enable()


def left_upload(running: Running, content: bytes) -> None:
    """Send an upload, and go when the first event comes."""
    with running.client() as leaving, leaving.stream("POST", "/v1/analyses", content=content) as answer:
        next(answer.iter_lines())


def test_an_upload_that_is_left_is_not_decoded_on(
    one_place: Running, squats_file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(feeder, "VideoSource", Endless)
        left_upload(one_place, squats_file.read_bytes())
        until(lambda: feeders() == 0)
        until(lambda: not list(temporary.iterdir()))
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_delete_ends_a_source_that_gives_no_more_pictures(one_place: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(feeder, "VideoSource", Endless)
        address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
        assert client.delete(address).json()["reason"] == "interrupted"
        until(lambda: feeders() == 0)


def test_session_s_ends_a_source_that_gives_no_more_pictures(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = attrs.evolve(Limits(), session_s=0.3, requests_per_s=1000)
    with (
        monkeypatch.context() as patch,
        serving(model, ServeConfig(sources={"videos": str(videos)}, limits=limits)) as running,
        running.client() as client,
    ):
        patch.setattr(feeder, "VideoSource", Endless)
        address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
        until(lambda: client.get(address).json()["reason"] == "interrupted")
        until(lambda: feeders() == 0)


def test_a_place_is_taken_until_the_thread_has_ended(one_place: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    may_close = threading.Event()

    class Slow(VideoSource):
        def close(self) -> None:
            may_close.wait(60)
            super().close()

    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(feeder, "VideoSource", Slow)
        try:
            address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
            assert client.delete(address).json()["state"] == "ended"
            assert client.delete(address).status_code == 204
            assert client.post("/v1/sessions", json={}).json()["type"].endswith("too-many-sessions")
        finally:
            may_close.set()
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_a_source_that_gives_no_picture_is_given_up(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = attrs.evolve(Limits(), idle_s=0.3)
    with (
        monkeypatch.context() as patch,
        serving(model, ServeConfig(sources={"videos": str(videos)}, limits=limits)) as running,
        running.client() as client,
    ):
        patch.setattr(feeder, "VideoSource", Pictureless)
        answer = client.post("/v1/sessions", json={"source": "videos/in.mp4"})
        assert answer.status_code == 422
        assert "expected a first picture within 0.3 s, got none" in answer.json()["detail"]
        until(lambda: feeders() == 0)


def test_a_client_that_goes_while_its_upload_is_opened_ends_it(
    one_place: Running, squats_file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(feeder, "VideoSource", Pictureless)
        with one_place.client() as leaving, pytest.raises(httpx2.ReadTimeout):
            leaving.post("/v1/analyses", content=squats_file.read_bytes(), timeout=0.5)
        until(lambda: feeders() == 0)
        until(lambda: not list(temporary.iterdir()))
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_uploads_and_sources_of_too_many_pixels_are_refused(
    model: fitsense.Model, videos: Path, squats_file: Path
) -> None:
    config = ServeConfig(sources={"videos": str(videos)}, limits=attrs.evolve(Limits(), pixels=40_000))
    with serving(model, config) as running, running.client() as client:
        answers = [
            client.post("/v1/analyses", content=squats_file.read_bytes()),
            client.post("/v1/sessions", json={"source": "videos/in.mp4"}),
        ]
    for answer in answers:
        assert answer.status_code == 422
        assert "expected pictures of at most 40000 pixels, got 320 x 182" in answer.json()["detail"]


def test_decoder_threads_bounds_those_of_each_decoder(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    class Watched(VideoSource):
        def close(self) -> None:
            used.append(self._stream.codec_context.thread_count)
            super().close()

    with monkeypatch.context() as patch:
        patch.setattr(feeder, "VideoSource", Watched)
        for threads in (1, 3):
            config = ServeConfig(sources={"videos": str(videos)}, decoder_threads=threads)
            with serving(model, config) as running, running.client() as client:
                client.delete(client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"])
                until(lambda: feeders() == 0)
    assert used == [1, 3]
    with pytest.raises(fitsense.InvalidInputError, match="decoder_threads: expected at least 1, got 0"):
        ServeConfig(decoder_threads=0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no such threshold")
def test_pictures_that_are_freed_are_given_back() -> None:
    program = """
from fitsense.server.memory import return_large_blocks
import ctypes, pathlib
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
assert return_large_blocks()
# A block that is freed raises glibc's own threshold; the next one would come from a heap.
library.free(library.malloc(12 << 20))
block = library.malloc(12 << 20)
maps = [line.split() for line in pathlib.Path("/proc/self/maps").read_text().splitlines()]
heaps = [line[0] for line in maps if line[-1] == "[heap]"]
inside = [start for start, end in (heap.split("-") for heap in heaps) if int(start, 16) <= block < int(end, 16)]
print(inside)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
