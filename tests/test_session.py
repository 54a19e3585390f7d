"""Sessions on the shipped model and rendered people."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.events import Event, SessionEnded, SessionStarted, SessionWarning
from fitsense.hookspecs import PluginInfo, hookimpl
from fitsense.plugins import Plugins
from fitsense.schema import closed, schema, schemas, validate_event, validator
from fitsense.session import Session, SessionConfig
from fitsense.testing.figures import FigureVideo, sample
from fitsense.types import Frame, Prediction
from fitsense.windows import Window


@pytest.fixture(scope="module")
def frames(squats: FigureVideo) -> list[Frame]:
    return list(squats)


def run(model: fitsense.Model, frames: Sequence[Frame], config: SessionConfig | None = None) -> list[Event]:
    session = Session(model, config)
    return session.push_many(frames) + session.finish()


def check(events: Sequence[Event]) -> None:
    """What holds of every session's events."""
    for number, event in enumerate(events):
        document = event.to_dict()
        validate_event(document)
        strict = closed(schema(document["dataschema"]))
        problems = list(
            validator(strict, [closed(other) for other in schemas().values()]).iter_errors(document["data"])
        )
        assert not problems, problems
        assert event.sequence == number
    assert isinstance(events[0].data, SessionStarted)
    assert isinstance(events[-1].data, SessionEnded)
    times = [event.time for event in events]
    assert times == sorted(times)
    open_segment = None
    for event in events:
        match event.type.removeprefix("fitsense."):
            case "exercise.started":
                assert open_segment is None
                open_segment = event.data.exercise  # type: ignore[union-attr]
            case "exercise.updated" | "exercise.ended" as kind:
                assert event.data.exercise == open_segment  # type: ignore[union-attr]
                if kind == "exercise.ended":
                    open_segment = None
    assert open_segment is None


class Scripted:
    """Predicts what a script says for the time, so that laws can be tested over many sessions quickly."""

    def __init__(self, model: fitsense.Model) -> None:
        self.labels, self.clips, self.manifest, self.plugins = model.labels, model.clips, model.manifest, model.plugins

    def predict(self, window: Window) -> Prediction:
        seed = np.random.default_rng(int(window.end_s * 1000) % 2**32)
        scores = seed.dirichlet(np.full(len(self.labels.exercise), 0.05)).astype(np.float32)
        return Prediction(
            window.start_s, window.end_s, scores, seed.random(len(self.labels.muscles)).astype(np.float32)
        )


def test_the_sample_is_told_truthfully(model: fitsense.Model) -> None:
    video = sample()
    events = run(model, list(video))
    check(events)
    ended = [e.data for e in events if e.type == "fitsense.exercise.ended" and e.data.exercise != "unknown"]  # type: ignore[union-attr]
    truth = video.segments
    assert [d.exercise for d in ended] == [t.exercise for t in truth]  # type: ignore[union-attr]
    for told, true in zip(ended, truth, strict=True):
        overlap = min(told.end_s, true.end_s) - max(told.start_s, true.start_s)  # type: ignore[union-attr]
        union = max(told.end_s, true.end_s) - min(told.start_s, true.start_s)  # type: ignore[union-attr]
        assert overlap / union > 0.6, (told, true)
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    assert {total.exercise for total in summary.exercises} - {"unknown"} == {"squat", "push_up", "jumping_jack"}
    assert summary.frames == len(video)
    assert summary.idle_s > 8
    assert summary.muscle_load_s["quads"] > summary.muscle_load_s["obliques"]


@settings(max_examples=12)
@given(data=st.data())
def test_chunks_do_not_matter(model: fitsense.Model, frames: list[Frame], data: st.DataObject) -> None:
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
def test_any_timestamps_give_valid_events(model: fitsense.Model, steps: list[float], hop_s: float) -> None:
    """Gaps, frames out of order and long streams break nothing."""
    picture = np.zeros((8, 8, 3), np.uint8)
    times = np.cumsum([0.0, *steps])
    session = Session(Scripted(model), SessionConfig(hop_s=hop_s))  # type: ignore[arg-type]
    events = [event for time in times for event in session.push(picture, float(time))]
    events += session.finish()
    check(events)
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    assert summary.frames + summary.late_frames == len(times)


def test_a_gap_is_told_and_ends_what_went_on(model: fitsense.Model, frames: list[Frame]) -> None:
    later = [Frame(frame.rgb, frame.time_s + 100) for frame in frames]
    events = run(model, [*frames, *later])
    check(events)
    warning = next(e.data for e in events if isinstance(e.data, SessionWarning))
    assert (warning.code, round(warning.end_s - warning.start_s)) == ("gap", 94)
    ended = [e.data for e in events if e.type == "fitsense.exercise.ended"]
    assert len(ended) == 2
    assert ended[0].end_s < 7 < 100 <= ended[1].start_s  # type: ignore[union-attr]


def test_late_frames_make_one_warning_and_change_nothing_else(model: fitsense.Model, frames: list[Frame]) -> None:
    disturbed = [*frames[:20], frames[3], frames[4], *frames[20:]]
    events = run(model, disturbed)
    check(events)
    assert [e.data.code for e in events if isinstance(e.data, SessionWarning)] == ["late_frame"]
    undisturbed = [e.data for e in run(model, frames)[:-1]]
    assert [e.data for e in events[:-1] if not isinstance(e.data, SessionWarning)] == undisturbed
    summary = events[-1].data
    assert isinstance(summary, SessionEnded)
    assert summary.late_frames == 2


def test_a_bad_picture_is_refused_and_the_session_goes_on(model: fitsense.Model, frames: list[Frame]) -> None:
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


def test_two_sessions_share_a_model_and_nothing_else(model: fitsense.Model, frames: list[Frame]) -> None:
    one, other = Session(model), Session(model)
    first: list[Event] = []
    second: list[Event] = []
    for frame in frames:
        first += one.push(frame)
        second += other.push(frame)
    assert [e.to_json() for e in first + one.finish()] == [e.to_json() for e in second + other.finish()]


def test_a_session_without_frames_is_still_whole(model: fitsense.Model) -> None:
    session = Session(model)
    events = session.finish()
    check(events)
    assert len(events) == 2
    with pytest.raises(fitsense.FitsenseError, match="finished"):
        session.push(np.zeros((8, 8, 3), np.uint8), 0.0)


def test_wall_clock_time_is_the_hosts_start_plus_media_time(model: fitsense.Model, frames: list[Frame]) -> None:
    start = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    events = run(model, frames, SessionConfig(started_at=start, source="urn:gym:7"))
    assert events[0].to_dict()["time"] == "2026-03-01T12:00:00.000Z"
    assert events[-1].to_dict()["time"] == "2026-03-01T12:00:06.000Z"
    assert {event.source for event in events} == {"urn:gym:7"}
    with pytest.raises(fitsense.InvalidInputError, match="time zone"):
        SessionConfig(started_at=datetime(2026, 3, 1))


def test_a_clock_that_is_set_back_is_told(model: fitsense.Model, frames: list[Frame]) -> None:
    later = [Frame(frame.rgb, frame.time_s + 100) for frame in frames]
    events = run(model, [*later, *frames])
    check(events)
    assert [e.data.code for e in events if isinstance(e.data, SessionWarning)] == ["late_frame", "clock_reset"]
    assert len([e for e in events if e.type == "fitsense.exercise.ended"]) == 2


def test_a_warning_before_the_first_frame_does_not_turn_time_back(model: fitsense.Model) -> None:
    session = Session(model)
    events = session.warn("camera_slow", "the camera takes its time")
    events += session.push(np.zeros((8, 8, 3), np.uint8), -5.0) + session.finish()
    check(events)


def test_sessions_in_threads_share_a_model(model: fitsense.Model, frames: list[Frame]) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: [e.to_json() for e in run(model, frames)], range(3)))
    assert results[0] == results[1] == results[2]


def test_observers_are_told_and_cannot_break_a_session(frames: list[Frame]) -> None:
    seen = []

    class Watcher:
        @hookimpl
        def fitsense_plugin(self) -> PluginInfo:
            return PluginInfo("watcher", "1")

        @hookimpl
        def fitsense_event_emitted(self, session: str, event: Event) -> None:
            seen.append((session, event.type))
            if isinstance(event.data, SessionEnded):
                event.data.muscle_load_s["evil"] = -1.0  # type: ignore[index]
            if len(seen) == 2:
                raise SystemExit("mine")

    plugins = Plugins.discover()
    assert plugins.register(Watcher()).status == "loaded"
    events = run(fitsense.load_model(plugins=plugins), frames)
    assert seen == [("urn:fitsense:session", event.type) for event in events]
    assert plugins.observer_failures == {"watcher": 1}
    check(events)
    assert "evil" not in events[-1].to_json()
