"""What a client raises."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping

import attrs
import cattrs

from fitsense.errors import FitsenseError

ENDED = 1000
"""The server's close code when the session has ended."""

LOST = 1006
"""The close code of a connection that broke."""

_REASONS: Mapping[int, str] = {
    ENDED: "the session has ended",
    LOST: "the connection was lost",
    1009: "a message was too large",
    1012: "the server is stopping",
    4408: "the client read nothing for too long",
    4409: "another connection pushes into the session",
    4410: "some events are no longer kept",
}
_SHOWN_CHARACTERS = 200


@attrs.frozen
class Problem:
    """What the server refused and why, as of RFC 9457.

    :param type: ``urn:fitsense:problem:`` and the kind; programs decide by it. ``about:blank`` if a proxy answered.
    :param title: the kind in words.
    :param status: the HTTP status.
    :param detail: what was expected and what came.
    :param first: for events that are gone: the number of the first that is kept.
    """

    type: str
    title: str
    status: int
    detail: str
    first: int | None = None


class ProblemError(FitsenseError):
    """The server refused something.

    :param problem: what the server said.
    :param retry_after_s: how long the server asks to wait, in seconds.
    """

    def __init__(self, problem: Problem, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem = problem
        self.retry_after_s = retry_after_s


class ConnectionError(FitsenseError, builtins.ConnectionError):
    """The server cannot be reached, or the connection broke; ``__cause__`` has the reason."""


class ClosedError(FitsenseError):
    """A WebSocket is closed although its session goes on, or the session has ended and takes no more pictures.

    :param code: the WebSocket's close code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the WebSocket was closed with {code}: {_REASONS.get(code, 'the session has not ended')}")
        self.code = code


def problem_error(status: int, reason: str, headers: Mapping[str, str], content: bytes) -> ProblemError:
    """The error of an HTTP answer that is no success; `headers` have lower-case names."""
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
