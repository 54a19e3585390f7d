"""What the server may open: only what its configuration names."""

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

# A file may be a list of other files, or of addresses, whatever it is called; these hold their pictures themselves.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,ogg,asf,h264,hevc,ivf,mjpeg,m4v,mxf,y4m,"
    "yuv4mpegpipe"
)
FILE_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""FFmpeg's, for a file: it may not lead to others."""

_VARIABLE, _FILE = "env:", "@"


@attrs.frozen
class Opened:
    """What is to be opened.

    :param address: a path, a URL or a camera.
    :param live: whether it is a camera or a stream.
    :param options: FFmpeg's.
    """

    address: str
    live: bool
    options: dict[str, str]


class SourcePolicy:
    """The sources of a configuration, by name.

    :param environment: where sources of the form ``env:VARIABLE`` are.
    :raises InvalidInputError: a file, folder or variable that is not there.
    """

    def __init__(self, config: ServeConfig, environment: Mapping[str, str] = os.environ) -> None:
        self._redirects = config.redirects
        self._live: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        for name, what in config.sources.items():
            address = _address(name, what, environment)
            if is_live(address):
                self._live[name] = address
                continue
            try:
                self._paths[name] = Path(address).resolve(strict=True)
            except OSError as error:
                raise InvalidInputError(
                    f"sources.{name}: expected a file, folder, camera or URL, got {redact(what)}"
                ) from error

    def find(self, wanted: str) -> Opened:
        """What a client means by a name, or by ``name/file`` in a folder.

        :raises ProblemError: it is none of those that are configured. The answer is the same for what is not there and
            for what is elsewhere, and tells no path.
        """
        name, _, rest = wanted.partition("/")
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
                ProblemType.SOURCE, f"source: expected one of {known or 'none, as configured'}, got {wanted!r}"
            )
        return Opened(str(path), live=False, options=FILE_OPTIONS)

    def _within(self, root: Path, rest: str) -> Path | None:
        """The regular file `rest` of a folder, or the file `root` itself; None where it is not, or elsewhere."""
        try:
            path = (root / rest).resolve(strict=True) if rest else root
            inside = path.is_relative_to(root)
            return path if inside and stat.S_ISREG(path.stat().st_mode) else None
        except (OSError, ValueError, RuntimeError):
            # No such file, a name with a NUL, or links in a circle.
            return None


def _address(name: str, what: str, environment: Mapping[str, str]) -> str:
    """The address that a source's setting is, or that it says where to find: ``env:VARIABLE`` or ``@FILE``. An address
    with a password is not for command lines, which every user of the machine can read.

    :raises InvalidInputError: there is none.
    """
    if what.startswith(_VARIABLE):
        variable = what.removeprefix(_VARIABLE)
        if address := environment.get(variable, "").strip():
            return address
        raise InvalidInputError(f"sources.{name}: expected an address in the environment variable {variable}, got none")
    if what.startswith(_FILE):
        file = Path(what.removeprefix(_FILE))
        try:
            address = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            raise InvalidInputError(f"sources.{name}: expected an address in the file {file}: {reason}") from None
        if len(address.splitlines()) == 1:
            return address
        lines = len(address.splitlines())
        raise InvalidInputError(f"sources.{name}: expected an address in the file {file}, one line, got {lines}")
    return what
