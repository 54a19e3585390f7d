"""The sources that the server may open: only those of its configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import attrs

from fitsense._internal.redaction import redact
from fitsense.errors import InvalidInputError
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.config import ServeConfig
from fitsense.video.opening import is_live

# Playlists, whatever their file name, refer to other files and addresses; these formats contain their frames.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,ogg,asf,h264,hevc,ivf,mjpeg,m4v,mxf,y4m,"
    "yuv4mpegpipe"
)
FILE_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""FFmpeg options for a file: it must not refer to other files."""

_VARIABLE, _FILE = "env:", "@"


@attrs.frozen
class Opened:
    """A source to open.

    :param address: a path, a URL or a camera.
    :param live: whether the source is a camera or a network stream.
    :param options: FFmpeg options.
    """

    address: str
    live: bool
    options: dict[str, str]


class SourcePolicy:
    """The sources of a configuration, by name.

    :param environment: variables for sources of the form ``env:VARIABLE``.
    :raises InvalidInputError: a file, folder or variable is missing.
    """

    def __init__(self, config: ServeConfig, environment: Mapping[str, str] = os.environ) -> None:
        self._redirects = config.redirects
        self._live: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        for name, setting in config.sources.items():
            address = _address(name, setting, environment)
            if is_live(address):
                self._live[name] = address
                continue
            try:
                self._paths[name] = Path(address).resolve(strict=True)
            except OSError as error:
                raise InvalidInputError(
                    f"sources.{name}: expected a file, folder, camera or URL, got {redact(setting)}"
                ) from error

    def find(self, requested: str) -> Opened:
        """Resolve the name of a source, or ``name/file`` in a folder.

        :raises ProblemError: no such source is configured. The response is the same for missing files and for files
            outside the folder, and discloses no path.
        """
        name, _, rest = requested.partition("/")
        if not rest and name in self._live:
            address = self._live[name]
            return Opened(address, live=True, options={"max_redirects": str(self._redirects)})
        root = self._paths.get(name)
        path = self._within(root, rest) if root is not None else None
        if path is None:
            known = ", ".join(
                [*self._live, *(f"{name}/…" if path.is_dir() else name for name, path in self._paths.items())]
            )
            raise ProblemError(
                ProblemType.SOURCE, f"source: expected one of {known or 'none, as configured'}, got {requested!r}"
            )
        return Opened(str(path), live=False, options=FILE_OPTIONS)

    def _within(self, root: Path, rest: str) -> Path | None:
        """The regular file `rest` in a folder, or the file `root` itself; None if it is missing or outside."""
        try:
            path = (root / rest).resolve(strict=True) if rest else root
            inside = path.is_relative_to(root)
            return path if inside and stat.S_ISREG(path.stat().st_mode) else None
        except (OSError, ValueError, RuntimeError):
            # No such file, a name with a NUL, or a cycle of links.
            return None


def _address(name: str, setting: str, environment: Mapping[str, str]) -> str:
    """The address of a source. ``env:VARIABLE`` and ``@FILE`` keep addresses with passwords out of command lines, which
    all users of the machine can read.

    :raises InvalidInputError: the variable or the file has no address.
    """
    if setting.startswith(_VARIABLE):
        variable = setting.removeprefix(_VARIABLE)
        if address := environment.get(variable, "").strip():
            return address
        raise InvalidInputError(f"sources.{name}: expected an address in the environment variable {variable}, got none")
    if setting.startswith(_FILE):
        file = Path(setting.removeprefix(_FILE))
        try:
            address = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            raise InvalidInputError(f"sources.{name}: expected an address in the file {file}: {reason}") from None
        if len(address.splitlines()) == 1:
            return address
        lines = len(address.splitlines())
        raise InvalidInputError(f"sources.{name}: expected an address in the file {file}, one line, got {lines}")
    return setting
