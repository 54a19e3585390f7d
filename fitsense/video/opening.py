"""Opens files, pipes, cameras and network streams; files cannot make FFmpeg open other files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import attrs
import av
import av.error
from av.codec.hwaccel import HWAccel

from fitsense._internal.redaction import redact_address
from fitsense.errors import InvalidInputError, SourceError
from fitsense.video.bytestream import STANDARD_INPUT, ByteStream, file_name, has_late_index, is_opened, is_pipe
from fitsense.video.inputs import is_file
from fitsense.video.wholeness import is_whole

_URL = re.compile(r"[a-z][a-z0-9+]+://", re.IGNORECASE)
_CAMERA = re.compile(r"camera:(.+)")
# PyAV looks up late streams in a table of fixed size.
_MAX_STREAMS = {"max_streams": "64"}
# FFmpeg's formats that open other files, addresses or devices.
_REFERRING_FORMATS = {
    *("concat", "dash", "hls", "image2", "imf", "rtp", "rtsp", "sap", "sdp", "vapoursynth", "vobsub"),
    *("alsa", "fbdev", "kmsgrab", "lavfi", "oss", "video4linux2,v4l2", "x11grab"),
}
_SELF_CONTAINED_FORMATS = ",".join(sorted(av.formats_available - _REFERRING_FORMATS))
# First bytes of an HLS playlist, and its file name suffixes.
_PLAYLIST, _PLAYLIST_SUFFIXES = b"#EXTM3U", (".m3u8", ".m3u")
_PIPE_BUFFER_BYTES = 1 << 17


@attrs.frozen
class Input:
    """An open source.

    :param is_live: whether it is a camera or a network stream.
    :param stream: the byte stream, unless FFmpeg reads the source itself.
    :param path: path of a file.
    :param folder: opener of a playlist's files.
    """

    container: av.container.InputContainer
    is_live: bool = False
    stream: ByteStream | None = None
    path: Path | None = None
    folder: _Folder | None = None

    @property
    def can_seek(self) -> bool:
        """True if the source can seek."""
        return not self.is_live and (self.stream is None or self.stream.seekable())

    def is_whole(self) -> bool | None:
        """True if a file is complete, by its container structure; None if unknown."""
        try:
            if self.stream is not None:
                return is_whole(self.stream) if self.stream.seekable() else None
            if self.path is not None:
                with self.path.open("rb") as file:
                    return is_whole(file)
        except OSError:
            pass
        return None

    def raise_interruption(self) -> None:
        """Raise the exception that interrupted reading from a file object, such as KeyboardInterrupt."""
        if self.stream is not None and self.stream.interrupted is not None:
            raise self.stream.interrupted

    def close(self) -> None:
        """Free the file or device."""
        self.container.close()
        for opened in (self.stream, self.folder):
            if opened is not None:
                opened.close()


def is_live(source: str) -> bool:
    """True if `source` is a camera or a network stream rather than a file or a pipe."""
    if _CAMERA.fullmatch(source) or source.startswith("/dev/video"):
        return True
    if _URL.match(source):
        return _path_of(source) is None
    # Another device; paths under /dev may be files, too.
    return source.startswith("/dev/") and not is_opened(source) and Path(source).is_char_device()


def name_of(source: str | Path | BinaryIO) -> str:
    """Name of a source in messages, without passwords."""
    if isinstance(source, str):
        return "standard input" if source == STANDARD_INPUT else redact_address(source)
    return str(source) if isinstance(source, os.PathLike) else file_name(source)


def can_reopen(source: str | Path | BinaryIO) -> bool:
    """True if a source can be opened again from its beginning."""
    if is_file(source):
        return bool(getattr(source, "seekable", lambda: False)())
    return not is_pipe(source)


def open_input(
    source: str | Path | BinaryIO, timeout_s: float, options: Mapping[str, str], hwaccel: HWAccel | None = None
) -> Input:
    """Open a source.

    :param options: FFmpeg options; they override those set here.
    :raises SourceError: the source is missing or empty, or FFmpeg cannot read it.
    """
    name = name_of(source)
    try:
        if not isinstance(source, (str, Path)):
            return _open_stream(ByteStream(source, name), timeout_s, options, hwaccel)
        if is_live(str(source)):
            return Input(_open_live(str(source), timeout_s, options, hwaccel), is_live=True)
        if is_pipe(source):
            return _open_stream(ByteStream.of_pipe(str(source)), timeout_s, options, hwaccel)
        path = _path_of(source) or Path(source)
        return _open_file(path, name, timeout_s, options, hwaccel)
    except InvalidInputError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{name}: cannot be opened as video: {reason_of(error, timeout_s)}") from error


def reason_of(error: Exception, timeout_s: float) -> str:
    """Human-readable reason of a failure to read."""
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {timeout_s:g} s"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _path_of(source: str | Path) -> Path | None:
    """Path of a ``file://`` URL; None for other sources."""
    parts = urlsplit(source) if isinstance(source, str) and _URL.match(source) else None
    if parts is None or parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(url2pathname(parts.path))


def _open_live(
    name: str, timeout_s: float, more: Mapping[str, str], hwaccel: HWAccel | None
) -> av.container.InputContainer:
    camera = _CAMERA.fullmatch(name)
    file, format_name, options = name, None, {}
    if camera or name.startswith("/dev/video"):
        device = camera[1] if camera else name
        if sys.platform == "darwin":
            file, format_name = device, "avfoundation"
            options = {"framerate": "30"}
        elif sys.platform == "win32":
            file, format_name = f"video={device}", "dshow"
        else:
            file, format_name = f"/dev/video{device}" if device.isdigit() else device, "v4l2"
    elif name.startswith("rtsp"):
        options = {"rtsp_transport": "tcp"}
    return _container(file, format_name, {**options, **_MAX_STREAMS, **more}, timeout_s, hwaccel)


def _open_file(path: Path, name: str, timeout_s: float, more: Mapping[str, str], hwaccel: HWAccel | None) -> Input:
    if not path.exists():
        raise SourceError(f"{name}: no such file")
    if path.is_dir():
        raise SourceError(f"{name}: is a folder; give a video file, or analyse all in it by  fitsense fleet")
    if path.stat().st_size == 0:
        raise SourceError(f"{name}: is empty (0 bytes)")
    options = {"format_whitelist": _SELF_CONTAINED_FORMATS, "protocol_whitelist": "file", **_MAX_STREAMS, **more}
    # A name with a colon or a leading minus is still a file.
    file_url = f"file:{path}"
    if path.suffix.lower() in _PLAYLIST_SUFFIXES and "format_whitelist" not in more:
        with path.open("rb") as file:
            is_playlist = _is_playlist(file.read(16))
        if is_playlist:
            options["format_whitelist"] += ",hls"
            folder = _Folder(path)
            try:
                return Input(_container(file_url, "hls", options, timeout_s, hwaccel, folder), folder=folder)
            except BaseException:
                folder.close()
                raise
    try:
        return Input(_container(file_url, None, options, timeout_s, hwaccel), path=path)
    except (av.error.EOFError, av.error.InvalidDataError):
        # A fragmented .mp4 truncated in a fragment's header: FFmpeg cannot complete its index, but can read the
        # preceding fragments without it.
        return Input(_container(file_url, None, {**options, "fflags": "+ignidx"}, timeout_s, hwaccel), path=path)
    except av.error.ArgumentError as error:
        raise SourceError(
            f"{name}: cannot be opened as video: expected a file that holds its pictures, got one that names other "
            "files or addresses, or that cannot be read at all"
        ) from error


def _open_stream(stream: ByteStream, timeout_s: float, more: Mapping[str, str], hwaccel: HWAccel | None) -> Input:
    options = {"format_whitelist": _SELF_CONTAINED_FORMATS, "protocol_whitelist": "data", **_MAX_STREAMS, **more}
    try:
        if _is_playlist(stream.head):
            raise SourceError(f"{stream.name}: is a playlist of other files; give its path")
        if not stream.seekable() and has_late_index(stream.head):
            raise SourceError(
                f"{stream.name}: cannot be read from a pipe, since the index of this .mp4 or .mov is at its end: "
                "expected a file, or a format that can be streamed, such as .ts, .mkv, or .mp4 written with "
                "-movflags +faststart"
            )
        try:
            container = _container(stream, None, options, timeout_s, hwaccel)
        except (av.error.EOFError, av.error.InvalidDataError):
            if not stream.seekable() or stream.interrupted is not None:
                raise
            stream.rewind()
            container = _container(stream, None, {**options, "fflags": "+ignidx"}, timeout_s, hwaccel)
    except BaseException as error:
        stream.close()
        if stream.interrupted is not None:
            raise stream.interrupted from error
        raise
    opened = Input(container, stream=stream)
    try:
        opened.raise_interruption()
    except BaseException:
        opened.close()
        raise
    return opened


def _is_playlist(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_PLAYLIST)


class _Folder:
    """Opens a playlist and the files in its folder, and no others.

    :param playlist: path of the playlist.
    """

    def __init__(self, playlist: Path) -> None:
        self._playlist = playlist
        self._folder, self._itself = playlist.parent.resolve(), playlist.resolve()
        # PyAV does not close all files that it opens.
        self._opened: list[BinaryIO] = []

    def open(self, url: str, flags: int, options: Mapping[str, str]) -> BinaryIO:
        """Open a file for FFmpeg, by its path or URL."""
        path = (_path_of(url) or Path(url.removeprefix("file:"))).resolve()
        if path != self._itself and not (path.is_relative_to(self._folder) and path.is_file()):
            raise PermissionError(f"{url}: expected a file in the folder of {self._playlist}")
        file = path.open("rb")
        self._opened = [opened for opened in self._opened if not opened.closed]
        self._opened.append(file)
        return file

    def close(self) -> None:
        """Close the open files."""
        for file in self._opened:
            file.close()


def _container(
    file: str | ByteStream,
    format_name: str | None,
    options: Mapping[str, str],
    timeout_s: float,
    hwaccel: HWAccel | None,
    folder: _Folder | None = None,
) -> av.container.InputContainer:
    return av.open(
        file,
        "r",
        format=format_name,
        options=dict(options),
        timeout=timeout_s,
        metadata_errors="replace",
        hwaccel=hwaccel,
        io_open=None if folder is None else folder.open,
        buffer_size=_PIPE_BUFFER_BYTES,
    )
