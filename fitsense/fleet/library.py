"""Which videos a library has: folders, globs, tables and single files, here or wherever fsspec reaches."""

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
_HERE = re.compile(r"(file|local)://", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
# What storages call a mark that changes with a file's contents, the surest first.
_MARKS = (
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
# A web server that sends nothing for so long is given up, in seconds.
_PATIENCE_S = 60.0
# Web servers are asked about each file.
_ASKED_AT_ONCE = 16
_ID_CHARACTERS = 60


@attrs.frozen
class Video:
    """A video of a library.

    :param url: an absolute path, or a URL that fsspec opens.
    :param version: what changes with its contents: its size, and an ETag or the time of its last change. Empty where
        nobody could tell; it may be missing.
    """

    url: str
    version: str

    @property
    def is_here(self) -> bool:
        """Whether it is a path rather than a URL."""
        return not _URL.match(self.url)

    @property
    def name(self) -> str:
        """The file's name."""
        return _name(self.url) or "video"

    @property
    def id(self) -> str:
        """What its results are called: a readable beginning, and a digest of the URL."""
        readable = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(self.name).stem)[:_ID_CHARACTERS].lstrip(".")
        return f"{readable or 'video'}-{hashlib.sha256(os.fsencode(self.url)).hexdigest()[:16]}"

    @property
    def shown(self) -> str:
        """The URL without its password, if it has one."""
        return _PASSWORD.sub(r"\1:***@", self.url)


def list_videos(places: Iterable[str | Path]) -> list[Video]:
    """The videos of a library, by URL, each once.

    :param places: each a folder, which is searched with all that is in it; a glob; a CSV file with a column ``path``,
        whose cells are URLs, absolute, or relative to the file; or a single video. All of them may be URLs. Hidden
        files are left out. What a table or a place names is in the list whether it exists or not.
    :raises SourceError: a place does not exist, cannot be listed, or has no videos.
    :raises InvalidInputError: a CSV file is no such table.
    :raises MissingExtraError: ``fitsense[ray]`` is not installed.
    """
    urls: set[str] = set()
    for place in map(str, places):
        try:
            found = set(_listed(_HERE.sub("", place)))
        except FitsenseError:
            raise
        except ImportError as error:
            raise SourceError(f"{place}: {error}") from error
        except Exception as error:
            # Storages raise whatever their libraries do.
            raise SourceError(f"{place}: cannot be listed: {reason_of(error)}") from error
        if not found:
            raise SourceError(f"{place}: expected videos there ({' '.join(sorted(ENDINGS))}), and there are none")
        urls |= found
    ordered = sorted(urls)
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        return [Video(url, version) for url, version in zip(ordered, pool.map(_version, ordered), strict=True)]


def reason_of(error: Exception) -> str:
    """An error in one line, with its kind where the text alone may mean nothing."""
    if isinstance(error, FitsenseError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and what it is called there.

    :raises MissingExtraError: fsspec is not installed.
    :raises ImportError: the package for this kind of URL is not installed; its message says which.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("fitsense fleet", "ray", error) from error
    options: dict[str, Any] = {}
    if _WEB.match(url):
        from aiohttp import ClientTimeout

        # By default, all of a file would have to come within five minutes.
        options["client_kwargs"] = {"timeout": ClientTimeout(sock_connect=_PATIENCE_S, sock_read=_PATIENCE_S)}
    system, path = url_to_fs(url, **options)
    return system, path


def _listed(place: str) -> Iterator[str]:
    """The URLs of the videos that a place has."""
    here = not _URL.match(place)
    if here:
        place = os.path.abspath(place)  # noqa: PTH100  # links are not followed
    # Unlike Path's, these take a name that is too long for one that is not there.
    exists, is_folder = here and os.path.exists(place), here and os.path.isdir(place)  # noqa: PTH110, PTH112
    ending = PurePosixPath(_name(place)).suffix.lower()
    # What follows a question mark in a web address is no part of a name.
    magic = None if exists else re.search(r"[*?[]" if here else r"^[^?]*?[*[]", place)
    if magic:
        system, path = filesystem(place)
        yield from _videos(place[: place.rindex("/", 0, magic.end())], system, system.glob(path))
    elif ending == ".csv" and not is_folder:
        yield from _tabled(place)
    elif is_folder:
        yield from _below(place)
    elif not here and ending not in ENDINGS:
        system, path = filesystem(place)
        yield from _videos(place, system, system.find(path))
    elif here and not exists:
        raise SourceError(f"{place}: no such file or folder")
    else:
        yield place


def _below(folder: str) -> Iterator[str]:
    """The videos in a folder here; folders that are links are followed, each once."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real not in seen:
            yield from (os.path.join(where, name) for name in names if _is_video(name))  # noqa: PTH118
        seen.add(real)


def _videos(base: str, system: Any, paths: Iterable[str]) -> Iterator[str]:
    """The URLs of those paths that are videos, and not hidden below `base`."""
    base = base.rstrip("/")
    root = system._strip_protocol(base).rstrip("/")
    for path in paths:
        inside = path[len(root) :] if path.startswith(root + "/") else None
        hidden = any(part.startswith(".") for part in (inside or path).split("/"))
        if _is_video(path) and not hidden:
            # What a file system calls a path need not say on which host.
            yield str(system.unstrip_protocol(path)) if inside is None else base + inside


def _is_video(path: str) -> bool:
    name = _name(path)
    return PurePosixPath(name).suffix.lower() in ENDINGS and not name.startswith(".")


def _tabled(place: str) -> Iterator[str]:
    base = place.rpartition("/")[0]
    for cell in _cells(place):
        if _URL.match(cell):
            yield _HERE.sub("", cell)
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
        # Whoever opens it will say why it cannot be.
        return ""
    size = info.get("size")
    mark = next((info[name] for name in _MARKS if info.get(name)), "")
    return f"{'' if size is None else size} {mark}".strip()


def _name(url: str) -> str:
    """The last part of a path or URL, without what a web address asks for."""
    return (unquote(urlsplit(url).path) if _WEB.match(url) else url).rpartition("/")[2]
