"""BlazePose over clips: on tiny networks of the same form, and on the real ones where they were fetched."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

import fitsense
from fitsense.bundles.weights import resolve
from fitsense.inference.person_tracking import follow_person
from fitsense.inference.pose_estimator import LoadedPoseEstimator
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.synthetic.rendering import Camera
from fitsense_pose.assets import ASSETS
from fitsense_pose.detector import anchors
from fitsense_pose.estimator import BlazePoseConfig, BlazePoseEstimator
from fitsense_pose.region import FloatArray
from fitsense_pose.skeleton import BLAZEPOSE_33

DARK, DIM, BRIGHT = 10, 150, 250
HEIGHT, WIDTH = 90, 160
# Pixels of the detector's square: where the middle of the hips is, and how far from there to the circle's top.
HIPS, RADIUS = np.array([100.0, 112.0]), 40.0


def save(path: Path, shape: list[int], outputs: Any) -> Path:
    seen = op.parameter(shape, np.float32, name="input")
    brightness = op.reduce_mean(seen, op.constant([1, 2, 3]), False)
    ov.save_model(ov.Model(outputs(brightness), [seen], "toy"), path, compress_to_fp16=False)
    return path


def constant(values: Any) -> Any:
    return op.constant(np.asarray(values, np.float32)[None])


def linear(brightness: Any, factor: float, offset: float) -> Any:
    """factor * brightness + offset, of shape (1, 1)."""
    scaled = op.add(op.multiply(brightness, op.constant(np.float32(factor))), op.constant(np.float32(offset)))
    return op.reshape(scaled, op.constant([1, 1]), False)


def loaded(detector: Path, landmarks: Path) -> LoadedPoseEstimator:
    estimator = BlazePoseEstimator(BlazePoseConfig(), detector, landmarks, 1)
    return LoadedPoseEstimator("pose/blazepose", BLAZEPOSE_33, estimator)


def follow(estimator: LoadedPoseEstimator, clips: Any) -> FloatArray:
    return np.stack([follow_person(estimator, clip, 6.0) for clip in clips])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> LoadedPoseEstimator:
    """Sees a person in every picture that is bright enough, always at the same place, and loses dark ones."""
    folder = tmp_path_factory.mktemp("networks")
    place = anchors()[0] * 224
    box = np.concatenate([[0, 0, 30, 30], HIPS - place, HIPS - place - [0, RADIUS], HIPS - place, HIPS - place])
    boxes = np.zeros((2254, 12))
    boxes[0] = box

    def detector(brightness: Any) -> list[Any]:
        # Between -1 for black and 1 for white; nearly half of the square lies beyond the picture.
        first = op.reshape(linear(brightness, 100, 10), op.constant([1, 1, 1]), False)
        return [constant(boxes), op.concat([first, constant(np.full((2253, 1), -99.0))], 1)]

    landmarks = np.zeros((39, 5))
    landmarks[:, :2] = 128
    landmarks[0, :2] = [128, 128 - 102.4]
    landmarks[33, :2], landmarks[34, :2] = [128, 128], [128, 128 - 102.4]
    landmarks[:, 3] = 2.0
    world = np.zeros((39, 3))
    world[0] = [0.1, -0.8, 0.3]

    def finder(brightness: Any) -> list[Any]:
        presence = op.sigmoid(linear(brightness, 100, -30))
        cold = np.full((64, 64, 39), -20.0)
        return [constant(landmarks.ravel()), presence, constant(cold), constant(world.ravel())]

    return loaded(
        save(folder / "detector.xml", [1, 224, 224, 3], detector),
        save(folder / "landmarks.xml", [1, 256, 256, 3], finder),
    )


def clip(*levels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in levels])


def test_landmarks_are_in_picture_coordinates(toy: LoadedPoseEstimator) -> None:
    (landmarks,) = follow(toy, clip(BRIGHT)[None])[0]
    assert landmarks.shape == (33, 6)
    # The square is 160 pixels wide, and the picture is in its middle.
    hips = HIPS / 224 * 160 - [0, (160 - 90) / 2]
    top = hips - [0, RADIUS / 224 * 160]
    assert np.allclose(landmarks[1, :2], hips / [WIDTH, HEIGHT], atol=1e-4)
    assert np.allclose(landmarks[0, :2], top / [WIDTH, HEIGHT], atol=1e-4)
    assert np.allclose(landmarks[0, 2:5], [0.1, -0.8, 0.3], atol=1e-5)
    assert np.allclose(landmarks[:, 5], 1 / (1 + np.exp(-2.0)))


def test_poses_without_person_are_nan(toy: LoadedPoseEstimator) -> None:
    result = follow(toy, clip(DARK, BRIGHT, BRIGHT, DARK, DARK, BRIGHT)[None])
    assert result.shape == (1, 6, 33, 6)
    assert result.dtype == np.float32
    missing = [bool(np.isnan(landmarks).all()) for landmarks in result[0]]
    assert missing == [True, False, False, True, True, False]
    assert np.allclose(result[0, 1], result[0, 5], atol=1e-4)


def test_tracked_person_needs_no_detection(toy: LoadedPoseEstimator) -> None:
    assert np.isnan(follow(toy, clip(DIM)[None])).all()
    assert not np.isnan(follow(toy, clip(BRIGHT, DIM, DIM)[None])).any()


def test_clips_are_independent(toy: LoadedPoseEstimator) -> None:
    first, second = clip(BRIGHT, DIM), clip(DIM, BRIGHT)
    together = follow(toy, np.stack([first, second, first]))
    for index, alone in enumerate((first, second, first)):
        assert np.array_equal(together[index], follow(toy, alone[None])[0], equal_nan=True)
    assert follow_person(toy, [], 6.0).shape == (0, 33, 6)


def test_load_wrong_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"nothing")
    with pytest.raises(fitsense.WeightsError, match=r"a\.tflite: expected a network"):
        loaded(tmp_path / "a.tflite", tmp_path / "a.tflite")


@pytest.fixture(scope="module")
def real() -> LoadedPoseEstimator:
    try:
        files = {name: resolve(ref, fetch=False) for name, ref in ASSETS.items()}
    except fitsense.WeightsError:
        pytest.skip("needs BlazePose's networks: fitsense models pull blazepose")
    return loaded(files["detector"], files["landmarks"])


def seen(real: LoadedPoseEstimator, video: FigureVideo) -> FloatArray:
    result: FloatArray = follow(real, np.stack([frame.rgb for frame in video])[None])[0]
    assert not np.isnan(result).any()
    return result


@pytest.mark.parametrize("mirrored", [False, True])
def test_rendered_figure_is_found_at_its_place(real: LoadedPoseEstimator, mirrored: bool) -> None:
    """The camera looks at a place beside the hips, so that they are off the middle by a known distance."""
    aside_m = 0.5
    standing = FigureVideo(bouts=(Bout("squat", 1, 2.0),)).pose(0.0)
    camera = Camera(azimuth_deg=0.0, elevation_deg=0.0, target=(-aside_m, standing["pelvis"][1], 0.0))
    picture = next(iter(FigureVideo(bouts=(Bout("squat", 1, 2.0),), camera=camera, size=(320, 320)))).rgb
    if mirrored:
        picture = np.ascontiguousarray(picture[:, ::-1])
    (landmarks,) = follow(real, picture[None, None])[0]
    offset = aside_m / camera.distance_m / math.tan(math.radians(camera.field_of_view_deg) / 2) / 2
    hips = landmarks[[23, 24]].mean(axis=0)
    assert np.allclose(hips[:2], [0.5 - offset if mirrored else 0.5 + offset, 0.5], atol=0.04)
    assert np.abs(hips[2:5]).max() < 0.02
    nose, shoulders, ankles = landmarks[0], landmarks[[11, 12]].mean(axis=0), landmarks[[27, 28]].mean(axis=0)
    for coordinate in (1, 3):
        heights = [float(part[coordinate]) for part in (nose, shoulders, hips, ankles)]
        assert heights == sorted(heights)
    assert (landmarks[:, 5] <= 1).all()
    assert landmarks[[11, 12, 23, 24], 5].min() > 0.9


def test_rendered_figure_hips_follow_movement(real: LoadedPoseEstimator) -> None:
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), rate_hz=7.5)
    landmarks = seen(real, video)
    true_height = [video.pose(index / video.rate_hz)["pelvis"][1] for index in range(len(video))]
    assert np.corrcoef(true_height, -landmarks[:, [23, 24], 1].mean(axis=1))[0, 1] > 0.95
