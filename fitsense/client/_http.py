"""Requests of httpx2 for calls, and the client's errors for httpx2's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import websockets.exceptions

from fitsense.client._errors import ConnectionError, ProblemError, problem_error


@contextlib.contextmanager
def translated(base: str) -> Iterator[None]:
    """Raise :class:`ConnectionError` for what httpx2 raises when a connection fails."""
    try:
        yield
    except httpx2.TransportError as error:
        words = str(error) or type(error).__name__
        raise ConnectionError(f"{base}: the server cannot be reached or the connection broke: {words}") from error


def authorization(token: str | None) -> Mapping[str, str]:
    """The header that has the token."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def refusal(response: httpx2.Response) -> ProblemError:
    """The error of a response that is no success and was read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return problem_error(response.status_code, response.reason_phrase, headers, response.content)


def handshake_error(error: Exception, base: str) -> ProblemError | ConnectionError:
    """The error of a WebSocket that could not be opened."""
    if isinstance(error, websockets.exceptions.InvalidStatus):
        answer = error.response
        headers = {name.lower(): value for name, value in answer.headers.raw_items()}
        return problem_error(answer.status_code, answer.reason_phrase, headers, bytes(answer.body or b""))
    return ConnectionError(f"{base}: the WebSocket cannot be opened: {error or type(error).__name__}")


def client_settings(token: str | None, timeout_s: float, transport: Any) -> dict[str, Any]:
    """Settings that both kinds of httpx2's clients share."""
    return {"headers": authorization(token), "timeout": timeout_s, "transport": transport}


def reading_timeout(timeout_s: float, read_s: float | None) -> httpx2.Timeout:
    """The usual limits, with another one for the time between two reads; None for no limit."""
    return httpx2.Timeout(timeout_s, read=read_s)
