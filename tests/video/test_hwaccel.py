"""Decoding by hardware where it is, and by the CPU with a word where it is not."""

from __future__ import annotations

import itertools
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.events.model import SessionWarning
from fitsense.events.schema import validate_event
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.hwaccel import device_types, fault_of
from fitsense.video.live import LiveSource
from fitsense.video.source import SourceWarning, VideoSource
from tests.conftest import encode
from tests.helpers.network_camera import Camera
from tests.helpers.video_files import set_display_matrix


@pytest.fixture(params=device_types())
def absent(request: pytest.FixtureRequest) -> str:
    """A type of hardware that FFmpeg knows, and that does not decode here."""
    kind: str = request.param
    if fault_of(kind) is None:
        pytest.skip(f"{kind} decodes here")
    return kind


@pytest.fixture
def present() -> list[str]:
    """The types of hardware that decode here."""
    found = [kind for kind in device_types() if fault_of(kind) is None]
    if not found:
        pytest.skip(f"no hardware decodes here: FFmpeg knows {', '.join(device_types()) or 'none'}, but finds none")
    return found


@pytest.mark.parametrize("name", ["gpu", "", "none", "cuda0", ":1"])
def test_hwaccel_unknown_type_is_refused_with_known_types(name: str, squats_file: Path) -> None:
    match = f"^hwaccel: expected a type that this build of FFmpeg knows, one of .*, got '{name}'$"
    with pytest.raises(fitsense.InvalidInputError, match=match) as error:
        VideoSource(squats_file, DecodeConfig(hwaccel=name))
    assert all(kind in str(error.value) for kind in device_types())
    with pytest.raises(fitsense.InvalidInputError, match=match):
        fitsense.analyze(squats_file, hwaccel=name)
    done = CliRunner().invoke(main, ["analyze", str(squats_file), "--hwaccel", name])
    assert done.exit_code == ExitCode.FAILED
    assert "fitsense: hwaccel: expected a type" in done.output


def test_hwaccel_cuda_device_is_an_index(squats_file: Path) -> None:
    if "cuda" not in device_types():
        pytest.skip("this build of FFmpeg does not know cuda")
    with pytest.raises(fitsense.InvalidInputError, match="expected a device's number after cuda:, got 'cuda:first'"):
        VideoSource(squats_file, DecodeConfig(hwaccel="cuda:first"))
    with VideoSource(squats_file, DecodeConfig(hwaccel="cuda:99")) as source:
        assert source.unaccelerated is not None


def test_hwaccel_missing_device_decodes_on_cpu_with_warning(
    absent: str, model: fitsense.Model, squats_file: Path
) -> None:
    without = list(fitsense.analyze(squats_file, model=model))
    events = list(fitsense.analyze(squats_file, model=model, hwaccel=absent))
    for event in events:
        validate_event(event.to_dict())
    warnings = [event.data for event in events if isinstance(event.data, SessionWarning)]
    assert [warning.code for warning in warnings] == ["software_decoding"]
    assert warnings[0].message.startswith(f"the source is decoded by the CPU and not by {absent}: ")
    others = [event for event in events if not isinstance(event.data, SessionWarning)]
    assert [(event.time, event.data) for event in others] == [(event.time, event.data) for event in without]
    assert without[-1].type == "fitsense.session.ended"


def test_hwaccel_unsupported_codec_is_named(absent: str, squats: FigureVideo, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.gif", itertools.islice(squats, 5), "gif", "rgb8", rate=10)
    with VideoSource(path, DecodeConfig(hwaccel=absent)) as source:
        assert len(list(source)) == 5
        assert source.warning is None
        assert source.unaccelerated is not None
    assert source.unaccelerated.message.endswith("FFmpeg's decoder of gif does not use it")


def test_hwaccel_unreadable_source_gives_the_same_error(absent: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video")
    for name in ("missing.mp4", "text.mp4"):
        with pytest.raises(fitsense.SourceError) as without:
            VideoSource(tmp_path / name)
        with pytest.raises(fitsense.SourceError) as error:
            VideoSource(tmp_path / name, DecodeConfig(hwaccel=absent))
        assert str(error.value) == str(without.value)


def test_hwaccel_live_source_warns_before_first_frame(absent: str, film: Path) -> None:
    with Camera(film) as camera, closing(LiveSource(camera.url(), DecodeConfig(hwaccel=absent))) as source:
        first, *others = itertools.islice(source, 10)
    assert isinstance(first, SourceWarning)
    assert first.code == "software_decoding"
    assert all(isinstance(item, Frame) for item in others)


@pytest.mark.parametrize("step_s", [0.0, 0.05])
def test_hwaccel_gives_the_frames_of_the_cpu(step_s: float, present: list[str], tmp_path: Path) -> None:
    """The same frames, those skipped that are to be, and the right way up."""
    video = FigureVideo(bouts=(Bout("squat", 2, 2.0),), rate_hz=30.0, size=(320, 192))
    path = encode(tmp_path / "film.mp4", video, codec_options={"bf": "3"})
    shutil.copy(path, tmp_path / "turned.mp4")
    set_display_matrix(tmp_path / "turned.mp4", (0, -1, 1, 0))
    for file in (path, tmp_path / "turned.mp4"):
        with VideoSource(file, DecodeConfig(short_side=96, min_interval_s=step_s)) as source:
            expected = list(source)
        for kind in present:
            with VideoSource(file, DecodeConfig(short_side=96, min_interval_s=step_s, hwaccel=kind)) as source:
                assert source.unaccelerated is None, kind
                given = list(source)
            assert [frame.time_s for frame in given] == [frame.time_s for frame in expected]
            for ours, theirs in zip(given, expected, strict=True):
                assert np.abs(ours.rgb.astype(int) - theirs.rgb).mean() < 2, kind
