"""Threads and memory end with their session, which occupies its slot until then."""

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
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.engine import source_reader
from fitsense.video.source import VideoSource
from tests.helpers.live_server import Running, serving, until


def decoders() -> set[int]:
    return {id(thing) for thing in gc.get_objects() if issubclass(type(thing), VideoCodecContext)}


def source_readers() -> int:
    return sum(thread.name == "fitsense source reader" for thread in threading.enumerate())


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder in which only this process keeps uploads."""
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
    """Video that has no picture and does not end."""

    def _decode(self) -> Any:
        # As for packets that cannot be decoded.
        self._packets = (self._spoilt(packet) for packet in itertools.repeat(next(self._packets)))
        return super()._decode()

    @staticmethod
    def _spoilt(packet: Any) -> Any:
        spoilt = type(packet)(b"\0")
        spoilt.stream = packet.stream
        return spoilt


def test_upload_after_analysis_leaves_no_decoder_and_no_thread(one_place: Running, squats_file: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        before = decoders()
        with one_place.client() as client:
            for _ in range(2):
                assert client.post("/v1/analyses", content=squats_file.read_bytes()).status_code == 200
                until(lambda: source_readers() == 0)
                assert decoders() <= before
            assert client.post("/v1/analyses", content=b"no video").status_code == 422
            until(lambda: source_readers() == 0)
            assert decoders() <= before
    finally:
        gc.enable()


def test_session_forgotten_is_freed(one_place: Running, squats_file: Path) -> None:
    assert one_place.server is not None
    sessions = one_place.server.sessions
    gc.collect()
    gc.disable()
    try:
        with one_place.client() as client:
            answer = client.post("/v1/analyses", content=squats_file.read_bytes())
            until(lambda: source_readers() == 0)
            (kept,) = (weakref.ref(session) for session in sessions)
            queue = weakref.ref(kept().queue)  # type: ignore[union-attr]
            assert client.delete(answer.headers["location"]).status_code == 204
            until(lambda: kept() is None and queue() is None)
    finally:
        gc.enable()


def left_upload(running: Running, content: bytes) -> None:
    """Send an upload, and go when the first event comes."""
    with running.client() as leaving, leaving.stream("POST", "/v1/analyses", content=content) as answer:
        next(answer.iter_lines())


def test_upload_client_disconnects_stops_decoding(
    one_place: Running, squats_file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(source_reader, "VideoSource", Endless)
        left_upload(one_place, squats_file.read_bytes())
        until(lambda: source_readers() == 0)
        until(lambda: not list(temporary.iterdir()))
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_delete_source_without_frames_ends_session(one_place: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(source_reader, "VideoSource", Endless)
        address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
        assert client.delete(address).json()["reason"] == "interrupted"
        until(lambda: source_readers() == 0)


def test_session_s_source_without_frames_ends_session(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = attrs.evolve(Limits(), session_s=0.3, requests_per_s=1000)
    with (
        monkeypatch.context() as patch,
        serving(model, ServeConfig(sources={"videos": str(videos)}, limits=limits)) as running,
        running.client() as client,
    ):
        patch.setattr(source_reader, "VideoSource", Endless)
        address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
        until(lambda: client.get(address).json()["reason"] == "interrupted")
        until(lambda: source_readers() == 0)


def test_slot_reader_thread_alive_stays_occupied(one_place: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    may_close = threading.Event()

    class Slow(VideoSource):
        def close(self) -> None:
            may_close.wait(60)
            super().close()

    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(source_reader, "VideoSource", Slow)
        try:
            address = client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"]
            assert client.delete(address).json()["state"] == "ended"
            assert client.delete(address).status_code == 204
            assert client.post("/v1/sessions", json={}).json()["type"].endswith("too-many-sessions")
        finally:
            may_close.set()
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_source_without_first_frame_is_refused(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = attrs.evolve(Limits(), idle_s=0.3)
    with (
        monkeypatch.context() as patch,
        serving(model, ServeConfig(sources={"videos": str(videos)}, limits=limits)) as running,
        running.client() as client,
    ):
        patch.setattr(source_reader, "VideoSource", Pictureless)
        answer = client.post("/v1/sessions", json={"source": "videos/in.mp4"})
        assert answer.status_code == 422
        assert "expected a first frame within 0.3 s, got none" in answer.json()["detail"]
        until(lambda: source_readers() == 0)


def test_upload_client_disconnects_while_opening_ends_session(
    one_place: Running, squats_file: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, one_place.client() as client:
        patch.setattr(source_reader, "VideoSource", Pictureless)
        with one_place.client() as leaving, pytest.raises(httpx2.ReadTimeout):
            leaving.post("/v1/analyses", content=squats_file.read_bytes(), timeout=0.5)
        until(lambda: source_readers() == 0)
        until(lambda: not list(temporary.iterdir()))
        until(lambda: client.post("/v1/sessions", json={}).status_code == 201)


def test_source_of_too_many_pixels_is_refused(model: fitsense.Model, videos: Path, squats_file: Path) -> None:
    config = ServeConfig(sources={"videos": str(videos)}, limits=attrs.evolve(Limits(), pixels=40_000))
    with serving(model, config) as running, running.client() as client:
        answers = [
            client.post("/v1/analyses", content=squats_file.read_bytes()),
            client.post("/v1/sessions", json={"source": "videos/in.mp4"}),
        ]
    for answer in answers:
        assert answer.status_code == 422
        assert "expected pictures of at most 40000 pixels, got 320 x 182" in answer.json()["detail"]


def test_decoder_threads_limits_each_decoder(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    class Watched(VideoSource):
        def close(self) -> None:
            used.append(self._stream.codec_context.thread_count)
            super().close()

    with monkeypatch.context() as patch:
        patch.setattr(source_reader, "VideoSource", Watched)
        for threads in (1, 3):
            config = ServeConfig(sources={"videos": str(videos)}, decoder_threads=threads)
            with serving(model, config) as running, running.client() as client:
                client.delete(client.post("/v1/sessions", json={"source": "videos/in.mp4"}).headers["location"])
                until(lambda: source_readers() == 0)
    assert used == [1, 3]
    with pytest.raises(fitsense.InvalidInputError, match="decoder_threads: expected at least 1, got 0"):
        ServeConfig(decoder_threads=0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no such threshold")
def test_return_large_blocks_freed_block_leaves_heap() -> None:
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
