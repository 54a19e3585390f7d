"""Errors of the API as problem details (RFC 9457, ``application/problem+json``)."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fitsense.server.api.responses import json_response

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:fitsense:problem:"
# A detail quotes the client's input, which may be long.
_MAX_CHARACTERS = 400
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class ProblemType(enum.Enum):
    """Types of problems: the last part of the ``type`` URN, the HTTP status and the title."""

    INVALID = "invalid-request", 422, "Invalid request"
    MALFORMED = "malformed-request", 400, "Malformed request"
    UNAUTHORIZED = "unauthorized", 401, "Token required"
    FORBIDDEN_HOST = "forbidden-host", 403, "Host not allowed"
    FORBIDDEN_ORIGIN = "forbidden-origin", 403, "Origin not allowed"
    UNKNOWN_SESSION = "unknown-session", 404, "Unknown session"
    NOT_FOUND = "not-found", 404, "Not found"
    METHOD = "method-not-allowed", 405, "Method not allowed"
    CONFLICT = "conflict", 409, "Conflict with the session's state"
    EVENTS_GONE = "events-gone", 410, "Events no longer available"
    TOO_LARGE = "too-large", 413, "Content too large"
    MEDIA = "unsupported-media-type", 415, "Unsupported media type"
    SOURCE = "source-refused", 422, "Source refused"
    PICTURE = "picture-refused", 422, "Picture refused"
    TOO_MANY_REQUESTS = "too-many-requests", 429, "Too many requests"
    FAILED = "failed", 500, "Internal server error"
    TOO_MANY_SESSIONS = "too-many-sessions", 503, "Too many sessions"
    UNAVAILABLE = "unavailable", 503, "Service unavailable"

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.type = _PREFIX + slug
        self.status = status
        self.title = title

    @classmethod
    def of_slug(cls, slug: str) -> ProblemType:
        """The type whose URN ends with `slug`.

        :raises KeyError: there is none.
        """
        return {one.type: one for one in cls}[_PREFIX + slug]


_OF_STATUS = {404: ProblemType.NOT_FOUND, 405: ProblemType.METHOD, 413: ProblemType.TOO_LARGE}


class ProblemError(Exception):
    """A problem to report to a client.

    :param detail: what was wrong, with what, and what to do.
    :param headers: further headers of the response.
    :param members: further members of the problem's JSON object.
    """

    def __init__(
        self, kind: ProblemType, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        # Do not disclose memory addresses, which the repr of an object contains.
        detail = _ADDRESS.sub("", detail)
        super().__init__(detail)
        self.kind = kind
        self.detail = detail if len(detail) <= _MAX_CHARACTERS else detail[:_MAX_CHARACTERS] + "…"
        self.headers = dict(headers or {})
        self.members = members

    def to_dict(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        kind = self.kind
        return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": self.detail, **self.members}

    def response(self) -> Response:
        """The problem as a response."""
        return json_response(self.to_dict(), self.kind.status, MEDIA_TYPE, self.headers)


def on_problem(request: Request, error: Exception) -> Response:
    """Respond with a problem that was raised."""
    assert isinstance(error, ProblemError)
    return error.response()


def on_http_error(request: Request, error: Exception) -> Response:
    """Respond to an error of Starlette's routing."""
    assert isinstance(error, HTTPException)
    kind = _OF_STATUS.get(error.status_code, ProblemType.MALFORMED)
    path = request.url.path
    details = {
        ProblemType.NOT_FOUND: f"{path}: not found; /openapi.json lists all paths",
        ProblemType.METHOD: f"{path}: method {request.method} is not allowed",
    }
    return ProblemError(kind, details.get(kind, error.detail), error.headers).response()


def on_failure(request: Request, error: Exception) -> Response:
    """Respond to an error of the server itself without disclosing its cause."""
    return ProblemError(ProblemType.FAILED, "the server failed and has logged the cause; try again").response()
