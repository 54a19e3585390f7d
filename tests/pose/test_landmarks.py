"""Landmark sets and poses refuse what consumers cannot use."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.errors import InvalidInputError
from fitsense.pose.landmarks import REQUIRED, BodyRegion, LandmarkSet, Pose, body_box, mirrored_poses

TORSO = LandmarkSet("torso", ("nose", *REQUIRED), (REQUIRED[:2], REQUIRED[2:]), (("left_shoulder", "left_hip"),))


def landmarks(**changes: Any) -> Any:
    """Five landmarks in the middle of the picture."""
    rows = np.tile(np.array([0.5, 0.5, 0, 0, 0, 1], np.float32), (5, 1))
    for column, value in changes.items():
        rows[:, int(column.removeprefix("column"))] = value
    return rows


def test_landmark_set_finds_rows_and_partners_by_name() -> None:
    assert len(TORSO) == 5
    assert TORSO.index("left_hip") == 3
    assert TORSO.indices(["right_hip", "left_knee", "nose"]) == [4, 0]
    assert TORSO.mirrored == (0, 2, 1, 4, 3)
    with pytest.raises(InvalidInputError, match=r"expected one of nose, .*, got 'left_knee'"):
        TORSO.index("left_knee")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": ("nose", "nose", *REQUIRED)}, "expected each name once"),
        ({"landmarks": ("nose", *REQUIRED[:3])}, "missing .'right_hip'"),
        ({"edges": (("nose", "left_knee"),)}, "LandmarkSet.edges: expected pairs of two different landmarks"),
        ({"mirror_pairs": (("nose", "nose"),)}, "LandmarkSet.mirror_pairs: expected pairs of two different"),
        ({"mirror_pairs": (REQUIRED[:2], REQUIRED[2:], ("nose", "left_hip"))}, "at most one pair"),
        ({"mirror_pairs": (REQUIRED[:2],)}, "expected pairs of shoulders and hips"),
    ],
)
def test_landmark_set_invalid_definition_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        attrs.evolve(TORSO, **changes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((5, 5)), "expected shape"),
        (landmarks(column0=np.nan), "expected finite x, y and visibility"),
        (landmarks(column5=1.5), "expected visibility in 0..1, got 1.5"),
        (landmarks(column3=np.inf), "expected finite places in metres, or NaN"),
    ],
)
def test_pose_with_wrong_landmarks_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Pose(value, 1.0)


def test_pose_landmarks_are_read_only() -> None:
    given = landmarks(column2=np.nan)
    pose = Pose(given, 1.0)
    given[:] = 0
    assert pose.landmarks[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        pose.landmarks[0, 0] = 0


@pytest.mark.parametrize(("x", "side"), [(np.nan, 0.5), (0.5, 0.0), (0.5, np.inf)])
def test_body_region_with_wrong_numbers_is_refused(x: float, side: float) -> None:
    with pytest.raises(InvalidInputError, match="BodyRegion"):
        BodyRegion(x, 0.5, side)


def test_body_box_contains_visible_landmarks_in_the_picture() -> None:
    rows = landmarks()
    rows[:, 0], rows[:, 1] = [0.2, 0.4, 0.6, 1.4, -3], [0.1, 0.5, 0.9, 0.5, 0.5]
    rows[4, 5] = 0.1
    box = body_box(rows, margin=0.0)
    assert box is not None
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((0.2, 0.1, 1.0, 0.9))
    assert body_box(rows + np.array([5, 0, 0, 0, 0, 0], np.float32)) is None


def test_mirrored_twice_is_the_same() -> None:
    rows = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    once = mirrored_poses(rows, TORSO.mirrored)
    assert np.allclose(once[:, 1, 0], 1 - rows[:, 2, 0])
    assert np.allclose(mirrored_poses(once, TORSO.mirrored), rows)
