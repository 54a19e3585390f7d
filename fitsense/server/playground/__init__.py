"""The playground: a web page that shows the events of a session.

The files beside this module are served as they are: no build step, no third-party scripts. Two more files are
generated here, so that the page shares the body map and the names with reports.
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

from fitsense.catalogue import IDLE, LANGUAGES, UNKNOWN, load_catalogue, locale_of
from fitsense.report.body_map import body_map
from fitsense.report.scale import colour
from fitsense.server.api.responses import compact

PAGE = "index.html"
FOLDER = "/playground/"
"""Path of the page's files; the page itself is at ``/``."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_HEADERS = {
    # Browsers revalidate each time: the files change with the version, their names do not.
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
_COLOURS = 33
_SVG = "{http://www.w3.org/2000/svg}"
# The body without the colour key, which the page has as text.
_BODY_VIEW_BOX = "0 0 800 856"


@attrs.frozen
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """The ``ETag``."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


@functools.cache
def assets() -> Mapping[str, Asset]:
    """The page and its files by name."""
    found = {
        file.name: Asset(file.read_bytes(), _TYPES[suffix])
        for file in resources.files(__package__).iterdir()
        if (suffix := PurePath(file.name).suffix) in _TYPES
    }
    facts = {f"facts.{lang}.json": compact(_facts(lang)) for lang in LANGUAGES}
    generated = {"body.svg": _body(), **facts}
    return found | {name: Asset(text.encode(), _TYPES[PurePath(name).suffix]) for name, text in generated.items()}


def asset_response(request: Request, asset: Asset) -> Response:
    """A response with a file, or 304 if the browser has it."""
    headers = {**_HEADERS, "etag": asset.tag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers={**headers, "content-type": asset.media_type})


def _body() -> str:
    """The body map of reports without load, style and key, which the page adds."""
    root = ElementTree.fromstring(body_map({}, unit="s", title="Muscle load"))
    root.remove(root[-1])
    for style in root.findall(f"{_SVG}style"):
        root.remove(style)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
    root.set("xmlns", _SVG.strip("{}"))
    root.set("viewBox", _BODY_VIEW_BOX)
    return ElementTree.tostring(root, "unicode")


def _facts(lang: str) -> Mapping[str, object]:
    """Display names, and the colour scale from zero to the largest load."""
    catalogue = load_catalogue(lang)
    shares = [index / (_COLOURS - 1) for index in range(_COLOURS)]
    return {
        "lang": lang,
        "exercises": {id_: catalogue.exercise_name(id_) for id_ in (*catalogue.exercises, UNKNOWN, IDLE)},
        "groups": {id_: one.group for id_, one in catalogue.exercises.items() if one.group},
        "muscle_groups": {id_: catalogue.muscle_group_name(id_) for id_ in catalogue.muscle_groups},
        "warnings": locale_of(lang).get("warnings", {}),
        "texts": {**locale_of(lang).get("texts", {}), **locale_of(lang).get("playground", {})},
        "scale": {
            "light": [colour(share) for share in shares],
            "dark": [colour(share, dark=True) for share in shares],
        },
    }
