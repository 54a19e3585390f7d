"""Clients that receive nothing are dropped, for all kinds of event streams."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fitsense.events.model import Event, SessionWarning, event_time
from fitsense.server.api.event_stream import Lines, event_stream
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.session.config import EPOCH
from tests.helpers.live_server import PATIENCE_S, until

SEND_S = 0.5
# More than any socket's buffers hold.
LARGE = [Event("urn:test", n, event_time(EPOCH, n), SessionWarning("test", "x" * 1_000_000, n, n)) for n in range(40)]


@contextlib.contextmanager
def listening(app: Starlette) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("kind", ["sse", "lines"])
def test_event_stream_client_receives_nothing_is_dropped(kind: str) -> None:
    buffers: list[EventBuffer] = []
    left = threading.Event()

    async def endpoint(request: Request) -> Response:
        buffer = EventBuffer(len(LARGE))
        buffer.append(LARGE)
        buffers.append(buffer)
        if kind == "sse":
            return event_stream(buffer, None, SEND_S)

        async def lines() -> AsyncGenerator[str, None]:
            async for event in buffer.follow():
                yield event.json + "\n"

        return Lines(lines(), headers={}, send_s=SEND_S, on_end=left.set)

    with (
        listening(Starlette(routes=[Route("/", endpoint)])) as port,
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        silent.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: buffers and buffers[0].readers == 1)
        until(lambda: buffers[0].readers == 0)
        assert kind == "sse" or left.wait(PATIENCE_S)


@pytest.mark.parametrize("steps", range(8))
def test_client_that_leaves_while_a_line_is_sent_ends_the_response(steps: int) -> None:
    """However many steps of the event loop lie between the end of a send and the news that the client has left."""

    async def answer() -> list[str]:
        sent = asyncio.Event()
        ended: list[str] = []

        async def lines() -> AsyncGenerator[str, None]:
            yield "first\n"
            await asyncio.Event().wait()

        async def receive() -> dict[str, str]:
            await sent.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                sent.set()
                for _ in range(3):
                    await asyncio.sleep(0)

        response = Lines(lines(), headers={}, send_s=60.0, on_end=lambda: ended.append("ended"))
        await asyncio.wait_for(response({"type": "http"}, receive, send), 20)
        return ended

    assert asyncio.run(answer()) == ["ended"]
