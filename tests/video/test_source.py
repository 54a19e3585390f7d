"""Real files of every container, whole and damaged."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

import fitsense
from fitsense.imaging.resize import scale
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame, UInt8Array
from fitsense.video.config import DecodeConfig
from fitsense.video.opening import is_live
from fitsense.video.source import VideoSource
from tests.conftest import encode
from tests.helpers.video_files import CONTAINERS, set_display_matrix
from tests.hostile.fields import fields


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_source_any_container_gives_frames_at_their_times(suffix: str, frames: list[Frame], tmp_path: Path) -> None:
    codec, pix_fmt = CONTAINERS[suffix]
    path = encode(tmp_path / f"video{suffix}", frames, codec, pix_fmt, rate=10)
    with VideoSource(path) as source:
        assert (source.info.width, source.info.height) == (320, 182)
        read = list(source)
        assert source.warning is None
    assert len(read) == 30
    np.testing.assert_allclose([f.time_s for f in read], [f.time_s for f in frames], atol=0.02)
    for ours, theirs in zip(read[::10], frames[::10], strict=True):
        assert np.abs(ours.rgb.astype(int) - theirs.rgb).mean() < (
            20 if suffix == ".gif" else 12
        )  # a .gif has 256 colours


def test_source_short_side_scales_frames(squats_file: Path) -> None:
    with VideoSource(squats_file, DecodeConfig(short_side=91)) as source:
        assert next(iter(source)).rgb.shape == (91, 160, 3)


def test_source_variable_frame_rate_keeps_times(frames: list[Frame], tmp_path: Path) -> None:
    times = np.cumsum([0.0, 0.04, 0.2, 0.05, 0.5, 0.03, 0.31])
    path = encode(tmp_path / "vfr.mp4", [Frame(f.rgb, float(t)) for f, t in zip(frames, times, strict=False)])
    with VideoSource(path) as source:
        np.testing.assert_allclose([f.time_s for f in source], times, atol=1e-3)


# The first two columns of a display matrix, and what a player does to the stored picture.
ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Callable[[UInt8Array], UInt8Array]]] = {
    "upright": ((1, 0, 0, 1), lambda rgb: rgb),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "flipped": ((1, 0, 0, -1), np.flipud),
    "turned by 180": ((-1, 0, 0, -1), lambda rgb: np.rot90(rgb, 2)),
    "turned left": ((0, -1, 1, 0), lambda rgb: np.rot90(rgb, 1)),
    "turned right": ((0, 1, -1, 0), lambda rgb: np.rot90(rgb, -1)),
    "transposed": ((0, 1, 1, 0), lambda rgb: rgb.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda rgb: np.rot90(rgb, 2).swapaxes(0, 1)),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_source_with_a_display_matrix_shows_the_picture_as_players_do(
    name: str, suffix: str, frames: list[Frame], tmp_path: Path
) -> None:
    matrix, shown = ORIENTATIONS[name]
    path = encode(tmp_path / f"stored{suffix}", frames[:3])
    set_display_matrix(path, matrix)
    expected = shown(frames[0].rgb)
    with VideoSource(path) as source:
        first = next(iter(source)).rgb
        assert (source.info.height, source.info.width) == first.shape[:2] == expected.shape[:2]
    assert np.abs(first.astype(int) - expected).mean() < 12
    with VideoSource(path, DecodeConfig(short_side=91)) as source:
        small = next(iter(source)).rgb
    assert min(small.shape[:2]) == 91
    assert np.abs(small.astype(int) - shown(scale(frames[0].rgb, 160, 91))).mean() < 12


def test_ten_bit_video_is_read(frames: list[Frame], tmp_path: Path) -> None:
    path = encode(tmp_path / "deep.mp4", frames[:5], "libx264", "yuv420p10le")
    with VideoSource(path) as source:
        assert all(frame.rgb.dtype == np.uint8 for frame in source)


def test_source_missing_folder_or_empty_gives_distinct_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a video")
    for path, message in (
        (tmp_path / "missing.mp4", "no such file"),
        (tmp_path, "is a folder; give a video file, or analyse all in it by  fitsense fleet"),
        (tmp_path / "empty.mp4", r"is empty \(0 bytes\)"),
        (tmp_path / "text.mp4", "cannot be opened as video: Invalid data"),
    ):
        with pytest.raises(fitsense.SourceError, match=message):
            VideoSource(path)


def test_source_audio_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(fitsense.SourceError, match="has no video stream"):
        VideoSource(path)


@pytest.mark.parametrize(("side", "fits"), [(4000, True), (8000, False), (65535, False)])
def test_source_above_8k_is_refused_before_allocation(
    side: int, fits: bool, frames: list[Frame], tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.gif", frames[:3], "gif", "rgb8", rate=10)
    content = bytearray(path.read_bytes())
    for field in fields(bytes(content), ".gif", (320, 182))[:2]:
        field.write(content, side)
    path.write_bytes(content)
    if fits:
        with VideoSource(path, DecodeConfig(short_side=64)) as source:
            assert (source.info.width, source.info.height) == (side, side)
            assert next(iter(source)).rgb.shape == (64, 64, 3)
    else:
        with pytest.raises(fitsense.SourceError, match="none of its frames can be decoded"):
            VideoSource(path, DecodeConfig(short_side=64))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "libx264"),
        (".mp4", "libx265"),
        (".mkv", "mjpeg"),
        (".ts", "libx264"),
        (".avi", "mpeg4"),
        (".h264", "libx264"),
        (".ivf", "libvpx"),
        (".gif", "gif"),
    ],
)
def test_source_above_max_pixels_is_refused_with_its_size(
    suffix: str, codec: str, frames: list[Frame], tmp_path: Path
) -> None:
    pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    path = encode(tmp_path / f"a{suffix}", frames[:5], codec, pix_fmt, rate=10)
    # Decoders count whole blocks, so that 182 rows are 192, and still no more than is allowed.
    with VideoSource(path, DecodeConfig(short_side=64, max_pixels=320 * 182)) as source:
        assert len(list(source)) == 5
    # For some codecs only the decoder knows the size.
    refused = r"expected pictures of at most 40000 pixels, got 320 x 182|damaged, or of more than 40000 pixels"
    with pytest.raises(fitsense.SourceError, match=refused):
        VideoSource(path, DecodeConfig(short_side=64, max_pixels=40_000))


def test_source_unusual_file_names_are_files(squats_file: Path, tmp_path: Path) -> None:
    for name in ("a:b.mp4", "-i.mp4", "pipe:0", "%03d.mp4", "ü und leer.mp4"):
        shutil.copy(squats_file, tmp_path / name)
        with VideoSource(tmp_path / name) as source:
            assert next(iter(source)).time_s == 0.0


@pytest.fixture
def web_server(squats_file: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(squats_file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/{squats_file.name}"
        httpd.shutdown()


def test_source_url_is_read(web_server: str, squats: FigureVideo) -> None:
    assert is_live(web_server)
    with VideoSource(web_server, DecodeConfig(short_side=91)) as source:
        assert len(list(source)) == len(squats)
    with pytest.raises(fitsense.SourceError, match="cannot be opened"):
        VideoSource(f"{web_server}.missing")


def test_source_extreme_aspect_ratio_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "long.mkv", [Frame(np.zeros((16, 1600, 3), np.uint8), i / 10) for i in range(3)])
    with pytest.raises(fitsense.SourceError, match="1600 x 16 pixels: expected a long side of at most 16 short ones"):
        VideoSource(path, DecodeConfig(short_side=182))


@pytest.mark.parametrize(("zoom", "height"), [(1.0, 40), (2.5, 100), (9.0, 120)])
def test_source_zoom_scales_less_but_never_up(zoom: float, height: int, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [Frame(np.zeros((120, 240, 3), np.uint8), i / 10) for i in range(3)])
    with VideoSource(path, DecodeConfig(short_side=40, zoom=zoom)) as source:
        assert {frame.rgb.shape for frame in source} == {(height, 2 * height, 3)}


@pytest.mark.parametrize(("times", "exact"), [(2, True), (3, False), (6, False)])
@pytest.mark.parametrize("full_range", [False, True])
def test_source_large_reduction_keeps_pictures(
    times: int, exact: bool, full_range: bool, frames: list[Frame], tmp_path: Path
) -> None:
    large = [Frame(scale(frame.rgb, 960, 546), frame.time_s) for frame in frames[:10]]
    options = {"x264-params": f"fullrange={'on' if full_range else 'off'}:colormatrix=bt709", "crf": "30"}
    path = encode(tmp_path / "large.mp4", large, codec_options=options)
    height, width = round(546 / times), round(960 / times)
    with av.open(str(path)) as container:
        decoded = [scaled.to_ndarray() for scaled in map(partial(to_rgb, width, height), container.decode(video=0))]
    with VideoSource(path, DecodeConfig(short_side=height)) as source:
        given = [frame.rgb for frame in source]
    assert len(given) == len(decoded) == 10
    differences = [mine.astype(int) - whole for mine, whole in zip(given, decoded, strict=True)]
    if exact:
        assert not np.any(differences)
    else:
        assert np.abs(np.mean(differences, axis=(0, 1, 2))).max() < 2
        assert np.abs(differences).mean() < 3


def to_rgb(width: int, height: int, frame: av.VideoFrame) -> av.VideoFrame:
    return frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)


def test_is_live_of_files_cameras_and_urls() -> None:
    assert is_live("rtsp://camera/1")
    assert is_live("camera:0")
    assert is_live("/dev/video0")
    assert not is_live("video.mp4")
    assert not is_live("C:\\video.mp4")


def test_source_missing_camera_is_refused() -> None:
    with pytest.raises(fitsense.SourceError, match="camera:99: cannot be opened as video"):
        VideoSource("camera:99")
