"""Tracked people, on rendered figures with a detector that knows the halves of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, ExerciseEnded, SessionEnded, SessionStarted, SessionWarning
from fitsense.events.schema import validate_event
from fitsense.geometry import Detection, Region
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.pipeline.analysis import analyze
from fitsense.session.tracked import TrackedSession
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.tracking import TrackerConfig
from fitsense.types import Frame, UInt8Array
from tests.conftest import encode
from tests.pose.bodies import STICKS, Body, Scene

LEFT, RIGHT = Region(0.0, 0.0, 0.5, 1.0), Region(0.5, 0.0, 1.0, 1.0)


def halves(picture: UInt8Array) -> list[Detection]:
    """Detects a person in each half of a picture that is not black."""
    middle = picture.shape[1] // 2
    sides = ((LEFT, picture[:, :middle]), (RIGHT, picture[:, middle:]))
    return [Detection(region, 0.9) for region, side in sides if side.mean() > 20]


class Halves:
    """The plugin."""

    @fitsense.hookimpl
    def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
        return fitsense.plugins.PluginInfo(name="toy", version="1.0")

    @fitsense.hookimpl
    def fitsense_detectors(self) -> Iterable[fitsense.plugins.DetectorSpec]:
        yield fitsense.plugins.DetectorSpec("halves", Settings, load)


@attrs.frozen
class Settings:
    pass


def load(config: Settings, files: Mapping[str, Path], threads: int | None) -> Callable[[UInt8Array], list[Detection]]:
    return halves


@pytest.fixture(scope="module")
def together(squats: FigureVideo) -> list[Frame]:
    """Video of two people: one squats at the left; another one comes after a second and jumps at the right."""
    jacks = FigureVideo(bouts=(Bout("jumping_jack", 5, 1.2),), rate_hz=10.0, seed=8)
    return [
        Frame(np.concatenate([one.rgb, other.rgb * (at >= 10)], axis=1), one.time_s)
        for at, (one, other) in enumerate(zip(squats, jacks, strict=True))
    ]


@pytest.fixture(scope="module")
def file(together: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("videos") / "two.mp4", together)


def check(events: Sequence[Event]) -> None:
    for number, event in enumerate(events):
        document = event.to_dict()
        validate_event(document)
        assert document["sequence"] == f"{number:010d}"


def exercises(events: Iterable[Event]) -> dict[str | None, str]:
    return {event.subject: event.data.exercise for event in events if isinstance(event.data, ExerciseEnded)}


def test_push_each_person_has_events_from_arrival(model: fitsense.Model, together: list[Frame]) -> None:
    looks: list[UInt8Array] = []

    def detect(picture: UInt8Array) -> list[Detection]:
        looks.append(picture)
        return halves(picture)

    session = TrackedSession(model, detect, tracker=TrackerConfig(rate_hz=5.0, min_hits=2))
    events = [event for frame in together for event in session.push(frame)]
    events += session.warn("source_truncated", "it ends here") + session.finish()
    check(events)
    assert len(looks) == len(together) / 2
    assert exercises(events) == {"1": "squat", "2": "jumping_jack"}
    ended = {event.subject: event.data for event in events if isinstance(event.data, SessionEnded)}
    assert {name: data.start_s for name, data in ended.items()} == {"1": 0.2, "2": 1.2}
    warned = [event.subject for event in events if isinstance(event.data, SessionWarning)]
    assert warned == [None], "what is wrong with the source is about nobody"


def test_push_person_leaving_ends_the_session(model: fitsense.Model, together: list[Frame]) -> None:
    session = TrackedSession(model, halves, tracker=TrackerConfig(max_lost_s=1.0))
    events: list[Event] = []
    for at, frame in enumerate(together):
        shown = frame.rgb.copy()
        if 20 <= at < 40:
            shown[:, : shown.shape[1] // 2] = 0
        events += session.push(attrs.evolve(frame, rgb=shown))
    events += session.finish()
    check(events)
    began = [(event.subject, type(event.data)) for event in events]
    # A person who returns after so long gets a new name.
    assert [subject for subject, kind in began if kind is SessionStarted] == ["1", "2", "3"]
    ended = [event.data.end_s for event in events if event.subject == "1" and isinstance(event.data, SessionEnded)]
    assert ended == [pytest.approx(3.0, abs=0.11)]


def test_resume_any_snapshot_gives_the_same_events(model: fitsense.Model, together: list[Frame]) -> None:
    def run(restart_at: int | None) -> list[str]:
        session, events = TrackedSession(model, halves, tracker=TrackerConfig(min_hits=2)), list[Event]()
        for at, frame in enumerate(together):
            if at == restart_at:
                session = TrackedSession.resume(model, halves, session.snapshot())
            events += session.push(frame)
        return [event.to_json() for event in events + session.finish()]

    # Before a track has a name, and during an exercise.
    assert run(1) == run(37) == run(None)
    with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
        TrackedSession.resume(model, halves, fitsense.MultiSession(model).snapshot())


def test_push_without_people_gives_no_events(model: fitsense.Model) -> None:
    session = TrackedSession(model, halves)
    dark = [Frame(np.zeros((90, 160, 3), np.uint8), at / 10) for at in range(20)]
    assert [event for frame in dark for event in session.push(frame)] == session.finish() == []


def test_finish_without_people_keeps_the_reason() -> None:
    plugins = fitsense.PluginManager.discover()
    plugins.register(Halves())
    knowing = fitsense.load_model(bf16=False, plugins=plugins)
    dark = [Frame(np.zeros((90, 160, 3), np.uint8), at / 10) for at in range(20)]
    empty = analyze(dark, model=knowing, people="toy/halves")
    assert empty.reason is None
    assert list(empty) == []
    assert empty.reason == "finished"
    stopped = analyze(dark, model=knowing, people="toy/halves")
    stopped.stop()
    assert list(stopped) == []
    assert stopped.reason == "interrupted"


def test_analyze_people_gives_events_of_each(model: fitsense.Model, file: Path) -> None:
    with pytest.raises(fitsense.UnknownNameError, match="unknown detector 'toy/halves'"):
        analyze(file, model=model, people="toy/halves")
    plugins = fitsense.PluginManager.discover()
    assert plugins.register(Halves()).provides == {"detectors": ("toy/halves",)}
    knowing = fitsense.load_model(bf16=False, plugins=plugins)
    events = list(analyze(file, model=knowing, people="toy/halves"))
    check(events)
    assert exercises(events) == {"1": "squat", "2": "jumping_jack"}
    (source,) = {event.source for event in events}
    assert source.startswith("file:two.mp4;digest=")
    with pytest.raises(fitsense.InvalidInputError, match="people: expected no region"):
        analyze(file, model=knowing, people="toy/halves", region=LEFT)


@pytest.mark.parametrize(("region", "exercise"), [(LEFT, "squat"), (RIGHT, "jumping_jack")])
def test_analyze_region_hides_other_people(model: fitsense.Model, file: Path, region: Region, exercise: str) -> None:
    events = list(analyze(file, model=model, region=region))
    check(events)
    assert exercises(events) == {None: exercise}


def test_analyze_region_is_decoded_at_the_models_size(
    model: fitsense.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the size of the file's pictures."""
    seen: list[tuple[int, ...]] = []
    cut = Region.crop

    def watched(region: Region, rgb: UInt8Array) -> UInt8Array:
        seen.append(rgb.shape)
        return cut(region, rgb)

    monkeypatch.setattr(Region, "crop", watched)
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    file = encode(tmp_path / "noise.mp4", [Frame(noise, at / 10) for at in range(3)])
    for region, height in (
        (Region(0, 0, 1, 1), model.short_side),
        (Region(0.1, 0, 0.7, 0.3), 304),
        (Region(0, 0, 0.2, 0.1), 360),
    ):
        seen.clear()
        list(analyze(file, model=model, region=region))
        assert {shape[0] for shape in seen} == {height}


def standing_pair(gap: float) -> Scene:
    return Scene([Body(0.5 - gap / 2, scale=0.2), Body(0.5 + gap / 2, scale=0.2)])


def tracked(scene: Scene, model: fitsense.Model, **tracker: Any) -> TrackedSession:
    return TrackedSession(model, LoadedPoseEstimator("toy/sticks", STICKS, scene), tracker=TrackerConfig(**tracker))


def push_seconds(session: TrackedSession, seconds: float, since_s: float = 0.0) -> list[Event]:
    return [
        event
        for at in range(round(seconds * 10))
        for event in session.push(Frame(np.full((48, 64, 3), 90, np.uint8), round(since_s + at / 10, 3)))
    ]


def test_push_detection_without_visible_landmarks_is_nobody(model: fitsense.Model) -> None:
    scene = standing_pair(0.5)
    # A pattern on the floor, which the estimator believes in nonetheless.
    scene.bodies[1].visibility = 0.2
    session = tracked(scene, model)
    push_seconds(session, 2.0)
    assert list(session.poses) == ["1"]
    scene.bodies[1].visibility = 1.0
    push_seconds(session, 1.0, since_s=2.0)
    assert len(session.poses) == 2
    # Whoever was seen stays, though something hides them.
    scene.bodies[0].visibility = 0.2
    push_seconds(session, 1.0, since_s=3.0)
    assert len(session.poses) == 2


def test_push_with_an_estimator_follows_bodies_that_come_and_go(model: fitsense.Model) -> None:
    scene = standing_pair(0.5)
    session = tracked(scene, model, max_lost_s=1.0)
    events = push_seconds(session, 2.0)
    boxes = {name: one.region for name, one in session._sessions._sessions.items()}
    assert set(boxes) == {"1", "2"}
    assert all(box is not None and box.right - box.left < 0.3 for box in boxes.values())
    assert {name: pose.landmark_set for name, pose in session.poses.items()} == dict.fromkeys(("1", "2"), STICKS)
    # Landmarks are found once a frame and person; a subject's session takes them from the tracker.
    people = [session._sessions._sessions[name]._person for name in ("1", "2")]
    assert [person and person.name for person in people] == ["1", "2"]
    estimates = scene.estimates
    events += push_seconds(session, 1.0, since_s=2.0)
    assert scene.estimates - estimates <= 2 * 10 + 3
    del scene.bodies[1]
    events += push_seconds(session, 2.5, since_s=3.0) + session.finish()
    check(events)
    ended = {event.subject: event.data.end_s for event in events if isinstance(event.data, SessionEnded)}
    assert ended["2"] == pytest.approx(4.0, abs=0.25)
    assert ended["1"] == pytest.approx(5.5, abs=0.25)


def test_resume_with_an_estimator_gives_the_same_events_and_bytes(model: fitsense.Model) -> None:
    scene = standing_pair(0.5)
    estimator = LoadedPoseEstimator("toy/sticks", STICKS, scene)
    whole = TrackedSession(model, estimator)
    expected = push_seconds(whole, 3.0) + whole.finish()
    session = TrackedSession(model, estimator)
    events = push_seconds(session, 1.5)
    snapshot = session.snapshot()
    resumed = TrackedSession.resume(model, estimator, snapshot)
    assert resumed.snapshot() == snapshot
    events += push_seconds(resumed, 1.5, since_s=1.5) + resumed.finish()
    assert [event.to_json() for event in events] == [event.to_json() for event in expected]
