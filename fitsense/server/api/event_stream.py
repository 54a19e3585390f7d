"""Events as they happen: NDJSON and Server-Sent Events, to clients who may be slow, or gone."""

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
from fitsense.server.engine.event_buffer import BufferedEvent, EventBuffer, EventsExpiredError

T = TypeVar("T")

NDJSON = "application/x-ndjson"
# What a browser waits before it asks again.
_RETRY_MS = 2000


def gone(missed: EventsExpiredError) -> ProblemError:
    """That events are not kept any more, for clients."""
    return ProblemError(
        ProblemType.EVENTS_GONE, f"{missed}; ask for those after it, or for all that are kept", first=missed.first
    )


class Lines(Response):
    """An answer of lines that come as they may.

    :param lines: what is sent, each with its end.
    :param send_s: a client that takes nothing for so many seconds is left.
    :param left: is called at the end, however it comes.
    """

    def __init__(
        self,
        lines: AsyncGenerator[str, None],
        *,
        headers: Mapping[str, str],
        send_s: float,
        left: Callable[[], None],
    ) -> None:
        self.status_code = 200
        self.media_type = NDJSON
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no", **headers})
        self._lines = lines
        self._send_s = send_s
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, TimeoutError):
                await asyncio.gather(sending, gone, return_exceptions=True)
            self._left()

    async def _send(self, send: Send) -> None:
        async def one(message: Message) -> None:
            await asyncio.wait_for(send(message), self._send_s)

        try:
            async with contextlib.aclosing(self._lines) as lines:
                await one({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for line in lines:
                    await one({"type": "http.response.body", "body": line.encode(), "more_body": True})
                await one({"type": "http.response.body", "body": b"", "more_body": False})
        except (OSError, TimeoutError):
            # The client has gone, or takes nothing.
            return


def event_stream(feed: EventBuffer, number: int | None, send_s: float) -> Response:
    """A feed as Server-Sent Events, from an event's number on.

    Every event is a plain message, so that one listener hears all types; ``id`` is the event's.
    """
    return EventSourceResponse(
        _messages(feed, number),
        send_timeout=send_s,
        # Streams end with their sessions, which a shutdown ends first.
        shutdown_event=anyio.Event(),
        shutdown_grace_period=3600.0,
    )


async def _messages(feed: EventBuffer, number: int | None) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(retry=_RETRY_MS, comment="events follow")
    try:
        async with contextlib.aclosing(feed.follow(number)) as followed:
            async for told in followed:
                yield _message(told)
    except EventsExpiredError as missed:
        yield ServerSentEvent(event="problem", data=compact(gone(missed).to_dict()))


def _message(told: BufferedEvent) -> ServerSentEvent:
    return ServerSentEvent(data=told.json, id=told.id)


async def unless_gone(receive: Receive, answering: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, which is cancelled when the client goes; after the request's body was read.

    :raises ProblemError: the client has gone.
    """
    task = asyncio.create_task(answering)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ProblemError(ProblemType.MALFORMED, "expected a client that waits for the answer, and it has gone")
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
