"""Overlays: a playable video with something on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs
import matplotlib as mpl
import numpy as np
import pytest

from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.events.model import (
    Event,
    EventData,
    ExerciseEnded,
    ExerciseUpdated,
    MusclesActivated,
    RepetitionCompleted,
    SetSummary,
)
from fitsense.events.timeline import Moment, Timeline
from fitsense.pose.recording import PoseRecording, TimedPose
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from fitsense.video import overlay
from fitsense.video.overlay import draw, draw_people, draw_skeleton, find_font, write_overlay
from fitsense.video.source import VideoSource
from tests.conftest import encode
from tests.helpers.video_files import set_display_matrix
from tests.pose.bodies import STICKS, pose_of, standing


def ended(exercise: str, start_s: float, end_s: float, confidence: float, muscles: dict[str, float]) -> ExerciseEnded:
    return ExerciseEnded(
        exercise=exercise,
        repetitions=0,
        attempts=0,
        sets=(),
        start_s=start_s,
        end_s=end_s,
        duration_s=end_s - start_s,
        confidence=confidence,
        scores={"squat": confidence},
        muscles=muscles,
        time_under_tension_s=end_s - start_s,
        tempo_mean_s=None,
        tempo_spread_s=None,
    )


def timeline() -> Timeline:
    data: list[EventData] = [
        ExerciseUpdated("squat", 1.0, 2.5, 1.5, 0.7, {"squat": 0.7}),
        MusclesActivated(1.0, 2.0, {"quads": 0.8, "biceps": 0.0}),
        MusclesActivated(2.0, 4.0, {"quads": 0.9, "biceps": 0.0}),
        ended("squat", 1.0, 4.0, 0.8, {"quads": 0.85, "biceps": 0.0}),
        ended("unknown", 5.0, 6.0, 0.3, {"quads": 0.2}),
    ]
    at = datetime(1970, 1, 1, tzinfo=UTC)
    return Timeline(Event("urn:x", index, at, item) for index, item in enumerate(data))


def test_timeline_gives_every_moment() -> None:
    found = timeline()
    assert found.at(0.5) == Moment(None, 0.0, None, {})
    assert found.at(1.0) == Moment("squat", 1.0, 0.7, {"quads": 0.8, "biceps": 0.0})
    assert found.at(3.0) == Moment("squat", 1.0, 0.8, {"quads": 0.9, "biceps": 0.0})
    assert found.at(4.0) == Moment(None, 4.0, None, {})
    assert found.at(5.5).exercise == "unknown"
    assert found.at(99.0).exercise is None
    assert [segment.exercise for segment in found.segments] == ["squat", "unknown"]


def test_overlay_keeps_frames_times_and_picture(squats: FigureVideo, tmp_path: Path) -> None:
    path = tmp_path / "overlay.mp4"
    assert write_overlay(path, squats, timeline(), squats.rate_hz) == len(squats)
    with VideoSource(path) as source:
        read = list(source)
    np.testing.assert_allclose([f.time_s for f in read], [f.time_s for f in squats], atol=1e-3)
    plain = list(squats)[30].rgb.astype(int)
    difference = np.abs(read[30].rgb.astype(int) - plain).mean(axis=2)
    assert difference[:50, :160].mean() > 20
    assert difference[60:110, 200:].mean() < 6


def test_overlay_rotated_file_is_upright(squats: FigureVideo, tmp_path: Path) -> None:
    frames = list(squats)[:3]
    stored, path = encode(tmp_path / "stored.mp4", frames), tmp_path / "overlay.mp4"
    set_display_matrix(stored, (0, 1, 1, 0))
    with VideoSource(stored) as source:
        write_overlay(path, source, timeline(), squats.rate_hz)
    with VideoSource(path) as source:
        shown = next(iter(source)).rgb
    expected = frames[0].rgb.swapaxes(0, 1)
    assert shown.shape == expected.shape
    # Below the label and to the right of the bars.
    assert np.abs(shown[60:, 120:].astype(int) - expected[60:, 120:]).mean() < 12


def test_overlay_omits_late_frames_and_failed_files(tmp_path: Path) -> None:
    pictures = [Frame(np.zeros((64, 64, 3), np.uint8), time_s) for time_s in (1.0, 1.1, 0.5, 0.6, 1.2)]
    path = tmp_path / "overlay.mp4"
    assert write_overlay(path, pictures, timeline(), 10.0) == 3
    before = path.read_bytes()

    def failing() -> Iterator[Frame]:
        yield pictures[0]
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        write_overlay(path, failing(), timeline(), 10.0)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_overlay_fits_pictures_of_any_shape() -> None:
    moment = Moment("overhead_tricep_extension", 0.0, 0.9, {f"group_{i}": 1.0 - i / 20 for i in range(12)})
    for shape in ((90, 160), (720, 1280), (1280, 720), (64, 64)):
        drawn = draw(np.zeros((*shape, 3), np.uint8), moment, 3.0)
        assert drawn.shape == (*shape, 3)
        assert drawn.any()


def test_draw_people_who_stand_close_have_labels_apart() -> None:
    plain = np.full((360, 640, 3), 120, np.uint8)
    moment, red, blue = timeline().at(3.0), (255, 0, 0), (0, 0, 255)
    near, next_to = (TimedPose(1.0, pose_of(standing(), at, 0.6, 0.2), STICKS) for at in (0.40, 0.44))
    alone, beside = (draw_people(plain, [("1", moment, pose, red)]) for pose in (near, next_to))
    both = draw_people(plain, [("1", moment, near, red), ("2", moment, next_to, blue)])
    # The dark areas behind the words, which are the same in all pictures.
    areas = [int((drawn < 45).all(axis=2).sum()) for drawn in (alone, beside, both)]
    assert areas[2] > 0.95 * (areas[0] + areas[1])


DEJAVU = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_overlay_names_follow_language() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    moment = timeline().at(3.0)
    german, font = load_catalogue("de"), find_font(load_catalogue("de"), DEJAVU)
    # The same font, so that only the names differ.
    english = draw(black, moment, 3.0, load_catalogue(), font)
    assert not np.array_equal(english, draw(black, moment, 3.0, german, font))
    assert np.array_equal(english, draw(black, moment, 3.0, None, font))


def test_font_has_characters_of_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_font(load_catalogue()) is None
    # Pillow's own font has no umlauts.
    monkeypatch.setattr(overlay, "_USUAL_FONTS", ("no such font.ttf", str(DEJAVU)))
    assert find_font(load_catalogue("de")) == str(DEJAVU)
    with pytest.raises(InvalidInputError, match="expected one with the characters of '不明な動き', got none on this"):
        find_font(load_catalogue("ja"))
    with pytest.raises(InvalidInputError, match=r"got .*DejaVuSans.ttf; give another"):
        find_font(load_catalogue("zh"), DEJAVU)
    (tmp_path / "font.ttf").write_text("none")
    with pytest.raises(InvalidInputError, match="expected the file of a font"):
        find_font(load_catalogue("de"), tmp_path / "font.ttf")


def test_overlay_draws_the_skeleton_where_the_person_is(squats: FigureVideo) -> None:
    recording = PoseRecording()
    recording.add(TimedPose(1.0, pose_of(standing(), 0.75, 0.5, 0.25), STICKS))
    plain = list(squats)[10].rgb
    assert draw_skeleton(plain, recording.at(0.9)) is plain
    assert draw_skeleton(plain, recording.at(1.4)) is plain
    drawn = draw_skeleton(plain, recording.at(1.1))
    changed = (drawn != plain).any(axis=2)
    width = changed.shape[1]
    assert changed[:, width // 2 :].any()
    assert not changed[:, : width // 2].any()
    unseen = TimedPose(1.0, pose_of(standing(), 0.75, visibility=0.2), STICKS)
    assert not (draw_skeleton(plain, unseen) != plain).any()


def test_overlay_of_people_marks_each_with_a_box_and_a_label(squats: FigureVideo) -> None:
    plain = np.full((360, 640, 3), 120, np.uint8)
    moment = timeline().at(3.0)
    left, right = (TimedPose(1.0, pose_of(standing(), at, 0.6, 0.2), STICKS) for at in (0.2, 0.8))
    one = draw_people(plain, [("person-1", moment, left, (255, 0, 0))])
    both = draw_people(plain, [("person-1", moment, left, (255, 0, 0)), ("person-2", moment, right, (0, 0, 255))])
    assert np.array_equal(one[:, :320], both[:, :320])
    assert not np.array_equal(one[:, 320:], both[:, 320:])
    assert (both[:, 320:] == (0, 0, 255)).all(axis=2).sum() > 100
    # A person without a pose, or at the picture's corner, is no error.
    unseen = TimedPose(1.0, None, STICKS)
    assert np.array_equal(draw_people(plain, [("person-1", moment, unseen, (255, 0, 0))]), plain)
    assert draw_people(
        plain, [("p", moment, TimedPose(1.0, pose_of(standing(), 1.0, 0.0, 0.4), STICKS), (255, 0, 0))]
    ).any()


def test_overlay_of_people_shows_those_of_the_moment(squats: FigureVideo, tmp_path: Path) -> None:
    recording = PoseRecording()
    recording.add(TimedPose(1.0, pose_of(standing(), 0.75, 0.5, 0.25), STICKS), "person-1")
    path = tmp_path / "overlay.mp4"
    frames = list(squats)
    assert recording.subjects == ["person-1"]
    write_overlay(path, frames, timeline(), squats.rate_hz, poses=recording, people={"person-1": timeline()})
    with VideoSource(path) as source:
        drawn = list(source)
    changed = [float(np.abs(a.rgb.astype(int) - b.rgb).mean()) > 3 for a, b in zip(drawn, frames, strict=True)]
    shown = [frame.time_s for frame, is_changed in zip(frames, changed, strict=True) if is_changed]
    assert shown == [frame.time_s for frame in frames if 1.0 <= frame.time_s < 1.25]


def test_overlay_draws_the_count_of_the_set_that_goes_on() -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC)
    done = RepetitionCompleted("squat", 1, 1.2, 2.2, 1.0, 0.9, joint="knee", range_deg=88.0, tempo="1-0-0-0")
    summary = SetSummary("squat", 2, 1, 0, 1.2, 2.2, 1.0, 1.0, 1.0, None, None)
    segment = attrs.evolve(ended("squat", 1.0, 4.0, 0.8, {}), sets=(summary,))
    data: list[EventData] = [done, segment]
    found = Timeline(Event("urn:x", index, at, item) for index, item in enumerate(data))
    assert found.at(2.0).repetition is None
    assert (found.at(3.0).repetition, found.at(3.0).set_index) == (done, 2)
    # After a cut, the set goes on before its next repetition.
    second = attrs.evolve(done, index=2, start_s=5.2, end_s=6.2)
    cut: list[EventData] = [done, segment, second, attrs.evolve(segment, start_s=4.0, end_s=8.0)]
    found_again = Timeline(Event("urn:x", index, at, item) for index, item in enumerate(cut))
    assert (found_again.at(5.0).repetition, found_again.at(5.0).set_index) == (done, 2)
    new_set: list[EventData] = [
        done,
        segment,
        attrs.evolve(second, index=1),
        attrs.evolve(segment, start_s=4.0, end_s=8.0),
    ]
    assert Timeline(Event("urn:x", index, at, item) for index, item in enumerate(new_set)).at(5.0).repetition is None
    black = np.zeros((240, 426, 3), np.uint8)
    corner = (slice(0, 60), slice(300, None))
    assert draw(black, found.at(3.0), 3.0)[corner].any()
    assert not draw(black, found.at(2.0), 2.0)[corner].any()
