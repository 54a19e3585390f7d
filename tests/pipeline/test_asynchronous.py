"""``fitsense.analyze_async``: events in an asyncio program."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, SessionEnded, SessionProgress, SessionStarted, SessionWarning
from fitsense.events.schema import validate_event
from fitsense.pipeline.asynchronous import AsyncAnalysis
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window
from tests.conftest import encode
from tests.helpers.network_camera import Camera

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def film(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MPEG transport stream of six seconds."""
    return encode(tmp_path_factory.mktemp("film") / "squats.ts", squats, rate=10)


@pytest.fixture(scope="module")
def url(film: Path) -> Iterator[str]:
    """A camera that serves the film from its beginning to each client."""
    with Camera(film) as camera:
        yield camera.url()


def run(body: Callable[[], Coroutine[None, None, None]]) -> None:
    """A program; when it ends, so have its threads."""
    asyncio.run(body())
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and threads():
        time.sleep(0.02)
    assert threads() == []


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fitsense")]


def still(seconds: float = 60.0) -> Iterator[Frame]:
    """A long still video."""
    picture = np.zeros((182, 182, 3), np.uint8)
    return (Frame(picture, number / 10) for number in range(int(seconds * 10)))


async def all_of(watch: AsyncAnalysis) -> list[Event]:
    return [event async for event in watch]


def ended(events: list[Event]) -> SessionEnded:
    for event in events:
        validate_event(event.to_dict())
    assert isinstance(events[0].data, SessionStarted)
    last = events[-1].data
    assert isinstance(last, SessionEnded)
    return last


def test_analyze_async_gives_the_events_of_analyze(
    model: fitsense.Model, squats_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [event.to_json() for event in fitsense.analyze(squats_file, model=model, hop_s=0.3)]
    ticked, predict = threading.Event(), model.predict

    def after_a_tick(windows: Sequence[Window]) -> list[Prediction]:
        ticked.clear()
        assert ticked.wait(PATIENCE_S), "the loop stands still while a window is predicted"
        return predict(windows)

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticked.set()

    async def program() -> None:
        ticking = asyncio.create_task(tick())
        events = await all_of(fitsense.analyze_async(squats_file, model=model, hop_s=0.3))
        ticking.cancel()
        assert [event.to_json() for event in events] == alone

    monkeypatch.setattr(model, "predict", after_a_tick)
    run(program)


def test_analyze_async_accepts_asynchronous_frames(model: fitsense.Model) -> None:
    async def frames() -> AsyncIterator[Frame]:
        for frame in still(5.0):
            await asyncio.sleep(0)
            yield frame

    async def program() -> None:
        events = await all_of(fitsense.analyze_async(frames(), model=model))
        assert [e.to_json() for e in events] == [e.to_json() for e in fitsense.analyze(still(5.0), model=model)]
        assert ended(events).frames == 50

    run(program)


def test_analyze_async_stop_ends_session_validly(model: fitsense.Model) -> None:
    async def program() -> None:
        watch = fitsense.analyze_async(still(), model=model)
        events = []
        async for event in watch:
            events.append(event)
            watch.stop()
        assert ended(events).reason == "interrupted"
        assert ended(events).duration_s < 30

    run(program)


def test_analyze_async_stop_ends_wait_for_frame(model: fitsense.Model) -> None:
    async def silence() -> AsyncIterator[Frame]:
        for frame in itertools.islice(still(), 5):
            yield frame
        await asyncio.sleep(3600)

    async def program() -> None:
        watch = fitsense.analyze_async(silence(), model=model)
        asyncio.get_running_loop().call_later(1.0, watch.stop)
        assert ended(await asyncio.wait_for(all_of(watch), 30)).reason == "interrupted"

    run(program)


@pytest.mark.parametrize("way", ["break", "cancel", "cancel between", "aclose", "leave"])
def test_analyze_async_any_exit_closes_source_and_threads(way: str, url: str, model: fitsense.Model) -> None:
    async def program() -> None:
        watch = fitsense.analyze_async(url, model=model)
        seen = asyncio.Event()

        async def follow() -> None:
            async for _ in watch:
                seen.set()
                if way == "cancel between":
                    await asyncio.sleep(3600)

        match way:
            case "break":
                async for _ in watch:
                    break
            case "cancel" | "cancel between":
                task = asyncio.create_task(follow())
                await seen.wait()
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            case "aclose":
                assert await anext(aiter(watch))
                await watch.aclose()
                await watch.aclose()
                assert await all_of(watch) == []
            case "leave":
                async with watch:
                    assert await anext(aiter(watch))
        for _ in range(500):
            if threads():
                await asyncio.sleep(0.02)
        # Not only when the program ends.
        assert threads() == []

    run(program)


def test_analyze_async_error_follows_earlier_events(model: fitsense.Model) -> None:
    def frames() -> Iterator[Frame]:
        yield from itertools.islice(still(), 30)
        raise OSError("the cable broke")

    async def program() -> None:
        events: list[Event] = []

        async def collect() -> None:
            async for event in fitsense.analyze_async(frames(), model=model):
                events.append(event)

        with pytest.raises(OSError, match="the cable broke"):
            await collect()
        assert ended(events).reason == "failed"
        with pytest.raises(fitsense.SourceError, match="no such file"):
            await all_of(fitsense.analyze_async("missing.mp4", model=model))

    run(program)


def test_analyze_async_realtime_takes_the_length_of_the_video(model: fitsense.Model) -> None:
    async def program() -> None:
        began_s = time.monotonic()
        events = await all_of(fitsense.analyze_async(still(1.5), model=model, realtime=True))
        assert time.monotonic() - began_s > 1.3
        assert ended(events).frames == 15

    run(program)


@pytest.mark.slow
def test_analyze_async_camera_reconnects(model: fitsense.Model, film: Path) -> None:
    """The camera stops and returns: events state the gap, the reconnection and the right wall-clock time."""
    live = fitsense.LiveConfig(backoff=fitsense.BackoffConfig(0.1, 0.2))
    config = fitsense.SessionConfig(hop_s=2.0, progress_interval_s=1.0)

    async def program() -> None:
        before = datetime.now(UTC)
        with Camera(film) as camera:
            watch = fitsense.analyze_async(camera.url(), model=model, config=config, live=live)
            events: list[Event] = []
            warnings: list[SessionWarning] = []
            async for event in watch:
                events.append(event)
                if isinstance(event.data, SessionProgress) and not any(one.code == "reconnecting" for one in warnings):
                    # Frames have been analysed, however long that took.
                    camera.kill()
                if isinstance(event.data, SessionWarning):
                    warnings.append(event.data)
                    if event.data.code == "reconnecting":
                        await asyncio.sleep(1.0)
                        camera.start()
                    elif event.data.code == "reconnected":
                        watch.stop()
        # A busy machine drops frames.
        codes = [data.code for data in warnings if data.code != "dropped_frames"]
        assert codes == ["reconnecting", "gap", "reconnected"]
        assert ended(events).reason == "interrupted"
        assert before <= events[0].time <= events[-1].time <= datetime.now(UTC)
        gap = next(data for data in warnings if data.code == "gap")
        assert gap.end_s - gap.start_s > 1.5

    run(program)
