"""Sessions on the shipped model and rendered people."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.catalogue import IDLE
from fitsense.events.model import (
    Event,
    RepetitionCompleted,
    SessionEnded,
)
from fitsense.geometry import Region
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.hookspecs import hookimpl
from fitsense.plugins.specs import PluginInfo
from fitsense.repetitions.config import RepetitionConfig
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from fitsense.types import Frame
from tests.helpers.sessions import Scripted, check, run


def test_push_sample_gives_its_true_segments(model: fitsense.Model) -> None:
    video = sample()
    events = run(model, list(video))
    check(events)
    ended = [e.data for e in events if e.type == "fitsense.exercise.ended" and e.data.exercise != "unknown"]  # type: ignore[union-attr]
    truth = video.segments
    assert [d.exercise for d in ended] == [t.exercise for t in truth]  # type: ignore[union-attr]
    for reported, true in zip(ended, truth, strict=True):
        overlap = min(reported.end_s, true.end_s) - max(reported.start_s, true.start_s)  # type: ignore[union-attr]
        union = max(reported.end_s, true.end_s) - min(reported.start_s, true.start_s)  # type: ignore[union-attr]
        assert overlap / union > 0.6, (reported, true)
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    assert {total.exercise for total in summary.exercises} - {"unknown"} == {"squat", "push_up", "jumping_jack"}
    assert summary.frames == len(video)
    assert summary.idle_s > 8
    assert summary.muscle_load_s["quads"] > summary.muscle_load_s["obliques"]


@settings(max_examples=12)
@given(data=st.data())
def test_push_many_any_chunks_give_the_same_events(
    model: fitsense.Model, frames: list[Frame], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frames)), max_size=6)))
    session = Session(model)
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        events += session.push_many(frames[start:end])
    events += session.finish()
    assert [e.to_json() for e in events] == [e.to_json() for e in run(model, frames)]


@given(
    st.lists(st.floats(-0.3, 3.0), min_size=0, max_size=60),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_push_any_times_give_valid_events(model: fitsense.Model, steps: list[float], hop_s: float) -> None:
    """Gaps, frames out of order and long streams break nothing."""
    picture = np.zeros((8, 8, 3), np.uint8)
    times = np.cumsum([0.0, *steps])
    session = Session(Scripted(model), SessionConfig(hop_s=hop_s))  # type: ignore[arg-type]
    events = [event for time in times for event in session.push(picture, float(time))]
    events += session.finish()
    check(events)
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    # The other frames came too soon.
    assert summary.frames >= 1
    assert summary.frames + summary.late_frames <= len(times)


def test_push_repetitions_are_grouped_into_sets(model: fitsense.Model) -> None:
    video = FigureVideo([Bout("squat", 6, 2.0), Bout(IDLE, 1, 20.0), Bout("squat", 5, 2.0)], seed=3)
    events = run(model, list(video))
    check(events)
    reported = [e.data for e in events if isinstance(e.data, RepetitionCompleted)]
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    squats = [one for one in summary.sets if one.exercise == "squat"]
    assert [one.index for one in squats] == [1, 2]
    for one, count in zip(squats, (6, 5), strict=True):
        # The first or the last may be cut off where the exercise is recognised late.
        assert abs(one.repetitions - count) <= 1
        # Standing between two repetitions is no part of them.
        assert one.tempo_mean_s == pytest.approx(1.8, abs=0.3)
    assert squats[1].rest_before_s == pytest.approx(20, abs=5)
    assert sum(one.repetitions for one in summary.sets) == len(reported)
    # Each overlaps one of the figure's repetitions: none is invented, none is halved.
    for repetition in reported:
        overlaps = [
            min(repetition.end_s, true.end_s) - max(repetition.start_s, true.start_s) for true in video.repetitions
        ]
        assert sum(overlap > 0.5 for overlap in overlaps) == 1
    (total,) = [total for total in summary.exercises if total.exercise == "squat"]
    assert (total.sets, total.repetitions) == (2, sum(one.repetitions for one in squats))
    quads = summary.muscle_load_repetitions["quads"]
    assert 0.5 * len(reported) < quads <= len(reported)
    assert quads > summary.muscle_load_repetitions["obliques"]


def test_push_region_hides_the_rest_of_the_picture(model: fitsense.Model, frames: list[Frame]) -> None:
    """A person beside noise gives the events of a person alone."""
    random = np.random.default_rng(0)
    height, width = frames[0].rgb.shape[:2]
    config = SessionConfig(region=Region(0.0, 0.0, 0.5, 1.0))
    beside = [
        Frame(
            np.concatenate([frame.rgb, random.integers(0, 256, (height, width, 3), dtype=np.uint8)], axis=1),
            frame.time_s,
        )
        for frame in frames
    ]
    assert [e.to_json() for e in run(model, beside, config)] == [e.to_json() for e in run(model, frames)]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
def test_push_an_hour_keeps_memory_flat(model: fitsense.Model) -> None:
    """An hour of a figure at two frames in five seconds: once windows are full, nothing more is kept."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    pictures = [frame.rgb for frame in FigureVideo([Bout("squat", 5, 4.0)], size=(32, 24), rate_hz=0.4)]
    config = SessionConfig(hop_s=5.0, gap_s=4.0, repetitions=RepetitionConfig(interval_s=3.0))
    session, after_a_minute = Session(Scripted(model), config), 0  # type: ignore[arg-type]
    for index in range(3600 * 2 // 5):
        session.push(pictures[index % len(pictures)], index / 0.4)
        if index == 24:
            after_a_minute = resident()
    grown = resident() - after_a_minute
    session.finish()
    assert grown < 10e6, f"{grown / 1e6:.1f} MB more than after the first minute"


def test_push_invalid_frame_is_refused_and_session_continues(model: fitsense.Model, frames: list[Frame]) -> None:
    session = Session(model)
    events = session.push_many(frames[:30])
    with pytest.raises(fitsense.InvalidInputError, match="expected dtype uint8, got float32"):
        session.push(np.zeros((8, 8, 3), np.float32), 99.0)
    with pytest.raises(fitsense.InvalidInputError, match="seconds"):
        session.push(frames[0].rgb, float("nan"))
    with pytest.raises(fitsense.InvalidInputError, match="time_s"):
        session.push(frames[0].rgb)
    events += session.push_many(frames[30:]) + session.finish()
    assert [e.to_json() for e in events] == [e.to_json() for e in run(model, frames)]


def test_two_sessions_with_one_model_are_independent(model: fitsense.Model, frames: list[Frame]) -> None:
    one, other = Session(model), Session(model)
    first: list[Event] = []
    second: list[Event] = []
    for frame in frames:
        first += one.push(frame)
        second += other.push(frame)
    assert [e.to_json() for e in first + one.finish()] == [e.to_json() for e in second + other.finish()]


def test_finish_without_frames_gives_valid_events(model: fitsense.Model) -> None:
    session = Session(model)
    events = session.finish()
    check(events)
    assert len(events) == 2
    with pytest.raises(fitsense.FitsenseError, match="finished"):
        session.push(np.zeros((8, 8, 3), np.uint8), 0.0)


def test_event_time_is_start_plus_media_time(model: fitsense.Model, frames: list[Frame]) -> None:
    start = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    events = run(model, frames, SessionConfig(started_at=start, source="urn:gym:7"))
    assert events[0].to_dict()["time"] == "2026-03-01T12:00:00.000Z"
    assert events[-1].to_dict()["time"] == "2026-03-01T12:00:06.000Z"
    assert {event.source for event in events} == {"urn:gym:7"}
    with pytest.raises(fitsense.InvalidInputError, match="time zone"):
        SessionConfig(started_at=datetime(2026, 3, 1))


def test_push_sessions_in_threads_give_the_same_events(model: fitsense.Model, frames: list[Frame]) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: [e.to_json() for e in run(model, frames)], range(3)))
    assert results[0] == results[1] == results[2]


def test_observer_that_fails_does_not_break_the_session(frames: list[Frame]) -> None:
    seen = []

    class Watcher:
        @hookimpl
        def fitsense_plugin(self) -> PluginInfo:
            return PluginInfo("watcher", "1")

        @hookimpl
        def fitsense_event_emitted(self, source: str, event: Event) -> None:
            seen.append((source, event.type))
            if isinstance(event.data, SessionEnded):
                event.data.muscle_load_s["evil"] = -1.0  # type: ignore[index]
            if len(seen) == 2:
                raise SystemExit("mine")

    plugins = PluginManager.discover()
    assert plugins.register(Watcher()).status == "loaded"
    events = run(fitsense.load_model(plugins=plugins), frames)
    assert seen == [("urn:fitsense:session", event.type) for event in events]
    assert plugins.observer_failures == {"watcher": 1}
    check(events)
    assert "evil" not in events[-1].to_json()
