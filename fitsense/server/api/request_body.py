"""Reads bodies of requests within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO

from starlette.requests import ClientDisconnect, Request

from fitsense.server.api.problems import ProblemError, ProblemType


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """Read a request's body.

    :param timeout_s: longest time between two chunks.
    :raises ProblemError: the body is larger than `max_bytes`, stalls, or is incomplete.
    """
    return b"".join([chunk async for chunk in _chunks(request, max_bytes, timeout_s)])


async def write_body(request: Request, file: IO[bytes], max_bytes: int, timeout_s: float) -> int:
    """Write a request's body to a file.

    :param timeout_s: longest time between two chunks.
    :return: size in bytes.
    :raises ProblemError: as of :func:`read_body`.
    """
    size = 0
    async for chunk in _chunks(request, max_bytes, timeout_s):
        await asyncio.to_thread(file.write, chunk)
        size += len(chunk)
    return size


async def _chunks(request: Request, max_bytes: int, timeout_s: float) -> AsyncIterator[bytes]:
    too_large = ProblemError(ProblemType.TOO_LARGE, f"expected a body of at most {max_bytes} bytes")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise too_large
    size = 0
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ProblemError(ProblemType.MALFORMED, f"expected a body, got nothing for {timeout_s:g} s") from None
        except ClientDisconnect:
            raise ProblemError(ProblemType.MALFORMED, "expected a whole body, got a disconnect") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > max_bytes:
            raise too_large
        yield chunk
