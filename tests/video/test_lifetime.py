"""Resources of a source, its decoder and threads, end with `close` and without the cyclic garbage collector."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from av.packet import Packet
from av.video.frame import VideoFrame

import fitsense
from fitsense._internal.stopping import StopFlag
from fitsense.pipeline.analysis import Analysis
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.live import LiveConfig, LiveSource
from fitsense.video.prefetch import Prefetcher
from fitsense.video.source import VideoSource
from tests.helpers.network_camera import Camera

# Of an object in a variable: from there, and from the call that counts.
ONLY_OURS = 2


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fitsense")]


@pytest.mark.parametrize("frames", [0, 5, None], ids=["unread", "begun", "read"])
def test_source_close_frees_decoder(frames: int | None, squats_file: Path) -> None:
    source = VideoSource(squats_file, DecodeConfig(short_side=64))
    context = source._stream.codec_context
    reading = iter(source)
    read = list(itertools.islice(reading, frames))
    source.close()
    source.close()
    assert sys.getrefcount(context) == ONLY_OURS
    assert source.info.height == 182
    assert source.warning is None
    assert list(reading) == []
    assert list(source) == []
    assert len(read) == (60 if frames is None else frames)


def pictures() -> set[int]:
    """Decoded pictures, by identity. Some objects of other packages object to isinstance."""
    return {id(each) for each in gc.get_objects() if issubclass(type(each), VideoFrame)}


def test_source_read_keeps_no_decoded_picture(squats_file: Path) -> None:
    """Reading a picture's metadata, such as its display matrix, must not make it refer to itself."""
    gc.collect()
    before = pictures()
    with VideoSource(squats_file, DecodeConfig(short_side=64)) as source:
        assert len(list(source)) == 60
    assert pictures() <= before


def test_source_close_after_seek_frees_decoder(squats_file: Path) -> None:
    """A source that thins frames and finds a hole seeks, and decodes by another generator."""
    with VideoSource(squats_file, DecodeConfig(short_side=64, min_interval_s=0.15)) as source:
        context = source._stream.codec_context
        reading = iter(source)
        next(reading)
        source._stream.codec_context.skip_frame = "NONREF"
        assert source._decode_all_frames(0.0)
        next(reading)
    assert sys.getrefcount(context) == ONLY_OURS


def test_source_refused_frees_decoder(squats_file: Path) -> None:
    contexts = []

    class Refusing(VideoSource):
        def _check_size(self, width: int, height: int) -> None:
            contexts.append(self._stream.codec_context)
            if len(contexts) == 2:
                # The first one was before anything was decoded.
                raise fitsense.SourceError("refused")

    with pytest.raises(fitsense.SourceError) as refused:
        Refusing(squats_file)
    context = contexts.pop()
    contexts.clear()
    assert sys.getrefcount(context) == ONLY_OURS
    # Even while the error is referenced.
    assert "refused" in str(refused.value)


def finish(analysis: Analysis) -> None:
    list(analysis)


def begin(analysis: Analysis) -> None:
    next(analysis)


def leave(analysis: Analysis) -> None:
    pass


@pytest.mark.parametrize("use", [finish, begin, leave])
def test_analysis_close_frees_source_and_thread(
    use: Callable[[Analysis], None], squats_file: Path, model: fitsense.Model
) -> None:
    analysis = fitsense.analyze(squats_file, model=model)
    video = analysis._input._video
    assert video is not None
    context, source = video._stream.codec_context, weakref.ref(video)
    del video
    use(analysis)
    analysis.close()
    assert readers() == []
    assert sys.getrefcount(context) == ONLY_OURS
    kept = weakref.ref(analysis)
    del analysis
    assert kept() is None
    assert source() is None


def test_analysis_read_to_end_frees_source(squats_file: Path, model: fitsense.Model) -> None:
    analysis = fitsense.analyze(squats_file, model=model)
    assert analysis._input._video is not None
    context, kept = analysis._input._video._stream.codec_context, weakref.ref(analysis)
    for _ in analysis:
        pass
    del analysis
    assert kept() is None
    assert sys.getrefcount(context) == ONLY_OURS


def test_prefetcher_error_keeps_no_items() -> None:
    class Item:
        pass

    born: list[weakref.ref[Item]] = []

    def items() -> Iterator[int]:
        item = Item()
        born.append(weakref.ref(item))
        yield 1
        raise ValueError("broken")

    ahead = Prefetcher(items(), lambda: None)
    with pytest.raises(ValueError, match="broken"):
        list(ahead)
    ahead.close()
    kept = weakref.ref(ahead)
    del ahead
    assert born[0]() is None
    assert kept() is None


@pytest.mark.parametrize("frames", [0, 3])
def test_live_source_close_frees_decoder(frames: int, film: Path) -> None:
    with Camera(film) as camera:
        source = LiveSource(camera.url(), DecodeConfig(short_side=16), config=LiveConfig(reconnect_timeout_s=0))
        context = source._video._stream.codec_context
        assert len(list(itertools.islice(source, frames))) == frames
        source.close()
    kept = weakref.ref(source)
    del source
    assert readers() == []
    assert kept() is None
    assert sys.getrefcount(context) == ONLY_OURS


class StopsAfter(StopFlag):
    """A flag that is set after a number of checks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    @property
    def requested(self) -> bool:  # type: ignore[override]
        self.left -= 1
        return self.left < 0


def test_source_stop_between_frames_ends_reading(squats_file: Path) -> None:
    stop = StopFlag()
    # No frame but the first is far enough from the one before.
    with VideoSource(squats_file, DecodeConfig(short_side=64, min_interval_s=1000.0), stop=stop) as source:
        packets = source._packets
        demuxed = []

        def counted() -> Iterator[Packet[Any]]:
            for packet in packets:
                demuxed.append(packet)
                stop.requested = len(demuxed) == 3
                yield packet

        source._packets = counted()
        source._decoded = source._decode()
        assert len(list(source)) == 1
        assert source.warning is None
    assert len(demuxed) == 3


def test_source_stop_while_opening_raises(squats_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    content = bytearray(squats_file.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - begin)
    path.write_bytes(content)
    with pytest.raises(fitsense.SourceError, match="none of its frames can be decoded"):
        VideoSource(path)
    stop = StopsAfter(3)
    with pytest.raises(fitsense.SourceError, match="it was stopped before one of its frames was decoded"):
        VideoSource(path, stop=stop)


def test_analysis_stop_while_opening_is_interrupted(
    squats_file: Path, model: fitsense.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = Analysis(squats_file, model)
    opening = VideoSource._decode

    def stopped(source: VideoSource) -> Iterator[object]:
        analysis.stop()
        return opening(source)

    monkeypatch.setattr(VideoSource, "_decode", stopped)
    with closing(analysis):
        events = list(analysis)
    assert analysis.reason == "interrupted"
    assert [event.type for event in events] == ["fitsense.session.started", "fitsense.session.ended"]


def test_analysis_stop_while_frames_are_skipped_ends(squats_file: Path, model: fitsense.Model) -> None:
    """Whatever the thread that reads ahead does, its source shares the flag of the analysis."""
    analysis = fitsense.analyze(squats_file, model=model)
    with closing(analysis):
        analysis.stop()
        assert analysis._input._video is not None
        assert analysis._input._video._is_over
        assert not any(isinstance(item, Frame) for item in analysis._input._video)
