"""Branches on poses in sessions: each frame's landmarks are found once, and give what each window alone gives."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.imaging.resize import branch_images
from fitsense.inference.person_tracking import follow_person
from fitsense.session.config import PoseConfig, SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window, nearest
from tests.helpers.spot_bodies import RATE_HZ, TORSO, BrightSpot, loaded, spot_bundle, spot_frames, spot_plugins

HOP_S = 0.5


class Recording(fitsense.Model):
    """A model that keeps the windows that it predicts, and its estimator."""

    def __init__(self, bundle: Bundle) -> None:
        self.spot = BrightSpot()
        self.seen: list[Window] = []
        super().__init__(bundle, plugins=spot_plugins(self.spot), bf16=False)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        self.seen += windows
        return super().predict(windows)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return spot_bundle(tmp_path_factory.mktemp("bundle"), spot_plugins(BrightSpot()))


@pytest.fixture
def model(bundle: Bundle) -> Recording:
    return Recording(bundle)


def run(model: fitsense.Model, frames: Sequence[Frame], **config: Any) -> list[fitsense.Event]:
    session = Session(model, SessionConfig(**{"hop_s": HOP_S, **config}))
    return session.push_many(frames) + session.finish()


def clips_of(model: Recording, frames: Sequence[Frame]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The clip of each window, as the branch would get it without a track."""
    spec = model.clips["places"]
    times = np.array([frame.time_s for frame in frames])
    ends = [window.start_s + spec.span_s for window in model.seen]
    chosen = [[frames[index] for index in nearest(times, spec, end_s)] for end_s in ends]
    return np.stack([np.stack([branch_images(one.rgb, {"": spec})[""] for one in clip]) for clip in chosen])


@pytest.mark.parametrize("dark", [(), range(20, 31), range(60)])
def test_session_window_of_poses_equals_its_clip(model: Recording, dark: Sequence[int]) -> None:
    frames = spot_frames(dark=dark)
    run(model, frames)
    assert len(model.seen) >= 10
    assert all(not window.clips for window in model.seen)
    poses = np.stack([window.poses["places"] for window in model.seen])
    clips = clips_of(model, frames)
    alone = np.stack([follow_person(loaded(), clip, model.clips["places"].rate_hz) for clip in clips])
    missing = np.isnan(alone).all(axis=(2, 3))
    assert (np.isnan(poses).all(axis=(2, 3)) == missing).mean() > 0.9
    known = ~missing & ~np.isnan(poses).all(axis=(2, 3))
    np.testing.assert_allclose(poses[known], alone[known], atol=1.5 / 48)
    tracked, forward = model.run({"places": poses}), model.run({"places": clips})
    for output, values in forward["places"].items():
        same = (np.isnan(poses).all(axis=(2, 3)) == missing).all(axis=1)
        np.testing.assert_allclose(tracked["places"][output][same], values[same], atol=0.05)


def test_session_overlapping_windows_estimate_each_frame_once(bundle: Bundle) -> None:
    counts, windows = [], []
    for hop_s in (0.2, 2.0):
        model = Recording(bundle)
        run(model, spot_frames(), hop_s=hop_s)
        counts.append((model.spot.detections, model.spot.estimates))
        windows.append(len(model.seen))
    assert windows[0] > 5 * windows[1]
    # Once for each of the 60 frames, and now and then where the detector looks for somebody else.
    assert counts[0] == counts[1]
    assert 60 <= counts[0][1] <= 70


@pytest.mark.parametrize("at", [3, 25, 41])
def test_resume_with_poses_gives_the_same_events(bundle: Bundle, at: int) -> None:
    frames = spot_frames(dark=range(20, 24))
    expected = run(Recording(bundle), frames)
    model = Recording(bundle)
    session = Session(model, SessionConfig(hop_s=HOP_S))
    events = session.push_many(frames[:at])
    snapshot = session.snapshot()
    # Poses, not pictures, wait for windows.
    assert len(zlib.compress(snapshot)) < 40_000
    resumed = Session.resume(model, snapshot)
    events += resumed.push_many(frames[at:]) + resumed.finish()
    assert [event.to_json() for event in events] == [event.to_json() for event in expected]


def test_resume_with_poses_of_another_shape_is_refused(model: Recording) -> None:
    session = Session(model, SessionConfig(hop_s=HOP_S))
    session.push_many(spot_frames(20))
    session._windows.state.poses[-1].landmarks = {"places": np.zeros((3, 6), np.float32)}
    with pytest.raises(fitsense.InvalidInputError, match=r"windows.poses\[\d+\].places: expected float32 \(4, 6\)"):
        Session.resume(model, session.snapshot())


def test_push_with_poses_uses_them_in_the_windows(bundle: Bundle) -> None:
    frames, expected = spot_frames(), Recording(bundle)
    run(expected, frames)
    model = Recording(bundle)
    session = Session(model, SessionConfig(hop_s=HOP_S, pose=PoseConfig(enabled="off", landmarks=TORSO)))
    for frame in frames:
        pose = BrightSpot().pose(frame.rgb)
        session.push(frame, poses=[] if pose is None else [pose])
    session.finish()
    assert (model.spot.detections, model.spot.estimates) == (0, 0)
    for one, other in zip(model.seen, expected.seen, strict=True):
        np.testing.assert_array_equal(one.poses["places"], other.poses["places"])


def test_push_with_a_region_gives_poses_in_its_coordinates(bundle: Bundle) -> None:
    region = fitsense.Region(0.25, 0.0, 1.0, 1.0)
    whole, part = Recording(bundle), Recording(bundle)
    run(whole, spot_frames(), region=region)
    run(part, [Frame(region.crop(frame.rgb), frame.time_s) for frame in spot_frames()])
    for one, other in zip(whole.seen, part.seen, strict=True):
        np.testing.assert_allclose(one.poses["places"], other.poses["places"], atol=1e-5)


def test_session_without_landmarks_gives_the_branch_pictures(model: Recording) -> None:
    run(model, spot_frames(), pose=PoseConfig(enabled="off"))
    assert all(not window.poses and set(window.clips) == {"places"} for window in model.seen)
    assert model.spot.estimates == 4 * len(model.seen)


def test_predict_mixes_windows_of_poses_and_of_pictures(bundle: Bundle) -> None:
    """A host batches the windows of sessions with and without landmarks."""
    with_poses, without = Recording(bundle), Recording(bundle)
    run(with_poses, spot_frames(30))
    run(without, spot_frames(30), pose=PoseConfig(enabled="off"))
    mixed = [window for pair in zip(with_poses.seen, without.seen, strict=True) for window in pair]
    model = Recording(bundle)
    for window, prediction in zip(mixed, model.predict(mixed), strict=True):
        (alone,) = model.predict([window])
        assert (prediction.start_s, prediction.end_s) == (window.start_s, window.end_s)
        np.testing.assert_allclose(prediction.exercise, alone.exercise, atol=1e-6)


def test_push_scene_cut_discards_earlier_poses(model: Recording) -> None:
    session = Session(model, SessionConfig(hop_s=HOP_S))
    session.push_many(spot_frames(20))
    session.mark_cut()
    model.seen.clear()
    session.push_many([Frame(np.zeros_like(one.rgb), 2.0 + one.time_s) for one in spot_frames(20)])
    session.finish()
    assert all(np.isnan(window.poses["places"]).all() for window in model.seen)


def test_session_branch_on_the_person_gets_a_square_around_the_person(bundle: Bundle) -> None:
    """Images of a branch with the fit ``person``, beside a branch on poses."""
    model = Recording(bundle)
    entry = model.manifest.branches[0]
    person = fitsense.ClipSpec(4, 4.0, 16, 24, fit="person")
    centre = attrs.evolve(person, fit="crop")

    class Both(Recording):
        @property
        def clips(self) -> Mapping[str, fitsense.ClipSpec]:
            return {"places": entry.clip, "person": person, "centre": centre}

        def predict(self, windows: Sequence[Window]) -> list[Prediction]:
            self.seen += windows
            return [Prediction(one.start_s, one.end_s, [0.5, 0.5], [0.5, 0.5]) for one in windows]

    both = Both(bundle)
    frames = spot_frames(40)
    # Far from the middle, where the centre crop does not show the person.
    aside = [Frame(np.roll(frame.rgb, 40, axis=1), frame.time_s) for frame in frames]
    run(both, aside)
    assert RATE_HZ == 10.0
    last = both.seen[-1]
    assert last.clips["centre"].frames.max() < 100
    bright = last.clips["person"].frames[..., 0].astype(float)
    columns = (bright * np.arange(16)).sum(axis=(1, 2)) / bright.sum(axis=(1, 2))
    assert np.abs(columns - 7.5).max() < 4
