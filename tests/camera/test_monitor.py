"""Invariants of the camera monitor's warnings."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.camera.monitor import CameraConfig, CameraMonitor, CameraWarning
from fitsense.camera.view_features import camera_thumbnail, changed_share, extract_features
from fitsense.errors import InvalidInputError
from fitsense.types import UInt8Array
from tests.helpers.camera_stage import QUICK, RATE_HZ, Kind, Stage, codes, room, watch

kinds = st.sampled_from(["person", "person", "empty", "black", "covered", "frozen"])


parts = st.lists(
    st.tuples(st.floats(0.1, 3.5), kinds, st.integers(0, 2), st.sampled_from([(16, 16), (16, 28)])),
    min_size=1,
    max_size=5,
)


def staged(plan: Iterable[tuple[float, Kind, int, tuple[int, int]]]) -> list[UInt8Array]:
    stage = Stage().show(0.5)
    for seconds, kind, scene, at in plan:
        stage.show(seconds, kind, scene, at)
    return stage.pictures


@settings(max_examples=12)
@given(parts, st.sampled_from([None, 0.1, 0.9]))
def test_push_each_state_is_reported_at_start_and_end(
    plan: list[tuple[float, Kind, int, tuple[int, int]]], idle: float | None
) -> None:
    pictures = staged(plan)
    notices = watch(pictures, idle=idle)
    going_on: dict[str, CameraWarning] = {}
    ended: dict[str, float] = {}
    for notice in notices:
        assert 0.0 <= notice.start_s <= notice.end_s <= len(pictures) / RATE_HZ
        if notice.code in ("camera_cut", "camera_moved"):
            assert notice.over
        elif not notice.over:
            assert notice.code not in going_on
            assert notice.end_s - notice.start_s >= getattr(QUICK, f"{notice.code}_s") - 1e-6
            going_on[notice.code] = notice
        else:
            begun = going_on.pop(notice.code)
            assert notice.start_s == begun.start_s
            assert notice.end_s >= begun.end_s
            ended[notice.code] = notice.end_s
    assert not going_on


@settings(max_examples=6)
@given(parts, st.integers(-1000, 1000))
def test_push_shifted_times_give_the_same_warnings(
    plan: list[tuple[float, Kind, int, tuple[int, int]]], start_s: int
) -> None:
    pictures = staged(plan)
    early, late = watch(pictures), watch(pictures, start_s=float(start_s))
    assert [(n.code, n.over) for n in early] == [(n.code, n.over) for n in late]
    for one, other in zip(early, late, strict=True):
        assert one.start_s + start_s == pytest.approx(other.start_s)
        assert one.end_s + start_s == pytest.approx(other.end_s)


@settings(max_examples=6)
@given(parts, st.data())
def test_monitor_copied_state_continues_the_same(
    plan: list[tuple[float, Kind, int, tuple[int, int]]], data: st.DataObject
) -> None:
    pictures = staged(plan)
    at = data.draw(st.integers(0, len(pictures)))
    scene, found = CameraMonitor(QUICK), []
    for index, picture in enumerate(pictures):
        if index == at:
            scene = copy.deepcopy(scene)
        found += scene.push(picture, index / RATE_HZ)
    assert found + scene.end_run() == watch(pictures)


@settings(max_examples=6)
@given(st.lists(st.tuples(st.floats(0.5, 1.3), st.floats(-15.0, 15.0)), min_size=1, max_size=6), st.integers(0, 9))
def test_push_light_changes_give_no_warning(lights: list[tuple[float, float]], scene: int) -> None:
    pictures = []
    for index, picture in enumerate(Stage().show(8.0, scene=scene).pictures):
        gain, offset = lights[index * len(lights) // 80]
        # The light stays within the range of pixels: clipping loses detail.
        pictures.append(np.asarray(128 + (picture - 128.0) * min(gain, 0.8) + offset, dtype=np.uint8))
    assert watch(pictures) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [("black", "picture_black"), ("covered", "camera_blocked"), ("frozen", "picture_frozen"), ("empty", "no_motion")],
)
def test_push_state_is_reported_with_start_and_end(kind: Kind, code: str) -> None:
    reported, over = watch(Stage().show(2.0).show(4.0, kind).show(3.0).pictures)
    assert (reported.code, over.code) == (code, code)
    assert reported.start_s == pytest.approx(2.0, abs=0.11)
    assert reported.end_s == pytest.approx(reported.start_s + getattr(QUICK, f"{code}_s"), abs=0.11)
    assert over.start_s == reported.start_s
    assert over.end_s == pytest.approx(5.9, abs=0.11)
    assert "4.0 s" in over.message or "3.9 s" in over.message


@pytest.mark.parametrize("kind", ["black", "covered", "frozen", "empty"])
def test_push_short_state_is_not_reported(kind: Kind) -> None:
    assert watch(Stage().show(2.0).show(0.8, kind).show(2.0).pictures) == []


def test_push_flicker_does_not_end_a_state() -> None:
    stage = Stage().show(1.0)
    for _ in range(5):
        stage.show(1.2, "black").show(0.2)
    assert codes(watch(stage.pictures)) == ["picture_black"]


def test_push_returning_state_is_reported_again() -> None:
    stage = Stage().show(1.0).show(2.0, "black").show(2.0).show(2.0, "black").show(2.0)
    assert codes(watch(stage.pictures)) == ["picture_black", "picture_black"]


def test_push_cut_is_reported_with_adjacent_times() -> None:
    (cut,) = watch(Stage().show(3.0).show(3.0, scene=1).pictures)
    assert (cut.code, cut.over) == ("camera_cut", True)
    assert cut.start_s == pytest.approx(2.9)
    assert cut.end_s == pytest.approx(3.0)


def test_push_cut_from_fast_movement_before_a_still_room_is_found() -> None:
    """A person who fills the picture changes most of its tiles from picture to picture, but edges only move."""
    pictures = Stage().show(3.0).show(3.0, scene=1).pictures
    body = room(7)
    for at in range(30):
        top = 5 * (at % 2)
        pictures[at][12:] = body[top : top + 52, :64]
    shares = [changed_share(*map(extract_features, pair)) for pair in itertools.pairwise(pictures[20:30])]
    assert min(shares) > 0.3
    (cut,) = watch(pictures)
    assert cut.code == "camera_cut"
    assert cut.end_s == pytest.approx(3.0)


def test_push_cut_to_a_moving_camera_is_found() -> None:
    stage = Stage().show(3.0)
    for at in range(8):
        stage.show(0.1, scene=1, at=(16, 8 + 2 * at))
    assert codes(watch(stage.show(2.0, scene=1, at=(16, 22)).pictures)) == ["camera_cut"]


def test_push_cut_during_darkness_is_found() -> None:
    dark = Stage().show(3.0).show(2.0, "black")
    assert codes(watch(copy.deepcopy(dark).show(3.0).pictures)) == ["picture_black"]
    assert sorted(codes(watch(dark.show(3.0, scene=1).pictures))) == ["camera_cut", "picture_black"]


def test_push_flash_is_no_cut() -> None:
    pictures = Stage().show(6.0).pictures
    flash = np.asarray(room(5)[:64, :64])
    assert watch([*pictures[:30], flash, *pictures[31:]]) == []


@pytest.mark.parametrize("move", [3, 8, 15])
def test_push_turned_camera_is_reported_once(move: int) -> None:
    (moved,) = watch(Stage().show(4.0).show(6.0, at=(16, 16 + move)).pictures)
    assert moved.code == "camera_moved"
    assert moved.start_s == pytest.approx(3.9, abs=0.31)
    assert moved.end_s == pytest.approx(moved.start_s + QUICK.camera_moved_s, abs=0.31)


def test_push_bump_is_not_reported() -> None:
    assert watch(Stage().show(4.0).show(1.0, at=(20, 22)).show(5.0).pictures) == []


def test_push_second_camera_move_is_reported() -> None:
    stage = Stage().show(4.0).show(6.0, at=(16, 24)).show(6.0, at=(8, 8))
    assert codes(watch(stage.pictures)) == ["camera_moved", "camera_moved"]


def test_push_constantly_moving_camera_gives_no_warning() -> None:
    stage = Stage()
    random = np.random.default_rng(3)
    for _ in range(80):
        down, right = random.integers(10, 22, 2)
        stage.show(0.1, at=(int(down), int(right)))
    assert watch(stage.pictures) == []


def test_push_person_leaving_bare_room_is_no_move() -> None:
    def studio(index: int) -> UInt8Array:
        picture = np.full((64, 64, 3), 235, dtype=np.uint8)
        left = 26 if index < 40 else min(50, 26 + (index - 40))
        for stripe in range(10, 56, 4):
            picture[stripe : stripe + 2, left : left + 12] = 30
        random = np.random.default_rng(index)
        return np.asarray(picture + random.normal(0, 1, picture.shape), dtype=np.uint8)

    assert watch([studio(index) for index in range(100)], CameraConfig()) == []


def test_push_empty_room_reports_no_person() -> None:
    empty = Stage().show(2.0).show(6.0, "empty").pictures
    assert codes(watch(empty, idle=0.9)) == ["no_person"]
    # A person who holds a plank hardly moves.
    assert codes(watch(empty, idle=0.1)) == ["no_motion"]
    assert codes(watch(empty)) == ["no_motion"]


def test_push_standing_person_gives_no_warning() -> None:
    assert watch(Stage().show(8.0).pictures, idle=0.9) == []


def test_predicted_no_detection_reports_no_person_despite_motion() -> None:
    scene, found = CameraMonitor(QUICK), []
    for index, picture in enumerate(Stage().show(8.0).pictures):
        if index % 10 == 0:
            scene.predicted(index / RATE_HZ, idle=0.2, present=1.0 if index < 30 else 0.0)
        found += scene.push(picture, index / RATE_HZ)
    reported, over = found + scene.end_run()
    assert (reported.code, reported.start_s, over.over) == ("no_person", 3.0, True)


def test_end_run_resets_the_monitor() -> None:
    pictures = Stage().show(3.0).show(0.9, "black").pictures
    scene = CameraMonitor(QUICK)
    for index, picture in enumerate(pictures):
        assert scene.push(picture, index / RATE_HZ) == []
    assert scene.end_run() == []
    for index, picture in enumerate(Stage().show(0.9, "black").show(3.0, scene=1).pictures):
        assert scene.push(picture, 10.0 + index / RATE_HZ) == []


def test_push_above_ten_a_second_is_skipped() -> None:
    """Other pictures between two analysed ones change nothing."""
    pictures = Stage().show(4.0).pictures
    scene, found = CameraMonitor(QUICK), []
    for index, picture in enumerate(pictures):
        found += scene.push(picture, index / RATE_HZ)
        found += scene.push(np.zeros_like(picture), index / RATE_HZ + 0.03)
    assert found + scene.end_run() == []


@pytest.mark.parametrize("shape", [(1, 1), (36, 64), (90, 160), (1080, 32)])
def test_camera_thumbnail_any_size_shows_the_picture(shape: tuple[int, int]) -> None:
    rows = np.linspace(0, 200, shape[0])[:, None, None]
    columns = np.linspace(0, 55, shape[1])[None, :, None]
    small = camera_thumbnail(np.asarray(np.broadcast_to(rows + columns, (*shape, 3)), dtype=np.uint8))
    assert small.shape == (64, 64, 3)
    assert small.dtype == np.uint8
    if min(shape) > 1:
        assert np.all(np.diff(small[:, 0, 0].astype(int)) >= 0)
        assert small[-1, -1, 0] - small[0, 0, 0] > 240


def test_push_wrong_thumbnail_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"thumbnail: expected uint8 of shape \(64, 64, 3\), got uint8"):
        extract_features(np.zeros((64, 36, 3), dtype=np.uint8))
    with pytest.raises(InvalidInputError, match="got float32"):
        CameraMonitor().push(np.zeros((64, 64, 3), dtype=np.float32), 0.0)


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(CameraConfig)])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_config_invalid_values_are_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=rf"CameraConfig.{field}: expected .* got {value}"):
        CameraConfig(**{field: value})


def test_due_camera_rates_give_expected_steps() -> None:
    """A camera of two pictures a second is judged by the same seconds."""
    pictures = Stage().show(2.0).show(5.0, "black").pictures[::5]
    scene = CameraMonitor(QUICK)
    reported = [notice for index, picture in enumerate(pictures) for notice in scene.push(picture, index / 2.0)]
    assert [(notice.code, notice.start_s) for notice in reported] == [("picture_black", 2.0)]
