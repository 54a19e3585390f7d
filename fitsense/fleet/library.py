"""Lists the videos of a library: folders, globs, tables and single files, on local disks or any fsspec storage."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from fitsense.data.listing import ENDINGS
from fitsense.data.tables import read_table
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError, SourceError

_URL = re.compile(r"[a-z][a-z0-9+.-]*(://|::)", re.IGNORECASE)
_LOCAL_SCHEME = re.compile(r"(file|local)://", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
# Keys under which storages report an identifier of a file's content, the most reliable first.
_CONTENT_KEYS = (
    "ETag",
    "etag",
    "Content-MD5",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "created",
)
# Timeout of a web server in seconds.
_TIMEOUT_S = 60.0
# Concurrent requests for the versions of files.
_CONCURRENT_REQUESTS = 16
_ID_CHARACTERS = 60


@attrs.frozen
class Video:
    """A video of a library.

    :param url: an absolute path, or a URL that fsspec opens.
    :param version: identifier of its content: its size, and an ETag or the time of its last change. Empty if unknown;
        the file may be missing.
    """

    url: str
    version: str

    @property
    def is_local(self) -> bool:
        """True if the URL is a path."""
        return not _URL.match(self.url)

    @property
    def name(self) -> str:
        """The file's name."""
        return _name(self.url) or "video"

    @property
    def id(self) -> str:
        """Name of its results: a readable prefix and a digest of the URL."""
        readable = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(self.name).stem)[:_ID_CHARACTERS].lstrip(".")
        return f"{readable or 'video'}-{hashlib.sha256(os.fsencode(self.url)).hexdigest()[:16]}"

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return _PASSWORD.sub(r"\1:***@", self.url)


def list_videos(places: Iterable[str | Path]) -> list[Video]:
    """List the videos of a library, sorted by URL, without duplicates.

    :param places: folders, which are searched recursively; globs; CSV files with a column ``path``, whose cells are
        URLs, absolute paths, or paths relative to the file; and single videos. All may be URLs. Hidden files are left
        out. Videos that a table or a place names are listed even if they do not exist.
    :raises SourceError: a place does not exist, cannot be listed, or has no videos.
    :raises InvalidInputError: a CSV file has no column ``path``.
    :raises MissingExtraError: ``fitsense[ray]`` is not installed.
    """
    urls: set[str] = set()
    for place in map(str, places):
        try:
            found = set(_listed(_LOCAL_SCHEME.sub("", place)))
        except FitsenseError:
            raise
        except ImportError as error:
            raise SourceError(f"{place}: {error}") from error
        except Exception as error:
            # Storages raise the exceptions of their client libraries.
            raise SourceError(f"{place}: cannot be listed: {reason_of(error)}") from error
        if not found:
            raise SourceError(f"{place}: expected videos there ({' '.join(sorted(ENDINGS))}), and there are none")
        urls |= found
    ordered = sorted(urls)
    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
        return [Video(url, version) for url, version in zip(ordered, pool.map(_version, ordered), strict=True)]


def reason_of(error: Exception) -> str:
    """An error in one line, with its class where the message alone may be unclear."""
    if isinstance(error, FitsenseError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and its path there.

    :raises MissingExtraError: fsspec is not installed.
    :raises ImportError: the package for this URL scheme is not installed; the message names it.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("fitsense fleet", "ray", error) from error
    options: dict[str, Any] = {}
    if _WEB.match(url):
        from aiohttp import ClientTimeout

        # The default limits the whole download to five minutes.
        options["client_kwargs"] = {"timeout": ClientTimeout(sock_connect=_TIMEOUT_S, sock_read=_TIMEOUT_S)}
    system, path = url_to_fs(url, **options)
    return system, path


def _listed(place: str) -> Iterator[str]:
    """The URLs of the videos in a place."""
    local = not _URL.match(place)
    if local:
        place = os.path.abspath(place)  # noqa: PTH100  # does not follow links
    # Unlike Path's methods, these treat a name that is too long as missing.
    exists, is_folder = local and os.path.exists(place), local and os.path.isdir(place)  # noqa: PTH110, PTH112
    ending = PurePosixPath(_name(place)).suffix.lower()
    # The query of a web address is no glob.
    magic = None if exists else re.search(r"[*?[]" if local else r"^[^?]*?[*[]", place)
    if magic:
        system, path = filesystem(place)
        yield from _videos(place[: place.rindex("/", 0, magic.end())], system, system.glob(path))
    elif ending == ".csv" and not is_folder:
        yield from _from_table(place)
    elif is_folder:
        yield from _in_folder(place)
    elif not local and ending not in ENDINGS:
        system, path = filesystem(place)
        yield from _videos(place, system, system.find(path))
    elif local and not exists:
        raise SourceError(f"{place}: no such file or folder")
    else:
        yield place


def _in_folder(folder: str) -> Iterator[str]:
    """The videos in a local folder; links to folders are followed, each target once."""
    visited = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in visited else [name for name in folders if not name.startswith(".")]
        if real not in visited:
            yield from (os.path.join(parent, name) for name in names if _is_video(name))  # noqa: PTH118
        visited.add(real)


def _videos(base: str, system: Any, paths: Iterable[str]) -> Iterator[str]:
    """The URLs of the paths that are videos and not hidden below `base`."""
    base = base.rstrip("/")
    root = system._strip_protocol(base).rstrip("/")
    for path in paths:
        inside = path[len(root) :] if path.startswith(root + "/") else None
        hidden = any(part.startswith(".") for part in (inside or path).split("/"))
        if _is_video(path) and not hidden:
            # A file system's path may lack the host.
            yield str(system.unstrip_protocol(path)) if inside is None else base + inside


def _is_video(path: str) -> bool:
    name = _name(path)
    return PurePosixPath(name).suffix.lower() in ENDINGS and not name.startswith(".")


def _from_table(place: str) -> Iterator[str]:
    base = place.rpartition("/")[0]
    for cell in _cells(place):
        if _URL.match(cell):
            yield _LOCAL_SCHEME.sub("", cell)
        elif _URL.match(place):
            yield f"{base}/{cell}"
        else:
            yield os.path.abspath(os.path.join(base, cell))  # noqa: PTH100, PTH118


def _cells(place: str) -> list[str]:
    """The column ``path`` of a CSV file."""
    with tempfile.TemporaryDirectory(prefix="fitsense-") as folder:
        file = Path(place)
        if _URL.match(place):
            file = Path(folder, "table.csv")
            system, path = filesystem(place)
            file.write_bytes(system.cat_file(path))
        try:
            cells = [row.cells["path"] for row in read_table(file, ["path"])]
        except InvalidInputError as error:
            raise InvalidInputError(str(error).replace(str(file), place)) from error
    return [cell for cell in cells if cell]


def _version(url: str) -> str:
    try:
        if not _URL.match(url):
            stat = os.stat(url)  # noqa: PTH116
            return f"{stat.st_size} {stat.st_mtime_ns}"
        system, path = filesystem(url)
        info: Mapping[str, Any] = system.info(path)
    except Exception:
        # Opening the video will report the reason.
        return ""
    size = info.get("size")
    content = next((info[name] for name in _CONTENT_KEYS if info.get(name)), "")
    return f"{'' if size is None else size} {content}".strip()


def _name(url: str) -> str:
    """The last part of a path or URL, without the query of a web address."""
    return (unquote(urlsplit(url).path) if _WEB.match(url) else url).rpartition("/")[2]
