"""Pipes and file objects, as far as they can be streamed, and files that name other files."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

import fitsense
from fitsense.synthetic.figures import FigureVideo
from fitsense.video.config import DecodeConfig
from fitsense.video.opening import is_live
from fitsense.video.source import VideoSource
from tests.conftest import encode

STREAMABLE = ["film.ts", "film.mkv", "film.flv", "film.avi", "faststart.mp4", "fragments.mp4"]
OPTIONS = {
    "faststart.mp4": {"movflags": "faststart"},
    "fragments.mp4": {"movflags": "empty_moov+frag_keyframe", "frag_duration": "1000000"},
}


@pytest.fixture(scope="module")
def films(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one film in several packings; ``late.mp4`` has its index at its end."""
    folder = tmp_path_factory.mktemp("films")
    for name in [*STREAMABLE, "late.mp4"]:
        encode(folder / name, squats, rate=10, options=OPTIONS.get(name))
    return folder


class Unseekable(io.RawIOBase):
    """A file object that can be read once, a little at a time, as those of sockets and processes."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, 1000))


def write_into(path: Path, content: bytes) -> threading.Thread:
    """Write into a FIFO from another thread; who reads may leave early."""

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(content)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def times_of(source: str | Path | BinaryIO) -> list[float]:
    with VideoSource(source, DecodeConfig(short_side=64)) as video:
        times = [frame.time_s for frame in video]
        assert video.warning is None
    return times


@pytest.mark.parametrize("name", STREAMABLE)
def test_source_fifo_gives_the_frames_of_the_file(name: str, films: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = write_into(fifo, (films / name).read_bytes())
    times = times_of(fifo)
    writer.join()
    assert times == times_of(films / name)


@pytest.mark.parametrize("name", STREAMABLE)
def test_source_unseekable_object_gives_the_frames_of_the_file(name: str, films: Path) -> None:
    assert times_of(Unseekable((films / name).read_bytes())) == times_of(films / name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*STREAMABLE, "late.mp4"])
def test_source_seekable_object_is_read_from_its_beginning(name: str, films: Path) -> None:
    content = io.BytesIO((films / name).read_bytes())
    content.seek(0, os.SEEK_END)
    assert times_of(content) == times_of(content) == times_of(films / name)
    assert not content.closed
    with (films / name).open("rb") as file:
        assert times_of(file) == times_of(films / name)


def test_source_pipe_with_late_index_is_refused(films: Path, tmp_path: Path) -> None:
    content = (films / "late.mp4").read_bytes()
    with pytest.raises(fitsense.SourceError, match=r"cannot be read from a pipe, since the index .* is at its end"):
        VideoSource(Unseekable(content))  # type: ignore[arg-type]
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = write_into(fifo, content)
    with pytest.raises(fitsense.SourceError, match=r"faststart"):
        VideoSource(fifo)
    writer.join()


def test_source_truncated_pipe_gives_its_frames(films: Path) -> None:
    content = (films / "film.mkv").read_bytes()
    with VideoSource(Unseekable(content[: len(content) // 2])) as source:  # type: ignore[arg-type]
        assert list(source)
        assert source.warning is not None


def test_source_truncated_object_warns(films: Path) -> None:
    content = (films / "film.mkv").read_bytes()
    with VideoSource(io.BytesIO(content[: len(content) // 2])) as source:
        assert list(source)
        assert source.warning is not None


@pytest.mark.parametrize("content", [b"", b"this is not a video" * 1000])
def test_source_object_without_video_is_refused(content: bytes) -> None:
    for file in (io.BytesIO(content), Unseekable(content)):
        with pytest.raises(fitsense.SourceError, match="empty" if not content else "cannot be opened as video"):
            VideoSource(file)  # type: ignore[arg-type]


def test_source_text_object_is_refused(films: Path) -> None:
    class Text:
        def read(self, size: int = -1) -> str:
            return "a" * size

    with pytest.raises(fitsense.InvalidInputError, match="expected a file object that gives bytes, got str"):
        VideoSource(Text())  # type: ignore[arg-type]


def test_source_failing_object_keeps_earlier_frames(films: Path) -> None:
    content = (films / "film.mkv").read_bytes()

    class Breaking(Unseekable):
        left = len(content) // 2

        def read(self, size: int = -1) -> bytes:
            self.left -= 1000
            if self.left < 0:
                raise RuntimeError("the connection is gone")
            return super().read(size)

    with VideoSource(Breaking(content)) as source:  # type: ignore[arg-type]
        assert list(source)
        assert source.read_error is not None
        assert "the connection is gone" in source.read_error


def test_source_interrupted_object_raises_interruption(films: Path) -> None:
    class Interrupted(Unseekable):
        def read(self, size: int = -1) -> bytes:
            if self._content.tell() > 20_000:
                raise KeyboardInterrupt
            return super().read(size)

    with pytest.raises(KeyboardInterrupt):
        VideoSource(Interrupted((films / "film.mkv").read_bytes()))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_source_dash_reads_standard_input(name: str, films: Path) -> None:
    if name != "-" and not Path(name).exists():
        pytest.skip(f"no {name} here")
    program = (
        "import sys; from fitsense.video.source import VideoSource\n"
        "from fitsense.video.config import DecodeConfig\n"
        "with VideoSource(sys.argv[1], DecodeConfig(short_side=64)) as source: print(len(list(source)), source.warning)"
    )
    content = (films / "film.ts").read_bytes()
    done = subprocess.run([sys.executable, "-c", program, name], input=content, capture_output=True, check=True)
    assert done.stdout.split() == [b"60", b"None"]


def test_is_live_below_dev_only_for_devices(tmp_path: Path) -> None:
    assert is_live("/dev/video0")
    assert is_live("/dev/null")
    for name in ("/dev/stdin", "/dev/fd/0", "/dev/shm/film.mp4", "-", f"file://{tmp_path}/film.mp4"):
        assert not is_live(name)


def test_is_live_file_url_is_false(films: Path, tmp_path: Path) -> None:
    shutil.copy(films / "film.ts", tmp_path / "a film.ts")
    assert times_of((tmp_path / "a film.ts").as_uri()) == times_of(films / "film.ts")


@pytest.fixture
def playlist_folder(films: Path, tmp_path: Path) -> Path:
    """A folder with a film, beside a folder with another film that its playlists must not read."""
    for folder in ("own", "secret"):
        (tmp_path / folder).mkdir()
        shutil.copy(films / "film.ts", tmp_path / folder / f"{folder}.ts")
    (tmp_path / "own" / "link.ts").symlink_to(tmp_path / "secret" / "secret.ts")
    return tmp_path / "own"


def write_playlist(path: Path, address: str) -> Path:
    if path.suffix == ".m3u8":
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:6", "#EXTINF:6,", address, "#EXT-X-ENDLIST", ""]
    else:
        lines = ["ffconcat version 1.0", f"file '{address}'", ""]
    path.write_text("\n".join(lines))
    return path


def test_source_playlist_of_own_folder_is_read(films: Path, playlist_folder: Path) -> None:
    assert times_of(write_playlist(playlist_folder / "list.m3u8", "own.ts")) == times_of(films / "film.ts")


@pytest.mark.parametrize("name", ["list.ffconcat", "list.mp4"])
def test_source_referring_format_is_refused(name: str, playlist_folder: Path) -> None:
    with pytest.raises(fitsense.SourceError, match="expected a file that holds its pictures"):
        VideoSource(write_playlist(playlist_folder / name, "own.ts"))


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat"])
@pytest.mark.parametrize(
    "address",
    [
        "{secret}",
        "file://{secret}",
        "file:{secret}",
        "../secret/secret.ts",
        "file:../secret/secret.ts",
        "link.ts",
        "concat:{secret}",
        "subfile,,start,0,end,99999,,:{secret}",
        "crypto:{secret}",
        "cache:{secret}",
        "async:{secret}",
    ],
)
def test_source_playlist_of_other_folder_is_refused(name: str, address: str, playlist_folder: Path) -> None:
    secret = playlist_folder.parent / "secret" / "secret.ts"
    path = write_playlist(playlist_folder / name, address.format(secret=secret))
    with pytest.raises(fitsense.SourceError):
        VideoSource(path, timeout_s=5.0)


@pytest.mark.parametrize("inner", ["list.m3u8", "inner.mp4"])
def test_source_nested_playlist_stays_in_its_folder(inner: str, playlist_folder: Path) -> None:
    write_playlist(playlist_folder / inner, str(playlist_folder.parent / "secret" / "secret.ts"))
    with pytest.raises(fitsense.SourceError):
        VideoSource(write_playlist(playlist_folder / "outer.m3u8", inner), timeout_s=5.0)


def test_source_playlist_in_pipe_is_refused(playlist_folder: Path) -> None:
    content = write_playlist(playlist_folder / "list.m3u8", "own.ts").read_bytes()
    with pytest.raises(fitsense.SourceError, match="is a playlist of other files"):
        VideoSource(io.BytesIO(content))


SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=x
c=IN IP4 127.0.0.1
t=0 0
m=video 39999 RTP/AVP 96
a=rtpmap:96 H264/90000
"""


@pytest.mark.parametrize("name", ["session.sdp", "session.mp4"])
def test_source_session_description_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SDP)
    with pytest.raises(fitsense.SourceError, match="cannot be opened as video"):
        VideoSource(tmp_path / name, timeout_s=5.0)
