"""The camera monitor on rendered people and overlays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import attrs
import numpy as np
import pytest

from fitsense.camera.monitor import CameraConfig, CameraMonitor
from fitsense.camera.view_features import camera_thumbnail
from fitsense.catalogue import IDLE
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.synthetic.rendering import Camera
from fitsense.types import UInt8Array
from tests.helpers.camera_stage import RATE_HZ, codes, watch


def figures(change: Callable[[Camera], Camera]) -> list[UInt8Array]:
    """A rendered figure that squats, with a camera that changes after six seconds, and sensor noise."""
    camera = Camera(azimuth_deg=50.0, distance_m=4.2)
    videos = [
        FigureVideo((Bout("squat", 5, 2.0),), camera=view, size=(96, 54), rate_hz=RATE_HZ, seed=7)
        for view in (camera, change(camera))
    ]
    random = np.random.default_rng(1)
    before, after = videos
    frames = [*islice(before, 60), *islice(after, 60, None)]
    return [
        camera_thumbnail(np.asarray(np.clip(frame.rgb + random.normal(0, 2, frame.rgb.shape), 0, 255), dtype=np.uint8))
        for frame in frames
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda camera: camera, []),
        (lambda camera: attrs.evolve(camera, target=(0.3, 0.9, 0.0)), ["camera_moved"]),
        (lambda camera: attrs.evolve(camera, azimuth_deg=-40.0, distance_m=3.0), ["camera_cut"]),
    ],
    ids=["the same", "turned", "elsewhere"],
)
def test_push_rendered_people_and_cameras_give_expected_warnings(
    change: Callable[[Camera], Camera], expected: list[str]
) -> None:
    assert codes(watch(figures(change), CameraConfig())) == expected


def test_push_rendered_standing_figure_gives_no_warning() -> None:
    video = FigureVideo((Bout(IDLE, 0, 7.0),), size=(96, 54), rate_hz=RATE_HZ, seed=5)
    random = np.random.default_rng(2)
    pictures = [
        camera_thumbnail(np.asarray(np.clip(frame.rgb + random.normal(0, 2, frame.rgb.shape), 0, 255), dtype=np.uint8))
        for frame in video
    ]
    assert "picture_frozen" not in codes(watch(pictures, CameraConfig(), idle=0.9))


def _fading(kind: str) -> list[tuple[UInt8Array, float]]:
    """A bare wall on a tripod: a caption fades, or an inset picture shows another scene, after 6 s."""
    random = np.random.default_rng(1)
    wall = np.full((64, 64, 3), 110.0)
    wall[8:16, 24:40] = random.integers(0, 255, (8, 16, 3))
    before, after = random.integers(0, 255, (2, 64, 64, 3)).astype(np.float64)
    place = np.s_[40:64] if kind == "caption" else np.s_[32:64, 32:64]
    pictures = []
    for index in range(140):
        part = min(1.0, max(0.0, (index - 60) / 15))
        picture = wall.copy()
        picture[place] = (1 - part) * before[place] + part * (wall if kind == "caption" else after)[place]
        noise = random.normal(0, 1.0, picture.shape)
        pictures.append((np.clip(picture + noise, 0, 255).astype(np.uint8), index / 10))
    return pictures


@pytest.mark.parametrize("kind", ["caption", "inset"])
def test_push_changing_overlay_is_no_move(kind: str) -> None:
    scene = CameraMonitor(CameraConfig())
    notices = [notice for picture, time_s in _fading(kind) for notice in scene.push(picture, time_s)]
    assert "camera_moved" not in {notice.code for notice in notices}
