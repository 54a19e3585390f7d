"""``fitsense.SourceGroup``: several sources in one program."""

from __future__ import annotations

import contextlib
import gc
import inspect
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, SessionEnded, SessionStarted, SessionWarning
from fitsense.events.schema import validate_event
from fitsense.pipeline.source_group import _Source
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Frame
from fitsense.video.inputs import Source
from tests.conftest import encode
from tests.helpers.network_camera import Camera


@pytest.fixture(scope="module")
def jacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of another exercise than squats, as an .mp4."""
    video = FigureVideo(bouts=(Bout("jumping_jack", 4, 1.2),), rate_hz=10.0, seed=3)
    return encode(tmp_path_factory.mktemp("videos") / "jacks.mp4", video)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    until_s = time.monotonic() + 60
    while threads() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert threads() == []


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fitsense")]


def still(seconds: float = 1e6) -> Iterator[Frame]:
    """An endless still video."""
    picture = np.zeros((182, 182, 3), np.uint8)
    return (Frame(picture, number / 10) for number in range(int(seconds * 10)))


def breaking(after: int) -> Iterator[Frame]:
    yield from itertools.islice(still(), after)
    raise OSError("the cable broke")


def by_source(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events by source, and check that every session is complete."""
    found: dict[str, list[Event]] = {}
    for event in events:
        validate_event(event.to_dict())
        found.setdefault(event.source, []).append(event)
    for each in found.values():
        assert [event.sequence for event in each] == list(range(len(each)))
        assert isinstance(each[0].data, SessionStarted)
        assert isinstance(each[-1].data, SessionEnded)
    return found


def reason(events: list[Event]) -> str:
    assert isinstance(events[-1].data, SessionEnded)
    return events[-1].data.reason


def alone(model: fitsense.Model, name: str, source: Path) -> list[str]:
    config = fitsense.SessionConfig(source=name, hop_s=2.0)
    return [event.to_json() for event in fitsense.analyze(source, model=model, config=config)]


def test_source_group_gives_the_events_of_single_analyses(
    model: fitsense.Model, squats_file: Path, jacks: Path
) -> None:
    sources = {"squats": squats_file, "urn:gym:jacks": jacks, "again": squats_file}
    with fitsense.SourceGroup(sources, model=model, hop_s=2.0) as streams:
        assert streams.names == list(sources)
        found = by_source(streams)
        assert streams.names == []
    for name, source in sources.items():
        assert [event.to_json() for event in found[name]] == alone(model, name, source)


def test_source_group_add_options_override_common_ones(model: fitsense.Model, squats_file: Path) -> None:
    common = fitsense.SessionConfig(hop_s=2.0, source="not-this")
    with fitsense.SourceGroup(model=model, config=common) as streams:
        streams.add("common", squats_file)
        streams.add("hop", squats_file, hop_s=1.5)
        streams.add("config", squats_file, config=fitsense.SessionConfig(hop_s=3.0))
        found = by_source(streams)
    hops = {name: events[0].to_dict()["data"]["hop_s"] for name, events in found.items()}
    assert hops == {"common": 2.0, "hop": 1.5, "config": 3.0}


@pytest.mark.parametrize(
    "function",
    [fitsense.analyze, fitsense.Analysis, fitsense.analyze_async, fitsense.SourceGroup, fitsense.SourceGroup.add],
)
def test_analysis_options_are_the_same_everywhere(function: Callable[..., object]) -> None:
    options = inspect.signature(function).parameters["options"]
    assert options.kind is inspect.Parameter.VAR_KEYWORD
    assert options.annotation == "Unpack[AnalysisOptions]"


def test_analysis_options_unknown_name_is_refused(model: fitsense.Model, squats_file: Path) -> None:
    for analyse in (fitsense.analyze, fitsense.analyze_async):
        with pytest.raises(TypeError, match=r"expected one of config, hop_s.*got 'hop'"):
            analyse(squats_file, model=model, hop=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="got 'hop'"):
        fitsense.SourceGroup(model=model, hop=1.0)  # type: ignore[call-arg]


def test_source_group_failed_source_ends_alone_with_its_error(model: fitsense.Model, squats_file: Path) -> None:
    before = datetime.now(UTC)
    live = fitsense.LiveConfig(timeout_s=2.0)
    sources: dict[str, Source] = {
        "missing": "missing.mp4",
        "refused": "http://127.0.0.1:1/live",
        "broken": breaking(30),
    }
    events: list[Event] = []
    with fitsense.SourceGroup({**sources, "squats": squats_file}, model=model, hop_s=2.0, live=live) as streams:
        for event in streams:
            events.append(event)
            if isinstance(event.data, SessionEnded):
                # At the latest now.
                assert (event.source in streams.failures) == (event.data.reason == "failed")
                assert event.source not in streams.names
    found = by_source(events)
    assert {name: reason(each) for name, each in found.items()} == {
        **dict.fromkeys(sources, "failed"),
        "squats": "finished",
    }
    assert [event.to_json() for event in found["squats"]] == alone(model, "squats", squats_file)
    ended = found["broken"][-1].data
    assert isinstance(ended, SessionEnded)
    assert ended.frames == 30
    failures = streams.failures
    assert isinstance(failures["missing"], fitsense.SourceError)
    assert isinstance(failures["refused"], fitsense.SourceError)
    assert str(failures["broken"]) == "the cable broke"
    # A camera that is not there was not there today.
    assert before <= found["refused"][0].time <= datetime.now(UTC)


def test_source_group_failed_source_is_freed(model: fitsense.Model) -> None:
    class Held:
        pass

    held: list[weakref.ref[Held]] = []

    def frames() -> Iterator[Frame]:
        mine = Held()
        held.append(weakref.ref(mine))
        yield from breaking(3)

    with fitsense.SourceGroup({"broken": frames()}, model=model) as streams:
        by_source(streams)
        failure = streams.failures["broken"]
        gc.collect()
        assert held[0]() is None
        # But where it broke is still known.
        assert failure.__traceback__ is not None


def test_source_group_add_and_remove_from_other_threads(model: fitsense.Model, squats_file: Path) -> None:
    received: list[Event] = []
    seen = threading.Event()

    def host(streams: fitsense.SourceGroup) -> None:
        assert seen.wait(30)
        streams.add("squats", squats_file)
        streams.remove("still")

    with fitsense.SourceGroup({"still": still()}, model=model, hop_s=2.0) as streams:
        other = threading.Thread(target=host, args=(streams,))
        other.start()
        for event in streams:
            received.append(event)
            seen.set()
        other.join()
    found = by_source(received)
    assert {name: reason(events) for name, events in found.items()} == {"still": "interrupted", "squats": "finished"}
    assert [event.to_json() for event in found["squats"]] == alone(model, "squats", squats_file)


def test_source_group_name_is_free_after_session_end(model: fitsense.Model, squats_file: Path) -> None:
    sessions = 0
    with fitsense.SourceGroup({"door": breaking(5)}, model=model, hop_s=2.0) as streams:
        for event in streams:
            if isinstance(event.data, SessionEnded):
                sessions += 1
                if event.data.reason == "failed":
                    streams.add("door", squats_file)
                    assert streams.failures == {}
    assert sessions == 2


def test_source_group_invalid_arguments_are_refused(model: fitsense.Model) -> None:
    with fitsense.SourceGroup({"one": still()}, model=model) as streams:
        for name in ("front door", "", "Tür"):
            with pytest.raises(fitsense.InvalidInputError, match="name: expected a URI reference"):
                streams.add(name, still())
        with pytest.raises(fitsense.InvalidInputError, match=r"hop_s: expected a number in 0\.1\.\.60, got -1"):
            streams.add("two", still(), hop_s=-1)
        with pytest.raises(fitsense.UnknownNameError, match="nobody"):
            streams.add("two", still(), people="nobody/here")
        with pytest.raises(fitsense.InvalidInputError, match="expected one that no source has, got 'one'"):
            streams.add("one", still())
        with pytest.raises(fitsense.InvalidInputError, match="expected one of one, got 'two'"):
            streams.remove("two")
        assert streams.names == ["one"]
    with pytest.raises(fitsense.FitsenseError, match="the source group has ended"):
        streams.add("two", still())
    with pytest.raises(fitsense.InvalidInputError, match="expected a URI reference"):
        fitsense.SourceGroup({"one": still(), "not one": still()}, model=model)


def test_source_group_slow_consumer_delays_files(model: fitsense.Model, squats: FigureVideo) -> None:
    once = list(squats)
    taken = dict.fromkeys(("one", "other"), 0)

    def counted(name: str) -> Iterator[Frame]:
        for number in itertools.count():
            taken[name] += 1
            yield Frame(once[number % len(once)].rgb, number / 10)

    with fitsense.SourceGroup({name: counted(name) for name in taken}, model=model, hop_s=1.0) as streams:
        next(streams)
        before: dict[str, int] = {}
        # Each second brings an event or two, and some may wait.
        while before != taken or min(taken.values()) < 50:
            before = dict(taken)
            time.sleep(1.0)
            assert max(taken.values()) < 400
        for _ in range(20):
            next(streams)
        while before == taken:
            time.sleep(0.02)


def test_source_group_slow_consumer_drops_live_frames(
    model: fitsense.Model, squats: FigureVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.pipeline.source_group._MAX_QUEUED", 1)
    film = encode(tmp_path / "squats.ts", squats, rate=10)
    live = fitsense.LiveConfig(queue_size=4, reconnect_timeout_s=0, warning_interval_s=0)
    with (
        Camera(film) as camera,
        fitsense.SourceGroup({"door": camera.url()}, model=model, hop_s=1.0, live=live) as streams,
    ):
        for event in streams:
            if isinstance(event.data, SessionStarted):
                time.sleep(4.5)
            elif isinstance(event.data, SessionWarning) and event.data.code == "dropped_frames":
                return
    pytest.fail("no frame was dropped")


@pytest.mark.parametrize("way", ["with", "forgotten", "close", "close elsewhere", "break"])
def test_source_group_any_exit_frees_sources(
    way: str, model: fitsense.Model, squats: FigureVideo, squats_file: Path, tmp_path: Path
) -> None:
    ended: list[str] = []

    def frames() -> Iterator[Frame]:
        try:
            yield from still()
        finally:
            ended.append("frames")

    def broken(streams: fitsense.SourceGroup) -> None:
        for event in streams:
            if isinstance(event.data, SessionEnded):
                raise LookupError(event.source)

    film = encode(tmp_path / "squats.ts", squats, rate=10)
    with Camera(film) as camera:
        sources: dict[str, Source] = {"live": camera.url(), "frames": frames(), "file": squats_file}
        match way:
            case "with":
                with pytest.raises(LookupError), fitsense.SourceGroup(sources, model=model) as streams:
                    broken(streams)
            case "forgotten":
                with contextlib.suppress(LookupError):
                    broken(fitsense.SourceGroup(sources, model=model))
            case "close":
                streams = fitsense.SourceGroup(sources, model=model)
                assert next(streams)
                streams.close()
                streams.close()
                assert list(streams) == []
            case "close elsewhere":
                streams = fitsense.SourceGroup({"mute": camera.url("mute")}, model=model, keep_open=True)
                threading.Timer(0.5, streams.close).start()
                assert list(streams) == []
                camera.kill()
            case "break":
                with fitsense.SourceGroup(sources, model=model) as streams:
                    for _ in streams:
                        break
        del sources
        until_s = time.monotonic() + 60
        while threads() and time.monotonic() < until_s:
            time.sleep(0.02)
        # Not only since the camera is gone.
        assert threads() == []
    gc.collect()
    assert ended == ([] if way == "close elsewhere" else ["frames"])


def test_source_group_stop_ends_every_session(model: fitsense.Model, squats_file: Path) -> None:
    sources = {"one": still(), "other": still()}
    events: list[Event] = []
    with fitsense.SourceGroup(sources, model=model, keep_open=True) as streams:
        for event in streams:
            events.append(event)
            streams.stop()
        with pytest.raises(fitsense.FitsenseError, match="the source group has ended"):
            streams.add("late", squats_file)
    assert {name: reason(each) for name, each in by_source(events).items()} == dict.fromkeys(sources, "interrupted")


def test_source_group_keep_open_waits_for_sources(model: fitsense.Model, squats_file: Path) -> None:
    events: list[Event] = []
    with fitsense.SourceGroup(model=model, hop_s=2.0) as streams:
        assert list(streams) == []
    with fitsense.SourceGroup(model=model, hop_s=2.0, keep_open=True) as streams:
        adding = threading.Timer(0.3, streams.add, ("first", squats_file))
        adding.start()
        for event in streams:
            events.append(event)
            if isinstance(event.data, SessionEnded):
                if event.source == "second":
                    streams.stop()
                else:
                    streams.add("second", squats_file)
        adding.join()
    assert by_source(events).keys() == {"first", "second"}


def test_source_group_remove_ended_source_does_nothing(model: fitsense.Model, squats_file: Path) -> None:
    with fitsense.SourceGroup({"one": squats_file}, model=model) as streams:
        events = list(streams)
        streams.remove("one")
        with pytest.raises(fitsense.InvalidInputError, match="name: expected one of none, got 'two'"):
            streams.remove("two")
    assert reason(events) != "interrupted"


def test_source_group_remove_before_opening_ends_source(model: fitsense.Model, tmp_path: Path) -> None:
    """While it waits for its turn."""
    with fitsense.SourceGroup({"one": still()}, model=model, realtime=True) as streams:
        streams.add("other", tmp_path / "missing.mp4", hop_s=60.0)
        streams.remove("other")
        streams.remove("one")
        assert {name: reason(events) for name, events in by_source(streams).items()} == {
            "one": "interrupted",
            "other": "interrupted",
        }
        assert streams.failures == {}


@pytest.mark.parametrize("count", [2, 5, 15, 40])
def test_source_group_paced_sources_are_spread_over_the_hop(
    count: int, model: fitsense.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    monkeypatch.setattr(_Source, "delay", lambda source: delays.append(source.delay_s))
    with fitsense.SourceGroup(model=model, hop_s=2.0) as streams:
        for at in range(count):
            streams.add(f"paced-{at}", still(0.2), realtime=True)
            streams.add(f"file-{at}", still(0.2))
        by_source(streams)
    paced = sorted(delays)[count:]
    assert delays.count(0.0) == count + 1
    steps = np.diff([*paced, 2.0])
    assert steps.min() > 0.3 * 2.0 / count
    assert steps.max() < 2.5 * 2.0 / count
