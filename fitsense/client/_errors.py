"""Errors of the client."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping

import attrs
import cattrs

from fitsense.errors import FitsenseError

ENDED = 1000
"""Close code of the server after the end of the session."""

LOST = 1006
"""Close code of a lost connection."""

_REASONS: Mapping[int, str] = {
    ENDED: "the session has ended",
    LOST: "the connection was lost",
    1009: "a message was too large",
    1012: "the server is stopping",
    4408: "the client read nothing for too long",
    4409: "another connection pushes into the session",
    4410: "some events are no longer available",
}
_SHOWN_CHARACTERS = 200


@attrs.frozen
class Problem:
    """A refusal by the server, see RFC 9457.

    :param type: ``urn:fitsense:problem:`` and the kind, for programs; ``about:blank`` for the answer of a proxy.
    :param title: the kind, in words.
    :param status: the HTTP status.
    :param detail: expectation and actual value.
    :param first: for expired events: number of the oldest available event.
    """

    type: str
    title: str
    status: int
    detail: str
    first: int | None = None


class ProblemError(FitsenseError):
    """The server refused a request or a message.

    :param problem: the description by the server.
    :param retry_after_s: delay that the server requests, in seconds.
    """

    def __init__(self, problem: Problem, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem = problem
        self.retry_after_s = retry_after_s


class ConnectionError(FitsenseError, builtins.ConnectionError):
    """The server cannot be reached, or the connection broke; ``__cause__`` has the reason."""


class ClosedError(FitsenseError):
    """A WebSocket was closed before the end of its session, or the session has ended and takes no further pictures.

    :param code: the WebSocket's close code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the WebSocket was closed with {code}: {_REASONS.get(code, 'the session has not ended')}")
        self.code = code


def problem_error(status: int, reason: str, headers: Mapping[str, str], content: bytes) -> ProblemError:
    """The error of an unsuccessful HTTP response; `headers` have lower-case names."""
    try:
        wait_s = max(0.0, float(headers.get("retry-after", "0")))
    except ValueError:
        wait_s = 0.0
    if headers.get("content-type", "").startswith("application/problem+json"):
        try:
            return ProblemError(cattrs.structure(json.loads(content), Problem), wait_s)
        except (ValueError, cattrs.BaseValidationError):
            pass
    text = content.decode("utf-8", errors="replace")[:_SHOWN_CHARACTERS]
    return ProblemError(
        Problem("about:blank", reason or "The request failed", status, text or f"status {status}"), wait_s
    )
