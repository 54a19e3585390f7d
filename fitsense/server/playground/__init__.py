"""The playground: a web page that shows what a session tells.

The files beside this module are what the browser gets: no build step, nothing from elsewhere. Two more are made here,
so that the page draws the body and says names as reports do.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePath
from xml.etree import ElementTree

import attrs
from starlette.requests import Request
from starlette.responses import Response

from fitsense.catalogue import IDLE, LANGUAGES, UNKNOWN, load_catalogue
from fitsense.report.body_map import body_map
from fitsense.report.scale import colour
from fitsense.server.api.responses import compact

PAGE = "index.html"
FOLDER = "/playground/"
"""Where the page's files are; the page itself is at ``/``."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_HEADERS = {
    # Asked again each time, and answered by 304: the files change with the version, their names do not.
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SHADES = 33
_SVG = "{http://www.w3.org/2000/svg}"
# What the picture shows beside its key, which the page has as text.
_BODY_VIEW = "0 0 800 856"


@attrs.frozen
class Asset:
    """A file as it goes out."""

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """Its ``ETag``."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


@functools.cache
def assets() -> Mapping[str, Asset]:
    """The page and its files, by name."""
    found = {
        file.name: Asset(file.read_bytes(), _TYPES[suffix])
        for file in resources.files(__package__).iterdir()
        if (suffix := PurePath(file.name).suffix) in _TYPES
    }
    facts = {f"facts.{lang}.json": compact(_facts(lang)) for lang in LANGUAGES}
    made = {"body.svg": _body(), **facts}
    return found | {name: Asset(text.encode(), _TYPES[PurePath(name).suffix]) for name, text in made.items()}


def answer(request: Request, asset: Asset) -> Response:
    """A file, or that the browser has it already."""
    headers = {**_HEADERS, "etag": asset.tag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers={**headers, "content-type": asset.media_type})


def _body() -> str:
    """The reports' picture of the body, without load, style and key: those are the page's."""
    root = ElementTree.fromstring(body_map({}, unit="s", title="Muscle load"))
    root.remove(root[-1])
    for style in root.findall(f"{_SVG}style"):
        root.remove(style)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
    root.set("xmlns", _SVG.strip("{}"))
    root.set("viewBox", _BODY_VIEW)
    return ElementTree.tostring(root, "unicode")


def _facts(lang: str) -> Mapping[str, object]:
    """Names for people, and the colours from no load to the most."""
    catalogue = load_catalogue(lang)
    shares = [shade / (_SHADES - 1) for shade in range(_SHADES)]
    return {
        "lang": lang,
        "exercises": {id_: catalogue.exercise_name(id_) for id_ in (*catalogue.exercises, UNKNOWN, IDLE)},
        "muscle_groups": {id_: catalogue.muscle_group_name(id_) for id_ in catalogue.muscle_groups},
        "scale": {
            "light": [colour(share) for share in shares],
            "dark": [colour(share, dark=True) for share in shares],
        },
    }
