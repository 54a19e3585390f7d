"""Requests' bodies, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO

from starlette.requests import ClientDisconnect, Request

from fitsense.server.api.problems import ProblemError, ProblemType


async def read_body(request: Request, most: int, patience_s: float) -> bytes:
    """A request's body.

    :param most: bytes.
    :raises ProblemError: it is larger, or does not come.
    """
    return b"".join([chunk async for chunk in _chunks(request, most, patience_s)])


async def write_body(request: Request, file: IO[bytes], most: int, patience_s: float) -> int:
    """Write a request's body to a file; give its size in bytes.

    :raises ProblemError: as of :func:`read_body`.
    """
    size = 0
    async for chunk in _chunks(request, most, patience_s):
        await asyncio.to_thread(file.write, chunk)
        size += len(chunk)
    return size


async def _chunks(request: Request, most: int, patience_s: float) -> AsyncIterator[bytes]:
    too_large = ProblemError(ProblemType.TOO_LARGE, f"expected a body of at most {most} bytes")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most:
        raise too_large
    size = 0
    stream = aiter(request.stream())
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream, None), patience_s)
        except TimeoutError:
            raise ProblemError(ProblemType.MALFORMED, f"expected a body, got nothing for {patience_s:g} s") from None
        except ClientDisconnect:
            raise ProblemError(ProblemType.MALFORMED, "expected a whole body, and the client has gone") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > most:
            raise too_large
        yield chunk
