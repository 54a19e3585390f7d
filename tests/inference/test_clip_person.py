"""Poses of a clip's person, found once for all windows, against those of each window alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.data.clip_views import clip_views
from fitsense.imaging.resize import branch_images, person_square
from fitsense.inference.clip_person import ClipPerson
from fitsense.inference.person_tracking import follow_person
from fitsense.pose.clip_poses import in_clip
from fitsense.types import ClipSpec, FloatArray, Frame
from tests.helpers.spot_bodies import BrightSpot, loaded, spot_frames

POSE_CLIP = ClipSpec(8, 5.0, 64, 48, fit="pad")
PERSON_CLIP = ClipSpec(8, 5.0, 32, 48, fit="person")


def views(
    specs: dict[str, ClipSpec], person: ClipPerson | None, *, mirror: bool = False, **made: Any
) -> dict[str, FloatArray]:
    return clip_views(spot_frames(**made), specs, 3, mirror, person)


@pytest.mark.parametrize("dark", [(), tuple(range(20, 26))])
def test_clip_views_with_a_person_give_the_poses_that_each_window_alone_gives(dark: tuple[int, ...]) -> None:
    specs = {"pose": POSE_CLIP}
    poses = views(specs, ClipPerson(loaded(), ["pose"]), dark=dark)["pose"]
    clips = views(specs, None, dark=dark)["pose"]
    assert poses.shape == (3, 8, 4, 6)
    assert poses.dtype == np.float32
    alone = np.stack([follow_person(loaded(), clip, POSE_CLIP.rate_hz) for clip in clips])
    missing = np.isnan(alone).all(axis=(2, 3))
    assert missing.any() == bool(dark)
    assert (np.isnan(poses).all(axis=(2, 3)) == missing).all()
    # Within a pixel: the pictures of windows are scaled first.
    np.testing.assert_allclose(poses[~missing], alone[~missing], atol=1.5 / POSE_CLIP.size)


def test_clip_views_with_a_person_cost_no_more_landmarks_for_more_windows() -> None:
    counts = []
    for number in (1, 8):
        counter = BrightSpot()
        person = ClipPerson(loaded(counter), ["pose"])
        clip_views(spot_frames(), {"pose": POSE_CLIP}, number, True, person)
        counts.append(counter.estimates)
    assert counts[0] == counts[1] <= 62


def test_clip_views_of_mirror_images_give_mirrored_poses() -> None:
    poses = views({"pose": POSE_CLIP}, ClipPerson(loaded(), ["pose"]), mirror=True)["pose"]
    mirrored = [Frame(frame.rgb[:, ::-1], frame.time_s) for frame in spot_frames()]
    person = ClipPerson(loaded(), ["pose"])
    expected = clip_views(mirrored, {"pose": POSE_CLIP}, 3, False, person)["pose"]
    np.testing.assert_allclose(poses[3:], expected, atol=1e-4)


def test_clip_views_of_a_branch_on_the_person_follow_the_person_steadily() -> None:
    person = ClipPerson(loaded(), [])
    clips = views({"person": PERSON_CLIP}, person)["person"]
    brightness = clips[..., 0].astype(float)
    columns = (brightness * np.arange(32)).sum(axis=(2, 3)) / brightness.sum(axis=(2, 3))
    # The middle of the square stays near the person, who moves through a tenth of the picture.
    assert np.abs(columns - 15.5).max() < 6
    without = views({"person": PERSON_CLIP}, None)["person"]
    crop = views({"person": ClipSpec(8, 5.0, 32, 48)}, None)["person"]
    assert np.array_equal(without, crop)


@pytest.mark.parametrize("size", [(96, 48), (48, 96), (30, 30)])
@pytest.mark.parametrize("spec", [POSE_CLIP, ClipSpec(8, 5.0, 40, 48), ClipSpec(1, 1.0, 96, 48, fit="pad")])
def test_in_clip_gives_the_place_in_the_square(size: tuple[int, int], spec: ClipSpec) -> None:
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[height // 2 - 4 : height // 2 + 2, width // 2 : width // 2 + 6] = 255
    landmarks = np.zeros((1, 6), np.float32)
    landmarks[0, :2] = (width // 2 + 3) / width, (height // 2 - 1) / height
    square = branch_images(rgb, {"": spec})[""][..., 0].astype(float)
    grid = np.arange(spec.size) + 0.5
    found = (square.sum(axis=0) @ grid / square.sum(), square.sum(axis=1) @ grid / square.sum())
    np.testing.assert_allclose(in_clip(landmarks, size, spec)[0, :2] * spec.size, found, atol=1.2)


def test_person_square_beyond_the_picture_is_black() -> None:
    rgb = np.full((40, 60, 3), 200, np.uint8)
    square = person_square(rgb, fitsense.Region(0.0, 0.0, 0.2, 1.0))
    assert square.shape == (46, 46, 3)
    assert (square[:, :16] == 0).all()
    assert (square[4:42, 18:] == 200).all()
    assert person_square(rgb, fitsense.Region(0.5, 0.5, 0.51, 0.51)).shape == (16, 16, 3)
