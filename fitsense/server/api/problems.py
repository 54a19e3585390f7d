"""Errors as clients see them: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fitsense.server.api.responses import json_reply

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:fitsense:problem:"
# What is told of a client's own input may be as long as the input.
_MAX_CHARACTERS = 400
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class ProblemType(enum.Enum):
    """What can be wrong: the end of a problem's ``type``, the status, the title."""

    INVALID = "invalid-request", 422, "The request is not understood"
    MALFORMED = "malformed-request", 400, "The request is not well-formed"
    UNAUTHORIZED = "unauthorized", 401, "A token is needed"
    FORBIDDEN_HOST = "forbidden-host", 403, "The server is not called that"
    FORBIDDEN_ORIGIN = "forbidden-origin", 403, "Pages of that site may not call the server"
    UNKNOWN_SESSION = "unknown-session", 404, "There is no such session"
    NOT_FOUND = "not-found", 404, "There is nothing here"
    METHOD = "method-not-allowed", 405, "The method is not allowed"
    CONFLICT = "conflict", 409, "The session does not allow it"
    EVENTS_GONE = "events-gone", 410, "The events are not kept any more"
    TOO_LARGE = "too-large", 413, "It is too large"
    MEDIA = "unsupported-media-type", 415, "Content of that type is not understood"
    SOURCE = "source-refused", 422, "The source cannot be used"
    PICTURE = "picture-refused", 422, "The picture cannot be used"
    TOO_MANY_REQUESTS = "too-many-requests", 429, "Too many requests"
    FAILED = "failed", 500, "The server failed"
    TOO_MANY_SESSIONS = "too-many-sessions", 503, "Too many sessions"
    UNAVAILABLE = "unavailable", 503, "The server cannot do that now"

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.type = _PREFIX + slug
        self.status = status
        self.title = title


_OF_STATUS = {404: ProblemType.NOT_FOUND, 405: ProblemType.METHOD, 413: ProblemType.TOO_LARGE}


class ProblemError(Exception):
    """Something that a client is told is wrong.

    :param detail: what was wrong, with what, and what to do.
    :param headers: of the answer.
    :param more: further members of the problem's JSON.
    """

    def __init__(self, kind: ProblemType, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        # An object's own text says where it is in memory, which is nobody's business.
        detail = _ADDRESS.sub("", detail)
        super().__init__(detail)
        self.kind = kind
        self.detail = detail if len(detail) <= _MAX_CHARACTERS else detail[:_MAX_CHARACTERS] + "…"
        self.headers = dict(headers or {})
        self.more = more

    def to_dict(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        kind = self.kind
        return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": self.detail, **self.more}

    def reply(self) -> Response:
        """The problem as an answer."""
        return json_reply(self.to_dict(), self.kind.status, MEDIA_TYPE, self.headers)


def on_problem(request: Request, error: Exception) -> Response:
    """Answer with a problem that was raised."""
    assert isinstance(error, ProblemError)
    return error.reply()


def on_http_error(request: Request, error: Exception) -> Response:
    """Answer with what routing found."""
    assert isinstance(error, HTTPException)
    kind = _OF_STATUS.get(error.status_code, ProblemType.MALFORMED)
    path = request.url.path
    words = {
        ProblemType.NOT_FOUND: f"{path}: there is nothing here; /openapi.json lists what there is",
        ProblemType.METHOD: f"{path}: does not allow {request.method}",
    }
    return ProblemError(kind, words.get(kind, error.detail), error.headers).reply()


def on_failure(request: Request, error: Exception) -> Response:
    """Answer with our own fault, of which clients learn no more."""
    return ProblemError(ProblemType.FAILED, "the server failed, and has logged why; try again").reply()
