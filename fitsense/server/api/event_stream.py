"""Streams of events as NDJSON and Server-Sent Events; slow and disconnected clients end a stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.responses import compact
from fitsense.server.engine.event_buffer import EventBuffer, EventsExpiredError

T = TypeVar("T")

NDJSON = "application/x-ndjson"
# Delay before a browser reconnects.
_RETRY_MS = 2000


def events_gone(expired: EventsExpiredError) -> ProblemError:
    """The problem of a client that requests events that are no longer available."""
    return ProblemError(
        ProblemType.EVENTS_GONE, f"{expired}; resume there, or request all available events", first=expired.first
    )


class Lines(Response):
    """A streamed response of text lines.

    :param lines: lines with their line ends.
    :param send_s: timeout of a send in seconds; a client that exceeds it is dropped.
    :param on_end: called when the response ends, for whatever reason.
    """

    def __init__(
        self,
        lines: AsyncGenerator[str, None],
        *,
        headers: Mapping[str, str],
        send_s: float,
        on_end: Callable[[], None],
    ) -> None:
        self.status_code = 200
        self.media_type = NDJSON
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no", **headers})
        self._lines = lines
        self._send_s = send_s
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        disconnected = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((sending, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, disconnected):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, TimeoutError):
                await asyncio.gather(sending, disconnected, return_exceptions=True)
            self._on_end()

    async def _send(self, send: Send) -> None:
        async def send_one(message: Message) -> None:
            # `asyncio.wait_for` of Python 3.11 ignores a cancellation in the moment in which the send ends.
            async with asyncio.timeout(self._send_s):
                await send(message)

        try:
            async with contextlib.aclosing(self._lines) as lines:
                await send_one({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for line in lines:
                    await send_one({"type": "http.response.body", "body": line.encode(), "more_body": True})
                await send_one({"type": "http.response.body", "body": b"", "more_body": False})
        except (OSError, TimeoutError):
            # The client has disconnected or receives nothing.
            return


def event_stream(buffer: EventBuffer, number: int | None, send_s: float) -> Response:
    """A response of Server-Sent Events from an event's number on.

    Every event is an unnamed message, so that one listener receives all types; ``id`` is the event's id.
    """
    return EventSourceResponse(
        _messages(buffer, number),
        send_timeout=send_s,
        # Streams end with their sessions; a shutdown ends the sessions before it closes connections.
        shutdown_event=anyio.Event(),
        shutdown_grace_period=3600.0,
    )


async def _messages(buffer: EventBuffer, number: int | None) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(retry=_RETRY_MS, comment="events follow")
    try:
        async with contextlib.aclosing(buffer.follow(number)) as events:
            async for event in events:
                yield ServerSentEvent(data=event.json, id=event.id)
    except EventsExpiredError as expired:
        yield ServerSentEvent(event="problem", data=compact(events_gone(expired).to_dict()))


async def cancel_on_disconnect(receive: Receive, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, and cancel it if the client disconnects; call it after the request's body was read.

    :raises ProblemError: the client has disconnected.
    """
    task = asyncio.create_task(coroutine)
    disconnected = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait((task, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ProblemError(ProblemType.MALFORMED, "expected a client that waits for the response, got a disconnect")
    finally:
        for one in (task, disconnected):
            one.cancel()
        await asyncio.gather(task, disconnected, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
