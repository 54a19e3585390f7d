"""The square that BlazePose's networks look at, and how it is cut out of a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as op

import fitsense
from fitsense_pose.graph import Graph, sigmoid
from fitsense_pose.region import FloatArray, Region

SIZE = 16
HEIGHT, WIDTH = 120, 200

regions = st.builds(
    lambda x, y, radius, turn: Region(x, y, radius * math.sin(turn), -radius * math.cos(turn)),
    st.floats(-50, 250),
    st.floats(-50, 170),
    st.floats(4, 300),
    st.floats(-math.pi, math.pi),
)


@pytest.fixture(scope="module")
def gradient() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A picture whose red and green say where a pixel is."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that gives back what it sees."""
    seen = op.parameter([1, SIZE, SIZE, 3], np.float32, name="input")
    same = op.multiply(seen, op.constant(np.float32(1)))
    other = op.reduce_mean(seen, op.constant([1, 2]), False)
    file = tmp_path_factory.mktemp("networks") / "mirror.xml"
    ov.save_model(ov.Model([other, same], [seen], "mirror"), file, compress_to_fp16=False)
    return file


def look(file: Path, beyond: Literal["zeros", "border"], values: tuple[float, float] = (0.0, 255.0)) -> Graph:
    return Graph(file, {"seen": (SIZE, SIZE, 3)}, values=values, beyond=beyond, threads=1)


def places(region: Region) -> FloatArray:
    """Position in the picture of each pixel of the square, (SIZE, SIZE, 2)."""
    v, u = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    return region.to_picture(np.stack([u, v], axis=-1))


def test_crop_shows_its_region(mirror: Path, gradient: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Points found in the square, put back into the picture, are where the network saw them."""
    graph = look(mirror, "border")

    @given(regions)
    def check(region: Region) -> None:
        seen = graph(gradient, region)["seen"][..., :2]
        # Beyond the picture, its edge goes on.
        expected = np.clip(places(region), 0, [WIDTH - 1, HEIGHT - 1])
        assert np.abs(seen - expected).max() < 0.05

    check()


def test_crop_outside_picture_is_black(mirror: Path, gradient: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    seen = look(mirror, "zeros", (-1.0, 1.0))(gradient, Region.around_picture(WIDTH, HEIGHT))["seen"]
    blue = seen[..., 2]
    # 200 x 120 pixels in a square of 16: ten rows of picture between three of nothing.
    assert np.allclose(blue[[0, 1, 2, -3, -2, -1]], -1)
    assert np.allclose(blue[4:-4], 1)


def test_crop_graph_takes_any_picture_size(mirror: Path) -> None:
    graph = look(mirror, "border")
    for height, width in ((5, 9), (300, 40), (5, 9)):
        picture = np.full((height, width, 3), 77, np.uint8)
        assert np.allclose(graph(picture, Region.around_picture(width, height))["seen"], 77, atol=1e-3)


@given(regions)
def test_region_is_square_and_not_mirrored(region: Region) -> None:
    corners = region.to_picture(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))
    edges = np.roll(corners, -1, axis=0) - corners
    assert np.allclose(np.linalg.norm(edges, axis=1), region.side, rtol=1e-3, atol=1e-2)
    # Clockwise, as in a picture with y down.
    assert edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0] > 0
    assert np.allclose(region.rotation @ region.rotation.T, np.eye(2), atol=1e-5)
    middle_of_top = corners[:2].mean(axis=0)
    assert np.allclose(middle_of_top, [region.x + region.up_x, region.y + region.up_y], atol=0.05)


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(10, 200), st.floats(-math.pi, math.pi))
def test_region_around_person_has_head_up(x: float, y: float, radius: float, turn: float) -> None:
    head = [x + radius * math.sin(turn), y - radius * math.cos(turn)]
    region = Region.around_person(np.array([[x, y], head], np.float32))
    inside = region.rotation.T @ (np.array(head) - [x, y]) / region.side
    assert np.allclose(inside, [0, -0.5 / 1.25], atol=1e-3)


@pytest.mark.parametrize(
    ("head", "usable"), [((50, 20), True), ((50, 50), False), ((50, 49), False), ((50, -9e5), False)]
)
def test_usable_empty_or_infinite_region_is_false(head: tuple[float, float], usable: bool) -> None:
    region = Region.around_person(np.array([[50, 50], head], np.float32))
    assert region.usable(100, 100) == usable
    assert not Region.around_person(np.array([[np.nan, 50], head], np.float32)).usable(100, 100)


def test_load_again_needs_no_compilation_and_sees_the_same(
    mirror: Path,
    gradient: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "mirror.xml"
    for suffix in (".xml", ".bin"):
        file.with_suffix(suffix).write_bytes(mirror.with_suffix(suffix).read_bytes())
    region = Region(90, 60, 12, -50)
    first = look(file, "border")(gradient, region)["seen"]
    # Without its weights, the network can no longer be compiled.
    file.with_suffix(".bin").unlink()
    assert np.array_equal(look(file, "border")(gradient, region)["seen"], first)
    with pytest.raises(fitsense.WeightsError):
        look(file, "zeros")


def test_load_other_file_is_refused(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(fitsense.WeightsError, match=r"mirror\.xml: expected a network with the outputs .*\(7,\)"):
        Graph(mirror, {"seen": (7,)}, values=(0.0, 1.0), beyond="zeros")
    (tmp_path / "a.tflite").write_bytes(b"nothing")
    with pytest.raises(fitsense.WeightsError, match=r"a\.tflite: expected a network"):
        look(tmp_path / "a.tflite", "zeros")


def test_probabilities_of_any_logits() -> None:
    logits = np.array([-np.inf, -1e4, 0, 1, 1e4], np.float32)
    assert np.allclose(sigmoid(logits), [0, 0, 0.5, 1 / (1 + math.exp(-1)), 1])
