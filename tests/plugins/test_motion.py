"""Motion: what flow's statistics say, that they need no torch, and what is said where OpenCV is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.bundles.manifest import BranchEntry, Labels, ObservationEntry
from fitsense.imaging.resize import branch_images
from fitsense.nn.branch import build_backbone
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense_motion.config import FlowConfig
from fitsense_motion.flow import SIDE, UInt8Array, dense_flow, load
from fitsense_motion.statistics import (
    DIRECTIONS,
    FREQUENCIES_HZ,
    FloatArray,
    count,
    directions,
    moving_box,
    rhythm,
    statistics,
)
from tests.helpers import tiny_models

CONFIG = FlowConfig()
WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
RATE_HZ = 7.5

seeds = st.integers(0, 2**32 - 1)


def limb(seed: int, left: int, top: int, *, pairs: int = 12, side: int = 24) -> FloatArray:
    """Flow that is still, but for a patch of 8 by 6 places that moves by and by."""
    random = np.random.default_rng(seed)
    flow = np.zeros((pairs, side, side, 2), np.float32)
    flow[:, top : top + 8, left : left + 6] = random.normal(0, 0.5, (pairs, 1, 1, 2)) + random.normal(0, 0.1, (8, 6, 2))
    return flow


@given(seeds, st.integers(1, 30), st.sampled_from([0.0, 1e-6, 1.0, 1e4]), st.integers(5, 30), st.integers(5, 30))
def test_statistics_any_flow_are_finite(seed: int, pairs: int, scale: float, height: int, width: int) -> None:
    flow = np.random.default_rng(seed).normal(0, scale, (pairs, height, width, 2)).astype(np.float32)
    found = statistics(flow, RATE_HZ)
    assert found.shape == (count(),)
    assert found.dtype.name == "float32"
    assert np.isfinite(found).all()
    # They are kept as float16.
    assert np.abs(found).max() < 100


@given(seeds, st.floats(0.1, 2))
def test_statistics_ignore_panning_camera(seed: int, pan: float) -> None:
    flow = limb(seed, 9, 8)
    panned = flow + np.random.default_rng(seed).normal(0, pan, (len(flow), 1, 1, 2)).astype(np.float32)
    np.testing.assert_allclose(statistics(panned, RATE_HZ), statistics(flow, RATE_HZ), atol=0.05)


@given(seeds, st.integers(4, 14), st.integers(4, 12))
def test_statistics_position_changes_only_place(seed: int, left: int, top: int) -> None:
    here, there = statistics(limb(seed, 9, 8), RATE_HZ), statistics(limb(seed, left, top), RATE_HZ)
    np.testing.assert_allclose(there[1:3] - here[1:3], np.array([left - 9, top - 8]) / 24, atol=1e-4)
    np.testing.assert_allclose(np.delete(there, (1, 2)), np.delete(here, (1, 2)), atol=0.01)


@given(seeds, st.floats(1.5, 4))
def test_statistics_speed_keeps_directions(seed: int, faster: float) -> None:
    slow, fast = statistics(10 * limb(seed, 9, 8), RATE_HZ), statistics(10 * faster * limb(seed, 9, 8), RATE_HZ)
    assert fast[0] - slow[0] == pytest.approx(np.log(faster), abs=0.02)
    np.testing.assert_allclose(fast[1:], slow[1:], atol=0.1)


@given(seeds, st.integers(4, 14))
def test_statistics_mirror_swaps_sides(seed: int, left: int) -> None:
    flow = limb(seed, left, 8)
    mirrored = flow[:, :, ::-1] * np.array([-1, 1], np.float32)
    here, there = (
        directions(each, moving_box(np.hypot(each[..., 0], each[..., 1]).mean(axis=0))).reshape(4, 4, DIRECTIONS)
        for each in (flow, mirrored)
    )
    swapped = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS
    np.testing.assert_allclose(there, here[:, ::-1][..., swapped], atol=1e-3)


@given(st.integers(0, DIRECTIONS - 1), st.integers(0, 3), st.integers(0, 3))
def test_directions_find_cell_and_direction(direction: int, row: int, column: int) -> None:
    angle = 2 * np.pi * direction / DIRECTIONS
    flow = np.zeros((3, 24, 24, 2), np.float32)
    flow[:, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = np.cos(angle), np.sin(angle)
    shares = directions(flow, WHOLE).reshape(4, 4, DIRECTIONS)
    assert shares.argmax() == np.ravel_multi_index((row, column, direction), shares.shape)
    np.testing.assert_allclose(shares[row, column], shares.sum(axis=(0, 1)))


@given(st.integers(0, len(FREQUENCIES_HZ) - 1), st.sampled_from([0, 1]), st.floats(0, 6))
def test_rhythm_finds_frequency_by_axis(at: int, axis: int, phase: float) -> None:
    times = np.arange(60) / RATE_HZ
    parts = np.zeros((60, 9, 2), np.float32)
    parts[:, 4, axis] = np.sin(2 * np.pi * FREQUENCIES_HZ[at] * times + phase)
    shares = rhythm(parts.reshape(60, -1), RATE_HZ).reshape(2, len(FREQUENCIES_HZ))
    assert shares.argmax() == np.ravel_multi_index((axis, at), shares.shape)


def test_flow_of_squatting_figure_is_vertical() -> None:
    slow, quick = (seen(FigureVideo((Bout("squat", 4, tempo_s),), rate_hz=RATE_HZ)) for tempo_s in (2.5, 0.77))
    for features, frequency in ((slow, 0.4), (quick, 1.3)):
        shares = features[-2 * len(FREQUENCIES_HZ) :].reshape(2, -1)
        assert shares[1].sum() > shares[0].sum(), "more of it is up and down than across"
        assert FREQUENCIES_HZ[shares[1].argmax()] == frequency
    assert quick[0] > slow[0]


def seen(video: FigureVideo) -> FloatArray:
    """Features of how a video begins."""
    spec = CONFIG.clip()
    frames = [branch_images(frame.rgb, {"": spec})[""] for frame, _ in zip(video, range(spec.frames), strict=False)]
    return np.asarray(load(CONFIG, {}, 1)(np.stack(frames)[None])[0])


@settings(max_examples=20)
@given(seeds, st.integers(-4, 4), st.integers(-4, 4))
def test_dense_flow_unit_is_sides_per_second(seed: int, right: int, down: int) -> None:
    texture = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (120, 120, 3), dtype=np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, np.empty_like(texture), 0, 255, cv2.NORM_MINMAX)
    clip: UInt8Array = np.stack([texture[12 - at * down :][:96, 12 - at * right :][:, :96] for at in (0, 1, 2)])
    given = clip.copy()
    flow = dense_flow(clip, RATE_HZ)
    assert flow.shape == (2, SIDE, SIDE, 2)
    assert flow.dtype.name == "float32"
    expected = np.array([right, down]) * RATE_HZ / 96
    np.testing.assert_allclose(np.median(flow, axis=(1, 2)), [expected, expected], atol=0.03)
    np.testing.assert_array_equal(clip, given)


def test_motion_without_opencv_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    spec = fitsense.PluginManager.discover().backbone("motion/flow")
    assert spec.observation is not None
    assert spec.observation.load is not None
    with pytest.raises(fitsense.MissingExtraError, match=r"needs the package cv2.* pip install 'fitsense\[motion\]'"):
        spec.observation.load(spec.config(), {}, None)


def test_motion_session_needs_no_torch(tmp_path: Path) -> None:
    labels = Labels(("no_exercise", "squat"), ("quads", "glutes"))
    branch = BranchEntry(
        name="flow",
        backbone="motion/flow",
        config=attrs.asdict(CONFIG),
        clip=CONFIG.clip(),
        feature_dim=count(),
        graph="flow.onnx",
        weights="flow.safetensors",
        heads=(),
        observation=ObservationEntry((count(),), {}),
    )
    spec = fitsense.PluginManager.discover().backbone("motion/flow")
    tiny_models.bundle_of(tmp_path, build_backbone(spec, CONFIG), branch, labels)
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import fitsense\n"
        "assert fitsense.PluginManager.discover().backbone('motion/flow')\n"
        "assert 'cv2' not in sys.modules\n"
        "from fitsense.synthetic.figures import Bout, FigureVideo\n"
        "video = FigureVideo(bouts=(Bout('squat', 3, 2.0),), rate_hz=10.0)\n"
        "events = list(fitsense.analyze(video, model=fitsense.load_model(sys.argv[1], threads=1)))\n"
        "assert 'cv2' in sys.modules\n"
        "print(events[-1].type, events[-1].data.windows)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kind, windows = done.stdout.split()
    assert (kind, int(windows) > 0) == ("fitsense.session.ended", True)
