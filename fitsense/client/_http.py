"""Adapter of httpx2: settings, and conversion of errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import websockets.exceptions

from fitsense.client._errors import ConnectionError, ProblemError, problem_error


@contextlib.contextmanager
def translated(base: str) -> Iterator[None]:
    """Convert httpx2's errors of connections to :class:`ConnectionError`."""
    try:
        yield
    except httpx2.TransportError as error:
        words = str(error) or type(error).__name__
        raise ConnectionError(f"{base}: the server cannot be reached or the connection broke: {words}") from error


def authorization(token: str | None) -> Mapping[str, str]:
    """The header with the token."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def refusal(response: httpx2.Response) -> ProblemError:
    """The error of an unsuccessful response, whose body has been read."""
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
    """Settings of both kinds of clients of httpx2."""
    return {"headers": authorization(token), "timeout": timeout_s, "transport": transport}


def reading_timeout(timeout_s: float, read_s: float | None) -> httpx2.Timeout:
    """Timeouts with another one for the time between two reads; None for no limit."""
    return httpx2.Timeout(timeout_s, read=read_s)
