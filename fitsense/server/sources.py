"""What the server may open: only what its configuration names."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs

from fitsense.errors import InvalidInputError
from fitsense.server.config import ServeConfig
from fitsense.server.problems import Kind, ProblemError
from fitsense.video.opening import is_live

# A file may be a list of other files, or of addresses, whatever it is called; these hold their pictures themselves.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,ogg,asf,h264,hevc,ivf,mjpeg,m4v,mxf,y4m,"
    "yuv4mpegpipe"
)
FILE_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""FFmpeg's, for a file: it may not lead to others."""


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


class Sources:
    """The sources of a configuration, by name.

    :raises InvalidInputError: a file or folder that is not there.
    """

    def __init__(self, config: ServeConfig) -> None:
        self._redirects = config.redirects
        self._live: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        for name, what in config.sources.items():
            if is_live(what):
                self._live[name] = what
                continue
            try:
                self._paths[name] = Path(what).resolve(strict=True)
            except OSError as error:
                raise InvalidInputError(
                    f"sources.{name}: expected a file, folder, camera or URL, got {what}"
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
            raise ProblemError(Kind.SOURCE, f"source: expected one of {known or 'none, as configured'}, got {wanted!r}")
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
